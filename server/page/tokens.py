"""Who may open the page: a token for those who watch, one for those who act, and the cookies for them."""

import hmac
import json
import secrets
import time
from pathlib import Path
from typing import Literal, get_args

from server.errors import AccessError

Role = Literal["viewer", "operator"]

LASTING = 12 * 3600.0
"""Seconds after which one must say the token again."""

WRONG, PAUSE = 5, 60.0
"""Wrong tokens after which nobody may try for so many seconds."""

VISITS = 256
"""Who is remembered at a time."""


def tokens(folder: Path) -> dict[Role, str]:
    """The tokens of this site, made at the first call, in a file that is this user's alone.

    Raises AccessError for a file that others may read, OSError.
    """
    file = folder / "page.json"
    if not file.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = {role: secrets.token_urlsafe(24) for role in get_args(Role)}
        draft = folder / f".page-{secrets.token_hex(4)}"
        draft.touch(mode=0o600, exist_ok=False)
        draft.write_text(json.dumps(made))
        draft.rename(file)
    if file.stat().st_mode & 0o077:
        raise AccessError(
            f"{file} may be read by others: it holds the page's tokens, and must have mode 0600"
        )
    found = json.loads(file.read_text())
    return {role: str(found[role]) for role in get_args(Role)}


class Visits:
    """Cookies for tokens; they are forgotten when this process ends."""

    def __init__(self, known: dict[Role, str]) -> None:
        self._known = known
        self._visits: dict[str, tuple[Role, float]] = {}
        self._wrong: list[float] = []

    def enter(self, token: str) -> tuple[str, Role] | None:
        """A new cookie's value and what its bearer may; None for a wrong token.

        Raises AccessError after too many wrong ones.
        """
        now = time.monotonic()
        self._wrong = [each for each in self._wrong if now - each < PAUSE]
        if len(self._wrong) >= WRONG:
            raise AccessError(f"too many wrong tokens: wait {PAUSE:.0f} s")
        matching = [
            role for role, known in self._known.items() if hmac.compare_digest(token.encode(), known.encode())
        ]
        if not matching:
            self._wrong.append(now)
            return None
        value = secrets.token_urlsafe(32)
        self._visits[value] = (matching[0], now + LASTING)
        while len(self._visits) > VISITS:
            del self._visits[next(iter(self._visits))]
        return value, matching[0]

    def role(self, value: str) -> Role | None:
        """What the bearer of a cookie may; None when it is unknown or too old."""
        role, until = self._visits.get(value, (None, 0.0))
        return role if time.monotonic() < until else None

    def leave(self, value: str) -> None:
        """Forget a cookie."""
        self._visits.pop(value, None)
