"""Encryption as it is used: a server under TLS, ``scanside replay --tls``, and those who must not come in."""

import socket
import ssl
import subprocess
import sys

import pytest

from server.client import converse
from server.errors import AccessError
from server.tls import client_context
from server.wire import encode
from tests.endtoend.scans import pixels, said, scan, send
from tests.endtoend.spawn import spawned, until
from tests.server.certificates import authority

SCAN = scan(repetitions=2)
BYTES = said("cartesian_fft", SCAN)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return authority(tmp_path_factory.mktemp("site"), "site")


@pytest.fixture(scope="module")
def certificates(site):
    return {name: site.issue(name) for name in ("server", "scanner")}


@pytest.fixture(scope="module")
def secret(tmp_path_factory, certificates):
    """A server under TLS."""
    cert, key = certificates["server"]
    with spawned(tmp_path_factory.mktemp("tls") / "state", tls_cert=cert, tls_key=key) as found:
        yield found


@pytest.fixture(scope="module")
def mutual(tmp_path_factory, site, certificates):
    """One that asks for certificates too."""
    cert, key = certificates["server"]
    folder = tmp_path_factory.mktemp("mutual") / "state"
    with spawned(folder, tls_cert=cert, tls_key=key, tls_ca=site.ca) as found:
        yield found


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    path = tmp_path_factory.mktemp("scan") / "scan.h5"
    subprocess.run(
        [*SCANSIDE, "simulate", "shepp-logan", "--matrix", "32", "--coils", "4", "-o", str(path)], check=True
    )
    return path


SCANSIDE = [sys.executable, "-m", "server.cli"]


def replay(path, server, *flags):
    to = f"127.0.0.1:{server.address[1]}"
    command = [*SCANSIDE, "replay", str(path), "--to", to, "--chain", "cartesian_fft", "--timeout", "20"]
    return subprocess.run([*command, *map(str, flags)], capture_output=True, text=True)


def test_a_scan_under_tls_gives_the_same_images_and_is_spooled_in_clear(server, secret, site):
    images = []
    answer = converse(secret.address, [BYTES], images.append, patience=30, context=client_context(site.ca))
    assert answer.error == ""
    assert answer.closed
    assert pixels(images) == pixels(send(server, BYTES)[1])
    assert until(lambda: BYTES in [secret.stream(each) for each in secret.records if each.outcome])


def test_replay_connects_under_tls(secret, mutual, site, certificates, recorded):
    done = replay(recorded, secret, "--tls", "--ca", site.ca)
    assert done.returncode == 0, done.stderr
    assert ": 1 images" in done.stdout
    cert, key = certificates["scanner"]
    done = replay(recorded, mutual, "--tls", "--ca", site.ca, "--cert", cert, "--key", key)
    assert done.returncode == 0, done.stderr
    assert ": 1 images" in done.stdout


def test_replay_without_a_certificate_or_with_anothers_is_refused(mutual, site, recorded, tmp_path):
    cert, key = authority(tmp_path, "elsewhere").issue("intruder")
    for flags in ((), ("--cert", cert, "--key", key)):
        done = replay(recorded, mutual, "--tls", "--ca", site.ca, *flags)
        assert done.returncode == 1
        assert "images" not in done.stderr
        assert done.stderr.strip()
        assert "Traceback" not in done.stderr
    assert not mutual_scan(mutual)


def mutual_scan(server):
    """Entries that these refused peers have left."""
    return [each for each in server.records if each.state not in ("complete",)]


def test_a_client_refuses_a_server_of_another_authority(secret, tmp_path, recorded):
    other = authority(tmp_path, "elsewhere")
    with pytest.raises(AccessError, match="certificate"):
        converse(secret.address, [BYTES], context=client_context(other.ca), patience=20)
    assert replay(recorded, secret, "--tls", "--ca", other.ca).returncode == 1


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_versions_are_refused(secret, site, version):
    context = ssl.create_default_context(cafile=site.ca)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    with (
        socket.create_connection(secret.address, timeout=10) as connection,
        pytest.raises(ssl.SSLError, match="(?i)version"),
    ):
        context.wrap_socket(connection, server_hostname="127.0.0.1")


def test_a_plain_client_is_told_nothing_and_disturbs_nobody(secret, site):
    before = len(secret.records)
    with socket.create_connection(secret.address, timeout=20) as connection:
        connection.sendall(BYTES[:1000])
        try:
            heard = b"".join(iter(lambda: connection.recv(1 << 16), b""))
        except ConnectionResetError:
            heard = b""
    assert encode.close() not in heard
    assert len(heard) < 16
    assert len(secret.records) == before
    images = []
    assert not converse(secret.address, [BYTES], images.append, 20, context=client_context(site.ca)).error
    assert len(images) == 2


def test_a_client_under_tls_finds_a_plain_server_out(server):
    with pytest.raises(AccessError):
        converse(server, [BYTES], context=client_context(None), patience=10)
