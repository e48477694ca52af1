import pytest

from server.control.ask import snapshot
from server.control.collect import Collector
from server.control.commands import Commands, send
from server.control.folder import address, chosen, place, running, runtime
from server.errors import ControlError
from tests.server.control.wait import until


@pytest.fixture(autouse=True)
def own(monkeypatch, tmp_path):
    monkeypatch.setenv("SCANSIDE_RUN", str(tmp_path / "r"))


def test_the_runtime_folder_is_made_for_this_user_alone(tmp_path):
    found = runtime(9002)
    assert found == tmp_path / "r" / "9002"
    assert found.stat().st_mode & 0o777 == 0o700
    assert runtime(9002) == found


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701])
def test_a_folder_that_others_may_enter_is_refused(mode):
    runtime(9002)
    place(9002).parent.chmod(mode)
    with pytest.raises(ControlError, match="0700"):
        runtime(9002)


def test_a_link_is_refused(tmp_path):
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "r").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ControlError, match="0700"):
        runtime(9002)


def test_a_path_too_long_for_sockets_is_reached_by_its_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("SCANSIDE_RUN", str(tmp_path / ("x" * 100)))
    folder = runtime(9002)
    assert len(address(folder, "events")) < 107
    with Commands(folder, "s-1") as commands:
        send(folder, "s-1", "cancel")
        assert commands.take() == [{"do": "cancel"}]
        assert (folder / "s-1.command").is_socket()
    collector = Collector(folder)
    until(running)
    assert snapshot(folder)["sessions"] == []
    collector.stop()


def test_the_default_lies_in_the_users_runtime_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("SCANSIDE_RUN")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert place(1) == tmp_path / "scanside" / "1"


def test_without_a_server_there_is_nothing_to_choose():
    runtime(9002)
    with pytest.raises(ControlError, match="no server"):
        chosen(None)
    assert chosen(9002) == place(9002)
