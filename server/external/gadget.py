"""A step of a chain that is another program."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from gadgets.data import (
    Block,
    Dummy,
    Feedback,
    Image,
    Kspace,
    Navigation,
    Noise,
    PhaseCorrection,
    PhaseStabilization,
    Reference,
    SurfaceCoil,
    Text,
    Waveform,
)
from gadgets.gadget import Gadget, Site
from gadgets.scan import Scan
from server.errors import ChainError
from server.external.child import started
from server.external.conversation import Conversation, connected
from server.external.items import Outgoing, answers
from server.external.programs import Program, admit, known
from server.wire import encode

AnyData = (
    Block
    | Noise
    | Navigation
    | PhaseCorrection
    | Dummy
    | Feedback
    | SurfaceCoil
    | PhaseStabilization
    | Waveform
    | Image
    | Kspace
    | Reference
)


@dataclass(frozen=True, kw_only=True)
class External(Gadget):
    """Give what another program makes of the stream, over the protocol of Gadgetron's external nodes.

    A Python module written for Gadgetron (``gadgetron`` of PyPI) is started for the scan in the environment
    that the site's settings name for it, or a program that runs already is connected to. It gets every item
    that its messages can hold; what it answers goes on, also while items still come. Where it stands in a
    chain nobody knows what it gives, so that types are checked again by what follows.

    Raises ExternalError with the last words of the program when it crashes, hangs, or closes early: then the
    scan is not complete.
    """

    open_ended: ClassVar[bool] = True
    admit = staticmethod(admit)

    name: Annotated[str, Field(min_length=1)]
    """The program, as the settings (``[[external]]``) call it; one that is started: its Python module."""

    target: str = ""
    """The function or class in the module."""

    configuration: str = "<configuration/>"
    """XML that it is given."""

    kspace: Literal["buffer", "bucket"] = "buffer"
    """How k-space is sent: as a buffer (message 1023), or as the bucket (1050) of its lines."""

    images: Literal["single", "array"] = "single"
    """How images are sent: each as an image (1022), or as an array of one (1024)."""

    patience: Annotated[float, Field(gt=0)] = 120.0
    """Seconds that it may do nothing while it should read or answer."""

    python: Annotated[Path | None, Site] = None
    """Its interpreter, when the settings have no such program."""

    address: Annotated[str, Site] = ""
    """``HOST:PORT`` of a program that runs already, when the settings have no such one."""

    def process(self, stream: Iterable[AnyData], scan: Scan) -> Iterator[AnyData | Text]:
        """Speak in a thread of its own, and give the answers as they come."""
        outgoing = Outgoing(scan, self.kspace, self.images)
        with self._opened() as conversation:
            for message in conversation.hold(self._words(stream, scan, outgoing)):
                yield from answers(message, scan, {**outgoing.notes, "ScansideExternal": self._what})

    @property
    def _what(self) -> str:
        return f"{self.name}.{self.target}" if self.target else self.name

    def _words(self, stream: Iterable[Any], scan: Scan, outgoing: Outgoing) -> Iterator[bytes]:
        yield encode.config_text(self.configuration) + encode.header(scan.xml)
        for item in stream:
            yield outgoing.words(item)

    @contextmanager
    def _opened(self) -> Iterator[Conversation]:
        program, what = self._program(), f"external {self._what}"
        if program.address:
            with connected(program.address, self.patience) as connection:
                yield Conversation(connection, what, self.patience, None)
        else:
            with started(program, self.target, self.patience) as (child, connection):
                yield Conversation(connection, what, self.patience, child)

    def _program(self) -> Program:
        """The program by its name.

        Raises ChainError when nobody says where it is.
        """
        if self.python or self.address:
            return Program(name=self.name, python=self.python, address=self.address)
        programs = known()
        if self.name not in programs:
            shown = ", ".join(sorted(programs)) or "none"
            raise ChainError(
                f"External: no program is called {self.name!r}; the settings name {shown} ([[external]])"
            )
        return programs[self.name]
