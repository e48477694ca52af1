"""A socket under TLS that one thread may read while another writes, and that may be closed on one side only.

``ssl.SSLSocket`` allows neither: OpenSSL's object must not be entered by two threads, and its ``shutdown``
ends the encryption of what is still to be read. Here the encryption works on memory, under a lock, and the
socket is used outside of it.
"""

import contextlib
import socket
import ssl
import threading
import time
from typing import Any, Self

from server.errors import AccessError

HANDSHAKE = 5.0
"""Seconds that a peer has to agree on the encryption."""

STEP = 1 << 18
"""Bytes taken from the kernel, or given to it, at a time."""


def secure(connection: socket.socket, context: ssl.SSLContext, seconds: float = HANDSHAKE) -> "SecureSocket":
    """The accepted connection under TLS, after the handshake.

    Raises AccessError when the peer speaks no TLS, an older one, or has no certificate that is asked for, or
    when it takes longer than ``seconds`` in all.
    """
    return _agreed(SecureSocket(connection, context), seconds)


def secured(connection: socket.socket, context: ssl.SSLContext, host: str) -> "SecureSocket":
    """The connection to ``host`` under TLS, for the side that asked for it.

    Raises AccessError when the server is not what its certificate should say.
    """
    return _agreed(SecureSocket(connection, context, host), HANDSHAKE)


class SecureSocket:
    """A connection under TLS, as far as a keeper, its replies and a client use a socket."""

    def __init__(self, connection: socket.socket, context: ssl.SSLContext, host: str | None = None) -> None:
        self._socket = connection
        self._came, self._leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._came, self._leaving, host is None, host)
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._raw = memoryview(bytearray(STEP))
        self._clear = bytearray()
        self._ended = False

    def handshake(self, seconds: float) -> None:
        """Agree on the encryption.

        Raises OSError, of which ssl.SSLError and TimeoutError are two.
        """
        until = time.monotonic() + seconds
        before = self._socket.gettimeout()
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush(until)
                self._fetch(until)
            except ssl.SSLError:
                with contextlib.suppress(OSError):
                    self._flush(until)
                raise
            else:
                break
        self._flush(until)
        self._socket.settimeout(before)

    def recv_into(self, buffer: Any, count: int = 0) -> int:  # noqa: ANN401 - anything with a buffer
        """Fill the buffer as far as there is something, and at least a byte; 0 at the peer's end."""
        view = memoryview(buffer).cast("B")
        view = view[:count] if count else view
        while not (size := self._decrypted(view)):
            if self._ended:
                return 0
            self._fetch()
        return size

    def recv(self, count: int) -> bytes:
        """At most ``count`` bytes; none at the peer's end."""
        data = bytearray(count)
        return bytes(data[: self.recv_into(data)])

    def sendall(self, data: Any) -> None:  # noqa: ANN401 - anything with a buffer
        """Send all of it."""
        view = memoryview(data).cast("B")
        with self._writing:
            for start in range(0, len(view), STEP):
                with self._lock:
                    self._tls.write(view[start : start + STEP])
                    sealed = self._leaving.read()
                self._socket.sendall(sealed)

    def shutdown(self, how: int) -> None:
        """With SHUT_WR say that nothing more is written, and go on reading; else end both sides.

        TLS 1.2 knows no half-closed encryption (its peers answer the word by closing): there only the
        connection beneath is.
        """
        if how == socket.SHUT_WR and self.version() == "TLSv1.3":
            self._farewell()
        self._socket.shutdown(how)

    def close(self) -> None:
        """End the connection, with a word of it if the peer takes it at once."""
        if self._socket.fileno() >= 0:
            with contextlib.suppress(OSError):
                self._socket.settimeout(0)
                self._farewell(wait=False)
        self._socket.close()

    def pending(self) -> int:
        """Bytes that were received and can be read without waiting, about."""
        with self._lock:
            return len(self._clear) + self._tls.pending() + self._came.pending

    def version(self) -> str | None:
        """``TLSv1.2`` or ``TLSv1.3``."""
        return self._tls.version()

    def getpeercert(self) -> dict[str, Any] | None:
        """The peer's certificate when it was asked for and is good."""
        return self._tls.getpeercert()

    def getpeername(self) -> Any:  # noqa: ANN401 - as socket's
        """The peer's address."""
        return self._socket.getpeername()

    def fileno(self) -> int:
        """What poll waits for; look at ``pending`` before."""
        return self._socket.fileno()

    def settimeout(self, seconds: float | None) -> None:
        """How long one reading or writing may take."""
        self._socket.settimeout(seconds)

    def gettimeout(self) -> float | None:
        """How long one reading or writing may take."""
        return self._socket.gettimeout()

    def setsockopt(self, *words: int) -> None:
        """As for the socket beneath."""
        self._socket.setsockopt(*words)

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the connection."""
        self.close()

    def _decrypted(self, view: memoryview) -> int:
        """As many bytes as have come and fit."""
        with self._lock:
            size = min(len(self._clear), len(view))
            view[:size] = self._clear[:size]
            del self._clear[:size]
            while size < len(view) and (count := self._read(view[size:])):
                size += count
        return size

    def _read(self, view: memoryview) -> int:
        """Bytes of one record; 0 when none is complete, or at the peer's end."""
        try:
            count = int(self._tls.read(len(view), view))
        except ssl.SSLWantReadError:
            return 0
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            count = 0
        self._ended = self._ended or not count
        return count

    def _fetch(self, until: float | None = None) -> None:
        """Take from the kernel what has come."""
        self._hurry(until)
        count = self._socket.recv_into(self._raw)
        with self._lock:
            if count:
                self._came.write(self._raw[:count])
            else:
                self._came.write_eof()

    def _flush(self, until: float) -> None:
        if sealed := self._leaving.read():
            self._hurry(until)
            self._socket.sendall(sealed)

    def _hurry(self, until: float | None) -> None:
        if until is not None:
            self._socket.settimeout(max(1e-3, until - time.monotonic()))

    def _farewell(self, *, wait: bool = True) -> None:
        """Say that nothing more is written. What came is decrypted before, for this would throw it away."""
        if not self._writing.acquire(blocking=wait):
            return
        try:
            with self._lock, contextlib.suppress(ssl.SSLError):
                scrap = memoryview(bytearray(1 << 14))
                while count := self._read(scrap):
                    self._clear += scrap[:count]
                self._tls.unwrap()
            if sealed := self._leaving.read():
                self._socket.sendall(sealed)
        finally:
            self._writing.release()


def _agreed(connection: SecureSocket, seconds: float) -> SecureSocket:
    try:
        connection.handshake(seconds)
    except TimeoutError:
        raise AccessError(f"the TLS handshake took more than {seconds:g} s") from None
    except ssl.SSLCertVerificationError as error:
        raise AccessError(f"the peer's certificate is refused: {error.verify_message}") from None
    except ssl.SSLError as error:
        reason = (error.reason or "unknown reason").lower().replace("_", " ")
        raise AccessError(f"the TLS handshake failed: {reason}") from None
    except OSError as error:
        raise AccessError(f"the connection ended within the TLS handshake: {error}") from None
    return connection


def peer_of(connection: socket.socket | SecureSocket) -> str:
    """Address and port of the peer; ``gone:0`` for one that has reset the connection already."""
    try:
        return "{}:{}".format(*connection.getpeername()[:2])
    except OSError:
        return "gone:0"
