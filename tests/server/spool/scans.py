"""Conversations as they come off the wire."""

import numpy as np

from gadgets.data import Readouts, Waveform
from gadgets.head import READOUT_HEAD, WAVEFORM_HEAD
from server.wire import encode

NAMES = {"patientID": "4711-GRACE", "patientName": "Hopper^Grace", "patientBirthdate": "1906-12-09"}


def xml(patient="4711-GRACE"):
    subject = "".join(f"<{name}>{value}</{name}>" for name, value in (NAMES | {"patientID": patient}).items())
    return (
        '<?xml version="1.0"?><ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD">'
        f"<subjectInformation>{subject}</subjectInformation></ismrmrdHeader>"
    )


def readouts(count, coils=3, samples=8, dims=0, flags=0):
    chance = np.random.default_rng(count)
    head = np.zeros(count, READOUT_HEAD)
    head["active_channels"], head["number_of_samples"], head["trajectory_dimensions"] = coils, samples, dims
    head["scan_counter"], head["flags"] = np.arange(count), flags
    data = chance.standard_normal((count, coils, 2 * samples)).astype(np.float32).view(np.complex64)
    path = chance.standard_normal((count, samples, dims)).astype(np.float32) if dims else None
    return Readouts(head=head, data=data, trajectory=path)


def waveform():
    head = np.zeros((), WAVEFORM_HEAD)
    head["channels"], head["number_of_samples"] = 2, 5
    return Waveform(head=head, data=np.arange(10, dtype=np.uint32).reshape(2, 5))


def scan(header=None, count=20, close=True, parameters="", config=None):
    parts = [
        encode.query(7, "gadgetron::info"),
        encode.config_file("cartesian_fft.yml") if config is None else config,
        encode.header(xml() if header is None else header),
        encode.text(parameters) if parameters else b"",
        encode.readouts(readouts(count)),
        encode.waveform(waveform()),
        encode.readouts(readouts(3, coils=2, dims=2)),
        encode.close() if close else b"",
    ]
    return b"".join(parts)


def keep(spool, data, outcome=None, peer="10.0.0.7"):
    """Spool a whole scan; the entry, closed when there is an outcome."""
    entry = spool.open(peer)
    entry.write(memoryview(data))
    if outcome is not None:
        entry.close(outcome)
    return entry
