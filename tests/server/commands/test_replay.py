"""``scanside replay`` against a server that is written out here: what is sent, what is said, how it ends."""

import json
import socket
import threading

import h5py
import numpy as np
import pytest

from server.cli import main
from server.parameters import from_text
from server.wire import encode
from server.wire.decode import decode_all
from server.wire.messages import TextMessage


class Console:
    """A server of fixed words: it reads to its peer's half-close, says them, and ends."""

    def __init__(self, *words):
        self.heard, self._words = [], b"".join(words)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as stream:
                self.heard.append(stream.read())
                connection.sendall(self._words)

    def end(self):
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()


@pytest.fixture
def console():
    """Makes consoles."""
    made = []

    def make(*words):
        made.append(Console(*words))
        return made[-1]

    yield make
    for each in made:
        each.end()


@pytest.fixture
def scan(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("SCANSIDE_SPOOL", str(tmp_path / "spool"))
    path = tmp_path / "scan.h5"
    assert main(["simulate", "shepp-logan", "--matrix", "16", "--coils", "2", "-o", str(path)]) == 0
    capsys.readouterr()
    return path


def replay(path, to, *words):
    given = ("--chain", "cartesian_fft", "--to", to.address, "--timeout", "20")
    return main(["replay", str(path), *given, *map(str, words)])


CUT = encode.text("the connection ended without CLOSE", level="error") + encode.close()


def damage(path):
    """Let one readout have fewer samples than its header says."""
    with h5py.File(path, "r+") as file:
        row = file["dataset/data"][70]
        row["data"] = row["data"][:6]
        file["dataset/data"][70] = row


def test_a_damaged_scan_ends_the_conversation_at_once_with_its_own_fault(scan, console, capsys):
    damage(scan)
    server = console(CUT)
    assert replay(scan, server) == 1
    said = capsys.readouterr().err
    assert "6 numbers, but its header says" in said
    assert "without CLOSE" not in said
    assert len(server.heard) == 1


def test_the_fault_of_a_damaged_scan_stands_in_the_facts(scan, console, capsys):
    damage(scan)
    assert replay(scan, console(CUT), "--json") == 1
    (facts,) = json.loads(capsys.readouterr().out)
    assert "6 numbers, but its header says" in facts["error"]
    assert facts["sent"] is None


def test_a_damaged_scan_is_not_closed_as_if_it_were_whole(scan, console):
    damage(scan)
    server = console(CUT)
    replay(scan, server)
    assert "Close" not in [type(each).__name__ for each in decode_all(server.heard[0])]


def test_an_error_of_the_server_is_said_once(scan, console, capsys):
    words = (encode.text("look", level="warning"), encode.text("no such chain", level="error"))
    assert replay(scan, console(*words, encode.close())) == 1
    said = capsys.readouterr().err
    assert said.splitlines() == ["server: WARNING look", "server: ERROR no such chain"]


def test_without_images_no_time_of_them_is_told(scan, console, capsys):
    assert replay(scan, console(encode.close())) == 0
    assert capsys.readouterr().out == "scan.h5: 0 images\n"


def test_an_output_that_cannot_be_written_is_refused_before_anything_is_sent(scan, console, tmp_path, capsys):
    server = console(encode.close())
    assert replay(scan, server, "-o", tmp_path / "absent" / "x.h5") == 1
    assert capsys.readouterr().err == f"scanside: {tmp_path / 'absent'}: no such folder\n"
    assert replay(scan, server, "-o", tmp_path) == 1
    assert capsys.readouterr().err == f"scanside: {tmp_path} is a folder, expected a file\n"
    assert server.heard == []


def test_a_server_that_does_not_answer_is_named(scan, capsys):
    assert main(["replay", str(scan), "--chain", "cartesian_fft", "--to", "127.0.0.1:9"]) == 1
    assert capsys.readouterr().err == "scan.h5: no connection to 127.0.0.1:9: Connection refused\n"


def test_one_bad_scan_does_not_silence_the_others(scan, console, tmp_path, capsys):
    other = tmp_path / "other.h5"
    other.write_bytes(scan.read_bytes())
    damage(scan)
    server = console(encode.close())
    words = ["--chain", "cartesian_fft", "--to", server.address]
    assert main(["replay", str(scan), str(other), *words]) == 1
    told = capsys.readouterr()
    assert told.out == "scan.h5: 0 images\nother.h5: 0 images\n"
    assert told.err.startswith("scan.h5: samples of readout 70")
    assert len(server.heard) == 2


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--speed", "0"), "argument --speed: expected a number above 0, got '0'"),
        (("--speed", "nan"), "argument --speed: expected a number above 0, got 'nan'"),
        (("--scanners", "0"), "argument --scanners: expected a whole number, 1 or more, got '0'"),
        (("--cut", "-1"), "argument --cut: expected a whole number, 0 or more, got '-1'"),
        (("--timeout", "0"), "argument --timeout: expected a number above 0, got '0'"),
        (("--to", "foo"), "argument --to: expected HOST:PORT, got 'foo'"),
        (("--to", "foo:"), "argument --to: expected HOST:PORT, got 'foo:'"),
        (("--to", ":9002"), "argument --to: expected HOST:PORT, got ':9002'"),
        (("--to", "foo:70000"), "argument --to: expected a port from 1 to 65535, got '70000'"),
        (("--param", "X"), "argument --param: expected GADGET.FIELD=VALUE, got 'X'"),
        (("--param", "=3"), "argument --param: expected GADGET.FIELD=VALUE, got '=3'"),
    ],
    ids=" ".join,
)
def test_words_that_mean_nothing_are_a_wrong_use(words, reason, capsys):
    with pytest.raises(SystemExit) as end:
        main(["replay", "scan.h5", "--chain", "cartesian_fft", *words])
    assert end.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"scanside replay: error: {reason}"


def test_parameters_reach_the_server_as_text(scan, console):
    server = console(encode.close())
    assert replay(scan, server, "--param", "Combine.method=adaptive", "--param", "Convert.scale=2=3") == 0
    (text,) = [each.text for each in decode_all(server.heard[0]) if hasattr(each, "text")]
    assert json.loads(text)["parameters"] == {"Combine.method": "adaptive", "Convert.scale": "2=3"}


def test_a_cut_sends_so_many_bytes(scan, console):
    server = console(CUT)
    assert replay(scan, server, "--cut", 5000) == 1
    assert [len(each) for each in server.heard] == [5000]
    assert np.frombuffer(server.heard[0][:2], "<u2") == 1


def test_a_spooled_scan_takes_another_chain_and_other_parameters(scan, console, tmp_path):
    server = console(encode.close())
    replay(scan, server, "--param", "Combine.method=adaptive")
    spooled = tmp_path / "stream.mrd"
    spooled.write_bytes(server.heard[0])
    words = ["replay", str(spooled), "--to", server.address, "--param", "Combine.method=rss"]
    assert main([*words, "--param", "Combine.snr=true"]) == 0
    assert main([*words, "--chain", "cartesian_grappa"]) == 0
    first, other, rechained = server.heard
    names = [decode_all(each)[0].name for each in server.heard]
    assert names == ["cartesian_fft", "cartesian_fft", "cartesian_grappa"]
    said = [from_text(each.text) for each in decode_all(other) if isinstance(each, TextMessage)]
    assert said[-1] == {"Combine.method": "rss", "Combine.snr": "true"}
    assert first[-1000:] == other[-1000:] == rechained[-1000:]
