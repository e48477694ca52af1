import os
import subprocess
import sys
from pathlib import Path

import pytest

from server.cli import main

DATA = Path(os.environ.get("SCANSIDE_DATA", Path(__file__).parents[3] / "shared/data"))


def peer(variable):
    """The path in an environment variable; the test is skipped when there is none."""
    if variable not in os.environ:
        pytest.skip(f"{variable} is not set")
    return Path(os.environ[variable])


@pytest.fixture(scope="session")
def fire():
    """(interpreter, folder) of python-ismrmrd-server."""
    folder = peer("SCANSIDE_PEER_FIRE")
    return os.environ.get("SCANSIDE_PEER_FIRE_PYTHON", sys.executable), folder


@pytest.fixture(scope="session")
def gadgetron_client():
    """Gadgetron's C++ client."""
    return peer("SCANSIDE_PEER_GADGETRON_CLIENT")


@pytest.fixture(scope="session")
def port():
    """The port of a Scanside server in a process of its own."""
    command = [sys.executable, "-m", "server.cli", "serve", "--port", "0", "--threads", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield int(process.stdout.readline().rpartition(":")[2])
            assert process.poll() is None, "the server died"
        finally:
            process.terminate()
            process.wait(30)


@pytest.fixture(scope="session")
def scan(tmp_path_factory):
    """A simulated scan: 64 x 64, 4 coils, R = 2, 2 repetitions."""
    path = tmp_path_factory.mktemp("scan") / "scan.h5"
    size = "--matrix 64 --coils 4 --acceleration 2 --reference-lines 20 --repetitions 2"
    assert main(["simulate", "shepp-logan", *size.split(), "-o", str(path)]) == 0
    return path


@pytest.fixture(scope="session")
def skyra():
    """The real scan of two bottles, which names measurements that it depends on."""
    path = DATA / "mrd/skyra14_noise_grappa3.h5"
    if not path.is_file():
        pytest.skip(f"{path} is absent")
    return path


@pytest.fixture
def replayed(port, tmp_path):
    """What our own client receives for a file and a chain."""

    def replay(path, chain, *options):
        images = tmp_path / "replayed.h5"
        address = f"127.0.0.1:{port}"
        words = ["replay", str(path), "--to", address, "--chain", chain, "-o", str(images), *options]
        assert main(words) == 0
        return images

    return replay
