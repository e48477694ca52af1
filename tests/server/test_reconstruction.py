"""What a scan leaves for others is a by-product: its own images and report do not hang on it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gadgets.cardiac.perfusion.kept import KeptFlow
from gadgets.data import Block, Text
from gadgets.gadget import Gadget
from gadgets.scan import Scan
from gadgets.testing import cartesian
from server import reconstruction
from server.dependencies.store import Store
from server.errors import ScansideError
from server.files.header import write_header


@dataclass(frozen=True, kw_only=True)
class LeaveFlow(Gadget):
    """Flow for a later scan, and a text behind it."""

    def process(self, stream: Iterable[Block], scan: Scan) -> Iterator[KeptFlow | Text]:
        """Both, when the scan has ended."""
        list(stream)
        yield KeptFlow(state="rest", mbf=(1.0,) * 16, sd=(0.1,) * 16)
        yield Text(text="the report")


class Full(Store):
    """A store whose disk takes nothing."""

    def put(self, *_: object) -> str:
        """Raises ScansideError."""
        raise ScansideError("the flow measurement could not be kept: No space left on device")


def test_flow_that_cannot_be_kept_costs_a_warning_and_not_the_scan(tmp_path, monkeypatch):
    monkeypatch.setattr(reconstruction, "build", lambda _: [LeaveFlow()])
    sent, ended = [], []
    header = write_header(cartesian((8, 8, 1)), "JANEDOE")
    assignment = reconstruction.Assignment(steps=[], header=header, store=Full(tmp_path, b"k" * 32))
    running = reconstruction.Reconstruction(assignment, lambda raw: sent.append(bytes(raw)), ended.append)
    running.finish()
    running.join()
    assert ended[0].error is None
    assert any(b"No space left" in each for each in sent)
    assert any(b"the report" in each for each in sent)
