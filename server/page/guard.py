"""What stands before every answer of the page: whose host is asked, from where, what a browser may load."""

from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})

BODY = 64 << 10
"""The longest body of a request [bytes]."""


class Guard:
    """Refuses requests for other hosts' names (DNS rebinding) and deeds that another page asks for."""

    def __init__(self, app: ASGIApp, hosts: Collection[str] = LOOPBACK, secure: bool = False) -> None:
        self._app, self._hosts = app, frozenset(hosts)
        self._scheme = "https" if secure else "http"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope["method"], Headers(scope=scope))

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        app = PlainTextResponse(refusal[1], refusal[0]) if refusal else self._app
        await app(scope, receive, answer)

    def _refusal(self, method: str, headers: Headers) -> tuple[int, str] | None:
        host = headers.get("host", "")
        name = host.rpartition(":")[0] if ":" in host.rpartition("]")[2] else host
        if name.lower() not in self._hosts:
            return 421, "this page is not called so; scanside page --name NAME allows it"
        if method in ("GET", "HEAD"):
            return None
        if headers.get("origin") != f"{self._scheme}://{host}":
            return 403, "asked for by another page"
        length = headers.get("content-length", "")
        if not length.isdigit() or int(length) > BODY:
            return 413, f"a request has at most {BODY} bytes, and says how many"
        return None
