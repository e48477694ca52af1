import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from server.errors import AccessError
from server.secure import secure, secured
from server.settings import Settings, SettingsError
from server.tls import checked_key, client_context, server_context
from tests.server.certificates import authority, locked


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return authority(tmp_path_factory.mktemp("site"), "site")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    return authority(tmp_path_factory.mktemp("stranger"), "stranger")


@pytest.fixture(scope="module")
def keys(site):
    return site.issue("server")


def context(keys, ca=None):
    return server_context(Settings(tls_cert=keys[0], tls_key=keys[1], tls_ca=ca))


def pair():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ours = socket.create_connection(listening.getsockname(), timeout=10)
        theirs, _ = listening.accept()
    theirs.settimeout(10)
    return ours, theirs


def agree(server, client, seconds=5.0):
    """Both ends under TLS; the error of either is raised, the server's first."""
    ours, theirs = pair()
    with ThreadPoolExecutor(1) as other:
        asked = other.submit(secured, ours, client, "127.0.0.1")
        try:
            accepted = secure(theirs, server, seconds)
        except AccessError:
            theirs.close()
            asked.exception()
            ours.close()
            raise
        return asked.result(), accepted


@pytest.fixture
def ends(site, keys):
    ours, theirs = agree(context(keys), client_context(site.ca))
    yield ours, theirs
    ours.close()
    theirs.close()


def read_all(end, step=1 << 20):
    view, data = memoryview(bytearray(step)), bytearray()
    while count := end.recv_into(view):
        data += view[:count]
    return bytes(data)


def random(size, seed=0):
    return np.random.default_rng(seed).bytes(size)


def test_what_is_sent_is_received_in_both_directions_at_once(ends):
    ours, theirs = ends
    up, down = random(9_000_001, 1), random(7_000_003, 2)

    def send(end, data):
        for start in range(0, len(data), 1_000_000):
            end.sendall(data[start : start + 1_000_000])
        end.shutdown(socket.SHUT_WR)

    with ThreadPoolExecutor(4) as pool:
        sending = [pool.submit(send, ours, up), pool.submit(send, theirs, down)]
        reading = [pool.submit(read_all, theirs), pool.submit(read_all, ours)]
        assert reading[0].result(20) == up
        assert reading[1].result(20) == down
        for each in sending:
            each.result(20)


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_half_closed_connection_goes_on_receiving_what_is_under_way(site, keys, newest):
    client = client_context(site.ca)
    client.maximum_version = newest
    ours, theirs = agree(context(keys), client)
    data = random(6_000_000)
    sender = threading.Thread(target=lambda: (ours.sendall(data), ours.shutdown(socket.SHUT_WR)))
    sender.start()
    first = bytearray(1000)
    size = theirs.recv_into(first)
    theirs.sendall(b"ERROR it failed")
    theirs.shutdown(socket.SHUT_WR)
    assert bytes(first[:size]) + read_all(theirs) == data
    assert read_all(ours) == b"ERROR it failed"
    sender.join()
    ours.close()
    theirs.close()


def test_many_small_reads_lose_nothing(ends):
    ours, theirs = ends
    data = random(200_000)
    ours.sendall(data)
    ours.shutdown(socket.SHUT_WR)
    assert read_all(theirs, 777) == data


def test_nothing_is_pending_when_less_was_read_than_asked_for(ends):
    ours, theirs = ends
    ours.sendall(random(40_000))
    data = bytearray(1 << 20)
    time.sleep(0.05)
    size = theirs.recv_into(data)
    assert theirs.pending() == 0
    while size < 40_000:
        size += theirs.recv_into(data)
    ours.sendall(b"abc")
    assert theirs.recv_into(memoryview(data)[:1]) == 1
    assert theirs.pending() == 2


def test_a_connection_that_ends_without_a_word_reads_as_an_end(ends):
    ours, theirs = ends
    ours.sendall(b"half a scan")
    ours._socket.close()
    assert read_all(theirs) == b"half a scan"


def test_a_reader_waits_no_longer_than_its_timeout(ends):
    _, theirs = ends
    theirs.settimeout(0.05)
    with pytest.raises(TimeoutError):
        theirs.recv_into(bytearray(10))


def test_a_byte_changed_on_the_way_is_an_error(ends):
    ours, theirs = ends
    sealed = ours._tls, ours._leaving
    sealed[0].write(b"a scan")
    data = bytearray(sealed[1].read())
    data[-1] ^= 1
    ours._socket.sendall(data)
    with pytest.raises(ssl.SSLError):
        theirs.recv_into(bytearray(10))


def test_the_good_client_is_known_by_its_certificate(site, keys):
    ours, theirs = agree(context(keys, site.ca), client_context(site.ca, *site.issue("scanner-1")))
    assert dict(pair for group in theirs.getpeercert()["subject"] for pair in group) == {
        "commonName": "scanner-1"
    }
    assert theirs.version() == "TLSv1.3"
    ours.close()
    theirs.close()


def test_a_client_without_a_certificate_is_refused_under_mutual_tls(site, keys):
    with pytest.raises(AccessError, match="did not return a certificate"):
        agree(context(keys, site.ca), client_context(site.ca))


def test_a_client_with_anothers_certificate_is_refused_under_mutual_tls(site, stranger, keys):
    with pytest.raises(AccessError, match="certificate is refused"):
        agree(context(keys, site.ca), client_context(site.ca, *stranger.issue("scanner-1")))


def test_a_server_of_another_authority_is_refused_by_the_client(keys, stranger):
    ours, theirs = pair()
    with ThreadPoolExecutor(1) as other:
        accepted = other.submit(secure, theirs, context(keys))
        with pytest.raises(AccessError, match="certificate is refused"):
            secured(ours, client_context(stranger.ca), "127.0.0.1")
        assert isinstance(accepted.exception(5), AccessError)
    ours.close()
    theirs.close()


def test_a_server_of_another_name_is_refused_by_the_client(site, keys):
    ours, theirs = pair()
    with ThreadPoolExecutor(1) as other:
        accepted = other.submit(secure, theirs, context(keys))
        with pytest.raises(AccessError, match="certificate is refused"):
            secured(ours, client_context(site.ca), "scanner.example")
        accepted.exception(5)
    ours.close()
    theirs.close()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
def test_an_old_protocol_is_refused(site, keys):
    old = client_context(site.ca)
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(AccessError, match="unsupported protocol"):
        agree(context(keys), old)


def test_the_oldest_protocol_that_is_allowed_works(site, keys):
    client = client_context(site.ca)
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    ours, theirs = agree(context(keys), client)
    ours.sendall(b"abc")
    assert theirs.recv(10) == b"abc"
    assert theirs.version() == "TLSv1.2"
    ours.close()
    theirs.close()


def test_a_plain_client_is_refused(keys):
    ours, theirs = pair()
    ours.sendall(b"\x01\x00cartesian_fft".ljust(1026, b"\0"))
    with pytest.raises(AccessError, match="handshake failed"):
        secure(theirs, context(keys))
    ours.close()
    theirs.close()


@pytest.mark.parametrize("drip", [b"", b"\x16\x03\x01\x02\x00\x01"])
def test_a_client_that_dawdles_is_refused_in_time(keys, drip):
    ours, theirs = pair()
    stop = threading.Event()

    def dawdle():
        for index in range(len(drip)):
            ours.sendall(drip[index : index + 1])
            stop.wait(0.1)

    slow = threading.Thread(target=dawdle)
    slow.start()
    with pytest.raises(AccessError, match=r"more than 0\.3 s"):
        secure(theirs, context(keys), 0.3)
    stop.set()
    slow.join()
    ours.close()
    theirs.close()


def test_a_client_that_leaves_within_the_handshake_is_refused(keys):
    ours, theirs = pair()
    ours.close()
    with pytest.raises(AccessError):
        secure(theirs, context(keys))
    theirs.close()


def test_without_a_certificate_there_is_no_tls():
    assert server_context(Settings()) is None


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o660, 0o602])
def test_a_key_that_others_may_read_or_write_is_refused(keys, tmp_path, mode):
    key = tmp_path / "open.key"
    key.write_bytes(keys[1].read_bytes())
    key.chmod(mode)
    with pytest.raises(AccessError, match="open.key must be readable by this user alone"):
        context((keys[0], key))
    key.chmod(0o600)
    assert checked_key(key) == key


def test_a_key_with_a_password_is_refused_without_asking_for_it(keys, tmp_path):
    with pytest.raises(SettingsError, match="is encrypted"):
        context((keys[0], locked(tmp_path / "locked.key", keys[1])))


@pytest.mark.parametrize("name", ["nothing.pem", "garbage.pem"])
def test_a_certificate_that_cannot_be_used_is_named(keys, tmp_path, name):
    (tmp_path / "garbage.pem").write_text("garbage")
    with pytest.raises(SettingsError, match=name):
        context((tmp_path / name, keys[1]))
    with pytest.raises(SettingsError, match=name):
        context(keys, tmp_path / name)


def test_a_key_of_another_certificate_is_refused(site, keys):
    with pytest.raises(SettingsError, match="cannot be used"):
        context((keys[0], site.issue("other")[1]))


def test_a_missing_key_is_named(keys):
    with pytest.raises(SettingsError, match="missing.key"):
        context((keys[0], Path("/missing.key")))
