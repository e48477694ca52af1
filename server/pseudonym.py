"""Identifiers of patients as names that say nothing without the site's key."""

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from server import paths
from server.errors import ScansideError

SIZE = 32
"""Bytes of the key."""


def pseudonym(text: str, key: bytes) -> str:
    """16 hexadecimal digits: the same for the same text and key, and nothing to be learned from them.

    The first half of HMAC-SHA-256 (RFC 2104), shortened to 64 bits.
    """
    return hmac.new(key, text.encode(errors="surrogatepass"), hashlib.sha256).hexdigest()[:16]


def site_key(file: Path | None = None) -> bytes:
    """The site's key, made at first use in ``site.key`` of the state folder.

    Several processes may ask for it at once: one key wins, and all get that one.
    Raises ScansideError when the file is damaged, or others may read it.
    """
    file = file or paths.state() / "site.key"
    if not file.exists():
        _make(file)
    mode = file.stat().st_mode & 0o777
    if mode & 0o077:
        raise ScansideError(f"{file} has mode {mode:04o}, expected 0600: others can undo the pseudonyms")
    try:
        key = bytes.fromhex(file.read_text())
    except ValueError:
        key = b""
    if len(key) != SIZE:
        raise ScansideError(f"{file} is no key: expected {2 * SIZE} hexadecimal digits")
    return key


def _make(file: Path) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}-{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, secrets.token_hex(SIZE).encode() + b"\n")
        os.fsync(descriptor)
        file.hardlink_to(draft)
    except FileExistsError:
        return
    finally:
        os.close(descriptor)
        draft.unlink()
