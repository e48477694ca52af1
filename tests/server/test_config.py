import json

import pytest

from server.cli import main


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("SCANSIDE_STATE", str(tmp_path))
    monkeypatch.setenv("SCANSIDE_SPOOL", str(tmp_path / "spool"))


def check(capsys, *words):
    code = main(["config", "check", "--json", *map(str, words)])
    found = json.loads(capsys.readouterr().out)
    return (
        code,
        {each["name"]: (each["value"], each["source"]) for each in found["settings"]},
        found["faults"],
    )


def test_each_setting_is_shown_with_its_source(tmp_path, capsys, monkeypatch):
    file = tmp_path / "settings.toml"
    file.write_text(
        'sessions = 3\nidle = 7\nallow = ["10.0.0.0/8"]\n[[peers]]\naddresses = ["10.1.0.1/32"]\n'
    )
    monkeypatch.setenv("SCANSIDE_IDLE", "9")
    code, rows, faults = check(capsys, "--settings", file)
    assert (code, faults) == (0, [])
    assert rows["sessions"] == (3, str(file))
    assert rows["idle"] == (9.0, "SCANSIDE_IDLE")
    assert rows["grace"] == (60.0, "default")
    assert rows["allow"] == (["10.0.0.0/8"], str(file))
    assert rows["peers"][0][0]["addresses"] == ["10.1.0.1/32"]


def test_all_that_a_start_would_refuse_is_said_at_once(tmp_path, capsys, monkeypatch):
    (tmp_path / "spool").mkdir(mode=0o755)
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    monkeypatch.setenv("SCANSIDE_HOST", "0.0.0.0")
    monkeypatch.setenv("SCANSIDE_TLS_CERT", str(tmp_path / "absent.pem"))
    monkeypatch.setenv("SCANSIDE_PLUGINS", str(tmp_path / "open"))
    code, _, faults = check(capsys)
    assert code == 2
    text = "\n".join(faults)
    for word in ("--insecure", "absent.pem", "open", "0700"):
        assert word in text
    assert len(faults) == 4


def test_a_wrong_value_is_wrong_use(capsys, monkeypatch):
    monkeypatch.setenv("SCANSIDE_SESSIONS", "many")
    assert main(["config", "check"]) == 2
    assert "setting sessions" in capsys.readouterr().err
