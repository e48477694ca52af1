import os
import subprocess
import sys

import pytest


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The address of a real server in a process of its own."""
    command = [sys.executable, "-m", "server.cli", "serve", "--port", "0", "--threads", "2"]
    folder = tmp_path_factory.mktemp("state")
    environment = os.environ | {f"SCANSIDE_{name}": str(folder) for name in ("STATE", "SPOOL", "RUN")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            port = int(process.stdout.readline().rpartition(":")[2])
            yield ("127.0.0.1", port)
            assert process.poll() is None, "the server died"
        finally:
            process.terminate()
            process.wait(30)
