"""A real archive on loopback: Orthanc, with DICOMweb and worklists where Debian's plug-ins are installed."""

import json
import shutil
import subprocess
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.endtoend.spawn import free_port, until

ORTHANC = shutil.which("Orthanc")
PLUGINS = Path("/usr/share/orthanc/plugins")
WEB, WORKLISTS = PLUGINS / "libOrthancDicomWeb.so", PLUGINS / "libModalityWorklists.so"


class Archive:
    """Orthanc by its REST interface."""

    def __init__(self, folder, web, dicom, answers):
        self.folder, self.web, self.dicom, self.answers = folder, web, dicom, answers
        self.process = None

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.web}{path}", timeout=30) as answer:
            return json.loads(answer.read())

    def bytes(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.web}{path}", timeout=30) as answer:
            return answer.read()

    def tags(self):
        return [self.get(f"/instances/{each}/simplified-tags") for each in self.get("/instances")]

    def delete(self, path):
        request = urllib.request.Request(f"http://127.0.0.1:{self.web}{path}", method="DELETE")
        urllib.request.urlopen(request, timeout=30).close()

    def lose(self, number):
        self.delete(f"/instances/{self.get('/instances')[number]}")

    def empty(self):
        for each in self.get("/patients"):
            self.delete(f"/patients/{each}")

    def settings(self, folder, *more):
        lines = ["[[archives]]", 'name = "pacs"', 'host = "127.0.0.1"', f"port = {self.dicom}"]
        lines += ['title = "ARCHIVE"', *more]
        (folder / "settings.toml").write_text("\n".join(lines))
        return folder / "settings.toml"

    def begin(self):
        plugins = [str(each) for each in (WEB, WORKLISTS) if each.exists()]
        (self.folder / "worklists").mkdir(parents=True, exist_ok=True)
        config = {
            "Name": "test",
            "HttpPort": self.web,
            "DicomPort": self.dicom,
            "DicomAet": "ARCHIVE",
            "DicomCheckCalledAet": True,
            "StorageDirectory": str(self.folder / "db"),
            "IndexDirectory": str(self.folder / "db"),
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomModalities": {"scanside": ["SCANSIDE", "127.0.0.1", self.answers]},
            "Worklists": {"Enable": True, "Database": str(self.folder / "worklists")},
            "Plugins": plugins,
        }
        (self.folder / "orthanc.json").write_text(json.dumps(config))
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen([ORTHANC, self.folder / "orthanc.json"], stdout=log, stderr=log)
        assert until(self._answers, 60), (self.folder / "log").read_text()

    def end(self):
        self.process.terminate()
        self.process.wait(30)

    def _answers(self):
        with suppress(OSError):
            return self.get("/system")
        return None


@contextmanager
def orthanc(folder):
    archive = Archive(folder, free_port(), free_port(), free_port())
    archive.begin()
    try:
        yield archive
    finally:
        archive.end()
