from concurrent.futures import ThreadPoolExecutor

import pytest

from server.errors import ScansideError
from server.pseudonym import pseudonym, site_key


def test_a_pseudonym_depends_on_text_and_key_and_shows_neither():
    first, second = bytes(32), bytes(range(32))
    assert pseudonym("4711", first) == pseudonym("4711", first)
    assert len({pseudonym(text, key) for text in ("4711", "4712") for key in (first, second)}) == 4
    assert len(pseudonym("4711", first)) == 16
    assert int(pseudonym("4711", first), 16) >= 0


def test_it_is_the_published_code():
    key = b"Jefe"
    assert pseudonym("what do ya want for nothing?", key) == "5bdcc146bf60754e"  # RFC 4231, case 2


def test_the_key_is_made_once_and_for_us_alone(tmp_path):
    file = tmp_path / "state" / "site.key"
    with ThreadPoolExecutor(8) as threads:
        keys = set(threads.map(lambda _: site_key(file), range(32)))
    assert len(keys) == 1
    assert len(keys.pop()) == 32
    assert file.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in file.parent.iterdir()] == ["site.key"]


def test_a_key_that_others_may_read_or_that_is_none_is_refused(tmp_path):
    file = tmp_path / "site.key"
    site_key(file)
    file.chmod(0o644)
    with pytest.raises(ScansideError, match="mode 0644, expected 0600"):
        site_key(file)
    file.chmod(0o600)
    file.write_text("1234")
    with pytest.raises(ScansideError, match="expected 64 hexadecimal digits"):
        site_key(file)
