"""People who watch a page, as one process: ``python -m benchmarks.watcher ADDRESS TOKEN COUNT``.

Each enters, follows the events, and asks for a picture whenever there is a newer one, as the page does. It
says ``ready`` when all have seen a first state, ends when its input does, and says as JSON what was seen.
"""

import json
import os
import sys
import threading
import urllib.request
from collections.abc import Iterable, Mapping
from http.cookiejar import CookieJar
from typing import Any
from urllib.parse import urlencode


class Watcher:
    """One who watches."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        self.first = threading.Event()
        self.states = self.pictures = 0
        self._seen: dict[str, object] = {}

    def watch(self, token: str) -> None:
        """Follow until the process ends."""
        form = urllib.request.Request(
            f"{self._address}/login", urlencode({"token": token}).encode(), {"Origin": self._address}
        )
        self._opener.open(form, timeout=60).close()
        with self._opener.open(f"{self._address}/api/events", timeout=600) as events:
            for line in events:
                if line.startswith(b"data: "):
                    self._look(json.loads(line[6:]))

    def _look(self, state: Mapping[str, Any]) -> None:
        self.states += 1
        self.first.set()
        running = [each for each in state.get("sessions", ()) if each["state"] == "running"]
        if running:
            one = running[-1]
            self._ask(one, "preview", [f"series={each}" for each in one["series"][:1]])
            self._ask(one, "view", [f"view={each}" for each in one["views"]])

    def _ask(self, one: Mapping[str, Any], count: str, wanted: Iterable[str]) -> None:
        """For the pictures of a session, when their count says that there are newer ones."""
        if self._seen.get(count) == one[count]:
            return
        self._seen[count] = one[count]
        for each in wanted:
            place = f"{self._address}/api/picture/{one['id']}?{each}"
            self._opener.open(place, timeout=60).read()
            self.pictures += 1


def main() -> None:
    """Watch until the input ends."""
    address, token, count = sys.argv[1:]
    watchers = [Watcher(address) for _ in range(int(count))]
    for each in watchers:
        threading.Thread(target=each.watch, args=(token,), daemon=True).start()
    for each in watchers:
        each.first.wait(60)
    print("ready", flush=True)
    sys.stdin.read()
    seen = {"states": sum(w.states for w in watchers), "pictures": sum(w.pictures for w in watchers)}
    print(json.dumps(seen), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
