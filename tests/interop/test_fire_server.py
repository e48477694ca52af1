"""Our client sends scans to python-ismrmrd-server's own server, main.py."""

import socket
import subprocess
import time

import numpy as np
import pytest

from server.cli import main
from server.files.images import read_images
from server.files.truth import read_truth
from tests.interop.peers import own, series

pytestmark = pytest.mark.interop


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def wait_for(log, word, process, seconds=60):
    """Read the log until the word is in it: a probing connection would keep this server busy."""
    until = time.monotonic() + seconds
    while word not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.1)


@pytest.fixture(scope="module")
def fire_server(fire, tmp_path_factory):
    """The address of main.py on loopback."""
    python, home = fire
    folder, port = tmp_path_factory.mktemp("fire"), free_port()
    log = folder / "log.txt"
    command = [python, "-u", str(home / "main.py"), "-H", "127.0.0.1", "-p", str(port)]
    with (
        log.open("w") as out,
        subprocess.Popen(command, cwd=folder, env=own(), stdout=out, stderr=subprocess.STDOUT) as process,
    ):
        try:
            wait_for(log, "Starting server and listening", process)
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A fully sampled scan without noise readouts, which simplefft would put into its image."""
    path = tmp_path_factory.mktemp("full") / "full.h5"
    size = "--matrix 64 --coils 4 --no-noise-scan --snr 100"
    assert main(["simulate", "shepp-logan", *size.split(), "-o", str(path)]) == 0
    return path


@pytest.mark.parametrize("nul", [(), ("--nul",)], ids=["without NUL", "with NUL"])
@pytest.mark.parametrize("config", ["simplefft", "invertcontrast"])
def test_it_sends_our_client_an_image(fire_server, full, tmp_path, config, nul):
    images = tmp_path / "images.h5"
    words = ["replay", str(full), "--to", fire_server, "--chain", config, "-o", str(images), *nul]
    assert main(words) == 0
    (pixels,) = series(images).values()
    assert pixels.shape == (1, 1, 1, 64, 64)
    assert pixels.dtype == np.int16


def test_its_image_shows_what_was_simulated(fire_server, full, tmp_path):
    images = tmp_path / "images.h5"
    words = ["replay", str(full), "--to", fire_server, "--chain", "simplefft", "-o", str(images)]
    assert main(words) == 0
    (found,) = (one.data[0, 0, 0].astype(float) for one in read_images(images))
    truth = np.abs(read_truth(full)["object"].values).reshape(-1, 64, 64)[0]
    assert np.corrcoef(found.ravel(), truth.ravel())[0, 1] > 0.9


def test_texts_of_the_server_reach_the_console(fire_server, full, capsys):
    assert main(["replay", str(full), "--to", fire_server, "--chain", "invertcontrast"]) == 0
    assert "server: INFO     Total processing time" in capsys.readouterr().err
