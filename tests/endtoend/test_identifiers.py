"""A scan whose header is full of identifiers: none of them leaves the stream that is kept."""

import json
import re
from urllib.request import urlopen

import pytest

from tests.endtoend.conftest import PLUGIN
from tests.endtoend.scans import said, scan, send
from tests.endtoend.spawn import spawned, until

XML, ITEMS = scan(repetitions=3)
SECRETS = {
    "patientName": "DOEXYZ^JANEQ",
    "patientID": "PID7654321",
    "patientBirthdate": "1931-07-23",
    "studyDate": "2019-08-17",
    "studyTime": "17:43:21",
    "studyID": "STUDY99881",
    "accessionNumber": "778812345",
    "referringPhysicianName": "HOUSEWXYZ^GREG",
    "studyDescription": "KNEEXQ FOLLOWUPQ",
    "studyInstanceUID": "1.2.840.99.1234567.1",
    "bodyPartExamined": "QPARTX",
    "measurementID": "45387_PID7654321_77_349",
    "seriesDate": "2019-08-18",
    "seriesTime": "18:01:59",
    "seriesInstanceUIDRoot": "1.2.840.99.7654321.2",
    "frameOfReferenceUID": "1.2.840.99.5555555.3",
    "referencedSOPInstanceUID": "1.2.840.99.8888888.4",
    "dependency": "45387_PID7654321_77_343",
    "stationName": "MRROOMX17",
    "institutionName": "SAINTELSEWHEREQ",
    "deviceSerialNumber": "SER445566",
    "userString": "WARDQ BED12345",
}


def element(name):
    return f"<{name}>{SECRETS[name]}</{name}>"


def elements(*names):
    return "".join(map(element, names))


def full(depends=True):
    """The header with all of them."""
    subject = elements("patientName", "patientID", "patientBirthdate")
    study = elements("studyDate", "studyTime", "studyID", "accessionNumber", "referringPhysicianName")
    study += elements("studyDescription", "studyInstanceUID", "bodyPartExamined")
    noise = f"<dependencyType>Noise</dependencyType><measurementID>{SECRETS['dependency']}</measurementID>"
    about = elements(
        "measurementID", "seriesDate", "seriesTime", "seriesInstanceUIDRoot", "frameOfReferenceUID"
    )
    about += f"<measurementDependency>{noise}</measurementDependency>" if depends else ""
    about += f"<referencedImageSequence>{element('referencedSOPInstanceUID')}</referencedImageSequence>"
    sections = (
        f"<subjectInformation>{subject}</subjectInformation><studyInformation>{study}</studyInformation>"
    )
    sections += f"<measurementInformation>{about}</measurementInformation>"
    xml = re.sub("<measurementInformation>.*</measurementInformation>", sections, XML, flags=re.DOTALL)
    system = elements("stationName", "institutionName", "deviceSerialNumber")
    xml = xml.replace("<acquisitionSystemInformation>", f"<acquisitionSystemInformation>{system}", 1)
    words = (
        f"<userParameterString><name>ward</name><value>{SECRETS['userString']}</value></userParameterString>"
    )
    return xml.replace("</ismrmrdHeader>", f"<userParameters>{words}</userParameters></ismrmrdHeader>")


GOSSIP = (
    PLUGIN
    + '''

import logging, sys, threading, warnings
from re import findall

from gadgets.data import Text


@dataclass(frozen=True, kw_only=True)
class Gossip(Gadget):
    """Says in every way what it knows of the patient, and dies of it."""

    def process(self, stream: Iterable[Block], scan: Scan) -> Iterator[Block | Text]:
        for text in {*findall(">([^<>]{3,})</", scan.xml), repr(scan.xml.encode())}:
            yield Text(text=f"It is {text}!", level="warning")
            logging.getLogger("gossip").warning("This is %s of GOSSIP", text)
            print("out", text)
            print("err", text.lower(), file=sys.stderr)
            warnings.warn(f"Beware of {text}")
        threading.Thread(target=lambda: 1 / len(scan.patient_id[:0]), name=scan.patient_id).start()
        logging.getLogger("gossip").error("done", exc_info=ValueError(scan.xml))
        yield from stream
        raise ValueError(scan.xml)
'''
)
WORDS = {part.lower() for text in SECRETS.values() for part in {text, *re.split(r"[\s^]", text)}}
CHAIN = "chain:\n- Misbehave: {{how: {how}}}\n- Accumulate\n- Fourier\n- Combine\n"
SCANS = {
    "good": ("cartesian_fft", ITEMS),
    "noise": ("default_measurement_dependencies", ITEMS[:1]),
    "missing dependency": ("cartesian_fft", ITEMS[1:]),
    "dependency needed": (
        "chain:\n- Prewhiten: {missing: fail}\n- Accumulate\n- Fourier\n- Combine\n",
        ITEMS[1:],
    ),
    "error": ("cartesian_fft", [ITEMS[0], ITEMS[-1], ITEMS[-1]]),
    "bug": (CHAIN.format(how="raise"), ITEMS),
    "death": (CHAIN.format(how="kill"), ITEMS),
    "identifier as chain": (SECRETS["patientID"], ITEMS),
    "malformed header": ("cartesian_fft", ITEMS),
    "gossip": ("chain:\n- Gossip\n- Accumulate\n- Fourier\n- Combine\n", ITEMS),
}


def leaks(text):
    return sorted(word for word in WORDS if word in text.lower())


@pytest.fixture(scope="module")
def traces(tmp_path_factory):
    """All that a server says and writes outside the streams, by where; and what the peers were told."""
    found = {}
    with spawned(
        tmp_path_factory.mktemp("identifiers") / "state", "-v", plugin=GOSSIP, memory=1 << 30
    ) as server:
        for name, (config, items) in SCANS.items():
            xml = full(depends=name != "noise")
            xml = xml.replace("</subjectInformation>", "", 1) if name.startswith("malformed") else xml
            answer, _ = send(server.address, said(config, (xml, items)))
            found[f"texts, {name}"] = "\n".join(answer.texts)
            if name == "good":
                assert not answer.error
        until(lambda: all(each.outcome for each in server.records))
        found["status"] = json.dumps(server.status())
        with urlopen(f"http://{server.status()['http']}/metrics", timeout=10) as answer:
            found["metrics"] = answer.read().decode()
        files = [each for each in server.folder.rglob("*") if "/plugins/" not in str(each)]
        found["names of files"] = "\n".join(str(each.relative_to(server.folder)) for each in files)
        for each in files:
            if each.suffix == ".json":
                found["JSON files"] = found.get("JSON files", "") + each.read_text()
        streams = b"".join(server.stream(each) for each in server.records)
    found["log"] = server.log
    assert all(text.encode() in streams for text in SECRETS.values()), "the scans did not carry them"
    return found


@pytest.mark.parametrize(
    "where", ["log", "status", "metrics", "names of files", "JSON files", *(f"texts, {n}" for n in SCANS)]
)
def test_no_identifier_stands_in(traces, where):
    text = traces[where]
    assert not leaks(text), "\n".join(line for line in text.splitlines() if leaks(line))


def test_what_was_looked_through_is_not_empty(traces):
    assert all(traces[where] for where in ("log", "status", "metrics", "names of files", "JSON files"))
    assert "s-1" in traces["log"]
    for way in ("This is [hidden]", "printed: out [hidden]", "printed: err [hidden]", "Beware of [hidden]"):
        assert way in traces["log"]
    assert traces["log"].count("Traceback") > 2
    assert "It is [hidden]!" in traces["texts, gossip"]
    assert "cartesian_fft" in traces["status"]
    assert 'scanside_errors_total{kind="death"} 1.0' in traces["metrics"]
