import subprocess
import sys

import pytest


@pytest.fixture(scope="session")
def server():
    """The address of a real server in a process of its own."""
    command = [sys.executable, "-m", "server.cli", "serve", "--port", "0", "--threads", "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            port = int(process.stdout.readline().rpartition(":")[2])
            yield ("127.0.0.1", port)
            assert process.poll() is None, "the server died"
        finally:
            process.terminate()
            process.wait(30)
