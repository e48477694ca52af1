"""The page's addresses."""

import asyncio
import json
from collections.abc import Collection
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from server import audit
from server.control.commands import send
from server.control.events import VIEWS
from server.errors import AccessError, ScansideError
from server.page import runs
from server.page.feed import Feed
from server.page.guard import Guard
from server.page.tokens import LASTING, Role, Visits

COOKIE = "scanside"
KINDS = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}


class Page:
    """All that the page answers. Reading asks for a cookie, acting for an operator's."""

    def __init__(self, folder: Path, spool: Path, port: int, visits: Visits, secure: bool = False) -> None:
        self._folder, self._spool, self._visits, self._secure = folder, spool, visits, secure
        self._feed = Feed(folder)
        self._runs = runs.Runs(spool, port)

    def routes(self) -> list[Route]:
        """The addresses."""
        return [
            Route("/", self.home),
            Route("/static/{name}", self.static),
            Route("/login", self.login, methods=["POST"]),
            Route("/logout", self.logout, methods=["POST"]),
            Route("/api/me", self.me),
            Route("/api/events", self.events),
            Route("/api/picture/{session}", self.picture),
            Route("/api/history", self.history),
            Route("/api/chains", self.chains),
            Route("/api/chains/{name}", self.form),
            Route("/api/check", self.check, methods=["POST"]),
            Route("/api/rerun", self.rerun, methods=["POST"]),
            Route("/api/cancel", self.cancel, methods=["POST"]),
        ]

    async def home(self, request: Request) -> Response:
        """The page itself, or where the token is asked for."""
        return _file("index.html" if self._role(request) else "login.html")

    async def static(self, request: Request) -> Response:
        """Styles and scripts; they hold nothing that only some may see."""
        name = request.path_params["name"]
        return _file(name) if name in ("page.js", "page.css") else PlainTextResponse("not here", 404)

    async def login(self, request: Request) -> Response:
        """A token for a cookie."""
        form = parse_qs((await request.body()).decode(errors="replace"), max_num_fields=4)
        try:
            entered = self._visits.enter(form.get("token", [""])[0])
        except AccessError as error:
            return PlainTextResponse(str(error), 429)
        if entered is None:
            return PlainTextResponse("this is no token of this page", 401)
        value, role = entered
        await self._note("entered", request, role)
        answer = RedirectResponse("/", 303)
        answer.set_cookie(
            COOKIE,
            value,
            max_age=int(LASTING),
            httponly=True,
            samesite="strict",
            secure=self._secure,
            path="/",
        )
        return answer

    async def logout(self, request: Request) -> Response:
        """Forget the cookie."""
        self._visits.leave(request.cookies.get(COOKIE, ""))
        answer = RedirectResponse("/", 303)
        answer.delete_cookie(COOKIE)
        return answer

    async def me(self, request: Request) -> Response:
        """What the reader may."""
        self._allow(request)
        return JSONResponse({"role": self._role(request)})

    async def events(self, request: Request) -> Response:
        """The state, again and again."""
        self._allow(request)
        if self._feed.full:
            return PlainTextResponse("enough are watching", 503)
        return StreamingResponse(self._feed.events(), media_type="text/event-stream")

    async def picture(self, request: Request) -> Response:
        """The last picture of a session, of one of its series, or of what comes in: k-space, noise, trace."""
        self._allow(request)
        asked = request.query_params
        series = asked.get("series", "")
        number = int(series) if series.isdecimal() and len(series) < 10 else None
        view = asked["view"] if asked.get("view") in VIEWS else None
        found = await self._feed.picture(request.path_params["session"], view or number)
        return JSONResponse(found, 200 if found else 404)

    async def history(self, request: Request) -> Response:
        """What the spool holds."""
        self._allow(request)
        found = await asyncio.to_thread(runs.history, self._spool)
        return JSONResponse([each | {"rerun": self._runs.last.get(each["name"], "")} for each in found])

    async def chains(self, request: Request) -> Response:
        """The installed chains."""
        self._allow(request)
        return JSONResponse(await asyncio.to_thread(lambda: _editor().names()))

    async def form(self, request: Request) -> Response:
        """One chain, to be filled in."""
        self._allow(request)
        name = request.path_params["name"]
        return JSONResponse(await asyncio.to_thread(lambda: _editor().form(name)))

    async def check(self, request: Request) -> Response:
        """Whether a chain would run with these parameters."""
        self._allow(request)
        chain, parameters = _asked(await request.json())
        return JSONResponse({"gadgets": await asyncio.to_thread(lambda: _editor().check(chain, parameters))})

    async def rerun(self, request: Request) -> Response:
        """Send a spooled scan again."""
        role = self._allow(request, "operator")
        body = await request.json()
        chain, parameters = _asked(body)
        await asyncio.to_thread(lambda: _editor().check(chain, parameters))
        name = str(body.get("entry", ""))
        await self._note("re-ran", request, role, entry=name, chain=chain, parameters=sorted(parameters))
        await self._runs.start(name, chain, parameters)
        return JSONResponse({"started": name})

    async def cancel(self, request: Request) -> Response:
        """End a session's reconstruction; its scan is received to the end."""
        role = self._allow(request, "operator")
        session = str((await request.json()).get("session", ""))
        await self._note("cancelled", request, role, session=session[:40])
        await asyncio.to_thread(send, self._folder, session, "cancel")
        return JSONResponse({"cancelled": session})

    def _role(self, request: Request) -> Role | None:
        return self._visits.role(request.cookies.get(COOKIE, ""))

    def _allow(self, request: Request, needed: Role = "viewer") -> Role:
        role = self._role(request)
        if role is None:
            raise AccessError("say the token first")
        if needed == "operator" and role != "operator":
            raise AccessError("only an operator may do this")
        return role

    async def _note(self, did: str, request: Request, role: Role, **facts: Any) -> None:  # noqa: ANN401 - JSON
        """Record it before it is done; what cannot be recorded is not done."""
        address = request.client.host if request.client else ""
        await asyncio.to_thread(lambda: audit.record(did, who=f"page {role} {address}", **facts))


def _editor() -> Any:  # noqa: ANN401 - the module; it brings torch, which the page itself does without
    from server.page import editor

    return editor


def _asked(body: object) -> tuple[str, dict[str, str]]:
    """The chain and the parameters that a request names."""
    if not isinstance(body, dict) or not isinstance(body.get("parameters", {}), dict):
        raise AccessError("a chain and its parameters are asked for")
    return str(body.get("chain", "")), {str(k): str(v) for k, v in body.get("parameters", {}).items()}


def _file(name: str) -> Response:
    text = (files("server.page") / "static" / name).read_text(encoding="utf-8")
    return Response(text, media_type=KINDS[Path(name).suffix])


async def _refused(request: Request, error: Exception) -> Response:
    role_missing = isinstance(error, AccessError)
    return JSONResponse({"error": str(error)}, 403 if role_missing else 422)


async def _unread(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": "the request is no JSON"}, 400)


def application(page: Page, hosts: Collection[str], secure: bool = False) -> Starlette:
    """The page behind its guard; errors of ours become sentences."""
    return Starlette(
        routes=page.routes(),
        middleware=[Middleware(Guard, hosts=hosts, secure=secure)],
        exception_handlers={ScansideError: _refused, json.JSONDecodeError: _unread},
    )
