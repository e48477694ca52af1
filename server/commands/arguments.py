"""Values on the command line: each function reads one, or says what was expected (exit code 2)."""

import math
import re
from argparse import ArgumentTypeError
from pathlib import Path

DAY = 24 * 3600
PORTS = 65535


def above_zero(word: str) -> float:
    """A finite number above 0."""
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise ArgumentTypeError(f"expected a number above 0, got {word!r}")
    return value


def at_least_0(word: str) -> int:
    """A whole number, 0 or more."""
    return _whole(word, 0)


def at_least_1(word: str) -> int:
    """A whole number, 1 or more."""
    return _whole(word, 1)


def _whole(word: str, least: int) -> int:
    value = int(word) if re.fullmatch(r"[+-]?\d+", word) else least - 1
    if value < least:
        raise ArgumentTypeError(f"expected a whole number, {least} or more, got {word!r}")
    return value


def factors(word: str) -> tuple[int, int]:
    """Acceleration along y, and after an x along z: ``3``, ``2x2``."""
    parts = word.lower().split("x")
    if len(parts) > 2:
        raise ArgumentTypeError(f"expected R or RYxRZ, got {word!r}")
    along_y, along_z = at_least_1(parts[0]), at_least_1(parts[1]) if len(parts) == 2 else 1
    return along_y, along_z


def port(word: str, least: int = 1) -> int:
    """The port of a server."""
    value = int(word) if re.fullmatch(r"\d{1,9}", word) else -1
    if not least <= value <= PORTS:
        raise ArgumentTypeError(f"expected a port from {least} to {PORTS}, got {word!r}")
    return value


def own_port(word: str) -> int:
    """The port to listen on; 0 is any that is free."""
    return port(word, least=0)


def address(word: str) -> tuple[str, int]:
    """Host and port of ``HOST:PORT``; an IPv6 address may stand in brackets."""
    host, _, number = word.rpartition(":")
    host = host.strip("[]")
    if not host or not number:
        raise ArgumentTypeError(f"expected HOST:PORT, got {word!r}")
    return host, port(number)


def parameter(word: str) -> tuple[str, str]:
    """Name and value of ``GADGET.FIELD=VALUE``."""
    name, equals, value = word.partition("=")
    if not name or not equals:
        raise ArgumentTypeError(f"expected GADGET.FIELD=VALUE, got {word!r}")
    return name, value


def matrix(word: str) -> tuple[int, int]:
    """Columns and lines of ``N`` or ``NXxNY``."""
    found = re.fullmatch(r"(\d{1,5})(?:x(\d{1,5}))?", word)
    if found is None:
        raise ArgumentTypeError(f"expected N or NXxNY, got {word!r}")
    return int(found[1]), int(found[2] or found[1])


def time_of_day(word: str) -> float:
    """Seconds since midnight of ``HH:MM:SS``."""
    found = re.fullmatch(r"(\d{1,2}):([0-5]\d):([0-5]\d(?:\.\d*)?)", word)
    seconds = 3600 * int(found[1]) + 60 * int(found[2]) + float(found[3]) if found else DAY
    if seconds >= DAY:
        raise ArgumentTypeError(f"expected HH:MM:SS, got {word!r}")
    return seconds


def toml(word: str) -> Path:
    """A file of settings, which can be read as TOML."""
    import tomllib

    try:
        tomllib.loads(Path(word).read_text())
    except FileNotFoundError:
        raise ArgumentTypeError(f"{word}: no such file") from None
    except OSError as error:
        raise ArgumentTypeError(f"{word}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ArgumentTypeError(f"{word} is no TOML: {error}") from None
    return Path(word)
