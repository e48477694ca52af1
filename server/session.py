"""A conversation's messages in order, as a scan: configuration, header, parameters, data, the end.

The same in a worker process, behind a ring, and in ``scanside run``, without a network.
"""

import logging
from collections.abc import Callable
from typing import Any

from server import parameters
from server.access import Admission
from server.chain import named, parse
from server.dependencies.store import Store
from server.dicom.archiving import Archiving
from server.engine.channel import Closed
from server.errors import ChainError, ScansideError
from server.reconstruction import Assignment, Outcome, Reconstruction
from server.site import wire_safe, wire_safe_parameters
from server.step import AnyStep
from server.wire import messages as said
from server.wire.kinds import Profile
from server.wire.order import DATA, State, after

log = logging.getLogger(__name__)


class Session:
    """Takes messages; ``reply`` gets whole messages for the peer, ``done`` the outcome, once."""

    def __init__(
        self,
        reply: Callable[[bytes], object],
        done: Callable[[Outcome], None],
        admission: Admission | None = None,
        store: Store | None = None,
        archiving: Archiving | None = None,
    ) -> None:
        self._reply, self._done, self._store = reply, done, store
        self._archiving = archiving
        self._admission = admission or Admission(profile=Profile())
        self._state = State.CONFIG
        self._config: said.ConfigFile | said.ConfigText | None = None
        self._steps: list[AnyStep] | None = None
        self._header = self._name = ""
        self._parameters: dict[str, Any] = {}
        self._scan: Reconstruction | None = None
        self.over = False
        """The scan's end is decided: what still comes is of no use."""

    def configure(self, steps: list[AnyStep], given: dict[str, Any]) -> None:
        """Fix the chain and parameters, as when a configuration had been sent."""
        self._steps, self._parameters = steps, given
        self._state = State.HEADER

    def take(self, message: said.Message) -> None:
        """Act on one message; a fault ends the scan with its reason."""
        if self.over:
            return
        try:
            self._state = after(self._state, message)
            self._act(message)
        except ScansideError as error:
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        """Nothing more can come, or be used; nothing half-received is flushed."""
        if self.over:
            return
        self.over = True
        if self._scan:
            self._scan.fail(error)
        else:
            self._done(Outcome(error=error))

    def join(self) -> None:
        """Wait for the chain to end."""
        if self._scan:
            self._scan.join()

    def stats(self) -> dict[str, Any]:
        """What the chain has done so far, in numbers."""
        return self._scan.stats() if self._scan else {}

    def previews(self) -> list[dict[str, Any]]:
        """Pictures of the images since the last call."""
        return self._scan.previews() if self._scan else []

    def views(self) -> list[dict[str, Any]]:
        """Pictures of what came in, those that have changed since the last call."""
        return self._scan.views() if self._scan else []

    def _act(self, message: said.Message) -> None:
        match message:
            case said.ConfigFile() | said.ConfigText():
                self._config = message
            case said.Header():
                self._header = message.xml
            case said.TextMessage():
                self._heed(message.text)
            case said.Close():
                self._finish()
            case _ if isinstance(message, DATA):
                self._feed(message)

    def _heed(self, text: str) -> None:
        """FIRE's parameters, when they come before the data; any other text is for the log."""
        found = parameters.from_text(text)
        if found is not None and self._scan is None:
            self._parameters.update(found)
        else:
            log.info("the peer says a text of %d characters", len(text))

    def _feed(self, item: said.Data | said.Unsupported) -> None:
        scan = self._scan or self._begin()
        try:
            scan.put(item)
        except Closed:
            self.over = True

    def _begin(self) -> Reconstruction:
        steps = self._chain()
        if self._steps is None:
            wire_safe_parameters(steps, self._parameters)
        assignment = Assignment(
            steps=steps,
            chain=self._name,
            header=self._header,
            parameters=self._parameters,
            profile=self._admission.profile,
            store=self._store,
            archiving=self._archiving,
        )
        self._scan = Reconstruction(assignment, self._reply, self._done)
        return self._scan

    def _chain(self) -> list[AnyStep]:
        """The chain that the peer named or wrote out; FIRE's parameters may name another."""
        if self._steps is not None:
            return self._steps
        name = parameters.chosen(self._parameters)
        if name is None and isinstance(self._config, said.ConfigText):
            self._admission.permit(None)
            steps = parse(self._config.text)
            wire_safe(steps)
            return steps
        if name is None and self._config is None:
            raise ChainError("no chain was named")
        if name is None:
            assert isinstance(self._config, said.ConfigFile)
            name = self._config.name
        self._admission.permit(name)
        self._name = name
        return named(name)

    def _finish(self) -> None:
        """The peer's CLOSE: run the flush."""
        if self._scan is None and self._header:
            self._begin()
        if self._scan:
            self._scan.finish()
        else:
            self._done(Outcome())
        self.over = True
