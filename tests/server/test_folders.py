import sys

import pytest

from server import paths
from server.chain import chains, named
from server.errors import AccessError
from server.folders import checked_folder, install, plugged
from server.registry import _plugged
from server.settings import Settings

GADGET = '''
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gadgets.data import Image
from gadgets.gadget import Gadget
from gadgets.scan import Scan


@dataclass(frozen=True, kw_only=True)
class SiteOnly(Gadget):
    """Passes images on."""

    def process(self, stream: Iterable[Image], scan: Scan) -> Iterator[Image]:
        """The images."""
        yield from stream
'''


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in (paths.PLUGINS, paths.CONFIGS):
        monkeypatch.setenv(name, "")
    monkeypatch.setattr(sys, "path", list(sys.path))
    found = tmp_path / "site"
    found.mkdir(mode=0o755)
    return found


def test_a_folder_of_ones_own_is_fine(folder):
    (folder / "a.yml").write_text("chain: []")
    assert checked_folder(folder) == folder.resolve()


@pytest.mark.parametrize("mode", [0o757, 0o777, 0o1777, 0o702])
def test_a_folder_that_others_may_write_is_refused(folder, mode):
    folder.chmod(mode)
    with pytest.raises(AccessError, match="can be written by others"):
        checked_folder(folder)


def test_a_file_that_others_may_write_is_refused(folder):
    (folder / "a.yml").write_text("chain: []")
    (folder / "a.yml").chmod(0o666)
    with pytest.raises(AccessError, match=r"a\.yml can be written"):
        checked_folder(folder)


def test_a_folder_that_others_may_replace_is_refused(folder):
    inner = folder / "inner"
    inner.mkdir()
    folder.chmod(0o777)
    with pytest.raises(AccessError, match="can be written by others"):
        checked_folder(inner)
    folder.chmod(0o1777)
    assert checked_folder(inner) == inner.resolve()


def test_what_is_no_folder_is_refused(folder):
    with pytest.raises(AccessError, match="is not a folder"):
        checked_folder(folder / "nothing")


def test_a_sites_gadget_is_found_behind_all_other_modules(folder):
    (folder / "site_gadget_of_a_test.py").write_text(GADGET)
    install(Settings(plugins=(folder,)))
    assert [kind.__name__ for kind in _plugged()] == ["SiteOnly"]
    assert sys.path[-1] == str(folder)
    plugged()
    assert sys.path.count(str(folder)) == 1
    del sys.modules["site_gadget_of_a_test"]


def test_a_sites_chain_is_found_and_comes_first(folder):
    (folder / "ours.yml").write_text("chain:\n- Combine\n")
    (folder / "cartesian_fft.yml").write_text("chain:\n- Fourier\n")
    install(Settings(configs=(folder,)))
    assert [step.name for step in named("ours")] == ["Combine"]
    assert [step.name for step in named("cartesian_fft")] == ["Fourier"]
    assert chains().keys() > {"ours", "cartesian_fft", "cartesian_grappa"}


def test_an_unsafe_folder_stops_the_start(folder):
    folder.chmod(0o777)
    for given in (Settings(plugins=(folder,)), Settings(configs=(folder,))):
        with pytest.raises(AccessError, match="can be written"):
            install(given)
