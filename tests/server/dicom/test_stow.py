"""By DICOMweb as by C-STORE: nothing lost, doubled or tried in vain, whatever the archive answers."""

import json
import threading
from contextlib import contextmanager
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO

import pytest
from pydicom import dcmread

from server.dicom.outbox import Outbox
from server.dicom.store import deliver
from tests.server.dicom.test_outbox import filled, pacs, states


class Answering(BaseHTTPRequestHandler):
    """Answers with what is next in the list; the last one stands for all that follow."""

    def do_POST(self):
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        body = self.rfile.read(int(self.headers["Content-Length"]))
        parts = [
            each.get_payload(decode=True) for each in BytesParser().parsebytes(head + body).get_payload()
        ]
        names = [str(dcmread(BytesIO(each)).SOPInstanceUID) for each in parts]
        self.server.asked.append((self.path, self.headers.get("Authorization"), names))
        answers = self.server.answers
        status, said = answers.pop(0) if len(answers) > 1 else answers[0]
        data = json.dumps(said(names) if callable(said) else said).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *words):
        pass


@contextmanager
def serving(*answers):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.answers, server.asked = list(answers), []
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def web(server, **changes):
    url = f"http://127.0.0.1:{server.server_address[1]}/dicom-web/"
    return pacs(104, host="", url=url, **changes)


def refused(reason, which=slice(0, 1)):
    def said(names):
        items = [
            {"00081155": {"vr": "UI", "Value": [name]}, "00081197": {"Value": [reason]}} for name in names
        ]
        return {"00081198": {"vr": "SQ", "Value": items[which]}}

    return said


@pytest.fixture
def outbox(tmp_path):
    made = Outbox(tmp_path / "outbox")
    yield made
    made.close()


def test_a_series_goes_in_one_request_with_its_authorization_and_once(outbox, tmp_path):
    rows = filled(outbox)
    (tmp_path / "token").write_text("Bearer abc\n")
    with serving((200, {})) as server:
        for _ in range(2):
            deliver(outbox, web(server, authorization=tmp_path / "token"))
        assert server.asked == [("/dicom-web/studies", "Bearer abc", [row[2] for row in rows])]
    assert states(outbox) == ["sent"] * 3


@pytest.mark.parametrize(
    ("status", "said", "found"),
    [
        (202, refused(0x0122), ["failed", "sent"]),
        (202, refused(0xA700), ["built", "sent"]),
        (409, refused(0xC000, slice(None)), ["failed", "failed"]),
        (503, {}, ["built", "built"]),
        (401, {}, ["failed", "failed"]),
        (415, {}, ["failed", "failed"]),
    ],
)
def test_every_answer_has_its_end_state(outbox, status, said, found):
    filled(outbox, count=2)
    with serving((status, said)) as server:
        deliver(outbox, web(server))
    assert states(outbox) == found


def test_an_archive_that_is_down_gets_everything_later(outbox):
    filled(outbox)
    with serving((200, {})) as server:
        gone = web(server)
    deliver(outbox, gone)
    assert states(outbox) == ["built"] * 3
    assert "cannot be reached" in outbox.entries()[0].reason
