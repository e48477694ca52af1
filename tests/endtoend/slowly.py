"""A scanner that stops in the middle of a scan until it is let go."""

import threading

from server.client import converse
from server.wire import encode
from tests.endtoend.scans import said, scan, singles

SCAN = scan(repetitions=2)
BYTES = said("cartesian_fft", SCAN)


class Slowly(threading.Thread):
    """Sends a scan, of which the second half waits until it is let go."""

    def __init__(self, address, config="cartesian_fft"):
        super().__init__(daemon=True)
        self._address, self._config = address, config
        self.begun, self.go, self.images = threading.Event(), threading.Event(), []
        self.start()
        assert self.begun.wait(60), "no image of the first half"

    def run(self):
        self.answer = converse(self._address, self._parts(), self._keep, patience=120)

    def end(self):
        self.go.set()
        self.join(30)
        return self.answer

    def _keep(self, image):
        self.images.append(image)
        self.begun.set()

    def _parts(self):
        head, *rest, close = _messages(self._config)
        yield head + b"".join(rest[: 64 + 32])
        assert self.go.wait(60)
        yield b"".join(rest[64 + 32 :]) + close


def _messages(config):
    xml, items = SCAN
    said_ = encode.config_file(config) if "\n" not in config else encode.config_text(config)
    return [said_ + encode.header(xml), *(encode.readouts(each) for each in singles(items)), encode.close()]
