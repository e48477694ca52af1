"""A server and its page, each in a process of its own."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from tests.endtoend.conftest import serving


class Client:
    """What a browser sends, and more than it would."""

    def __init__(self, address):
        self.address, self.cookie = address, ""

    def ask(self, path, body=None, form=None, **headers):
        """(status, headers, text); a redirection is not followed."""
        data = json.dumps(body).encode() if body is not None else None
        data = urllib.parse.urlencode(form).encode() if form is not None else data
        given = {"Origin": self.address} if data is not None else {}
        given |= {"Cookie": self.cookie} if self.cookie else {}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.address + path, data, given)
        opener = urllib.request.build_opener(_Still)
        try:
            with opener.open(request, timeout=60) as answer:
                return answer.status, answer.headers, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read().decode()

    def enter(self, token):
        status, headers, text = self.ask("/login", form={"token": token})
        assert status == 303, text
        self.cookie = headers["Set-Cookie"].partition(";")[0]
        return headers["Set-Cookie"]


class _Still(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


@contextmanager
def paged(folder):
    """(server's address, page's address, tokens by role) of a real server and its page."""
    with serving(folder) as server:
        environment = os.environ | {f"SCANSIDE_{name}": str(folder) for name in ("STATE", "RUN")}
        environment |= {"SCANSIDE_SPOOL": str(folder / "spool")}
        command = [sys.executable, "-m", "server.cli", "page", "--server", str(server[1]), "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as page:
            try:
                address = page.stdout.readline().strip().rstrip("/")
                yield server, address, json.loads(Path(folder / "page.json").read_text())
                assert page.poll() is None, "the page died"
            finally:
                page.terminate()
                page.wait(30)
