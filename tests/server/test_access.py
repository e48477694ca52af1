import pytest

from server.access import admit, allowed, guard
from server.errors import AccessError
from server.settings import SettingsError, read_settings
from server.wire.kinds import Kind

SCANNER = {"addresses": "10.0.0.5", "nul": True, "chains": "cartesian_fft", "kinds": ["IMAGE", "WAVEFORM"]}
CERTIFIED = {"subject": {"commonName": "scanner-1"}, "config_text": False}


def settings(**given):
    return read_settings(given)


def certificate(*names):
    return {"subject": tuple((("commonName", name),) for name in names)}


def test_without_a_list_everyone_is_allowed():
    allowed("203.0.113.9", settings())


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "fe80::1%eth0", "2001:db8::1"])
def test_who_is_on_the_list_is_allowed(address):
    allowed(address, settings(allow="10.0.0.0/8, fe80::/10,2001:db8::/32"))


@pytest.mark.parametrize("address", ["11.0.0.1", "::ffff:11.0.0.1", "127.0.0.1", "2001:db9::1"])
def test_who_is_not_on_the_list_is_refused(address):
    with pytest.raises(AccessError, match="takes no connections from"):
        allowed(address, settings(allow="10.0.0.0/8,2001:db8::/32"))
    with pytest.raises(AccessError, match="takes no connections from"):
        admit(address, settings(allow="10.0.0.0/8,2001:db8::/32"))


def test_a_peer_without_an_entry_is_as_the_settings_say():
    found = admit("10.0.0.9", settings(nul=True, config_text=False, peers=[SCANNER]))
    assert (found.profile.nul, found.profile.prefix, found.config_text, found.chains) == (
        True,
        True,
        False,
        None,
    )


def test_an_entry_says_what_its_peer_bears_and_may_do():
    found = admit("10.0.0.5", settings(peers=[SCANNER]))
    assert found.profile.nul
    assert found.profile.prefix
    assert found.profile.kinds == {Kind.IMAGE, Kind.WAVEFORM}
    found.permit("cartesian_fft")
    found.permit("cartesian_fft.xml")
    with pytest.raises(AccessError, match="it may use cartesian_fft"):
        found.permit("cartesian_grappa")
    with pytest.raises(AccessError, match="not write one out"):
        found.permit(None)


def test_a_prefix_can_be_told_from_the_nul():
    found = admit("10.0.0.5", settings(peers=[SCANNER | {"prefix": False}]))
    assert (found.profile.nul, found.profile.prefix) == (True, False)


def test_a_peer_is_known_by_its_certificate():
    said = settings(peers=[CERTIFIED], tls_cert="a.pem", tls_ca="ca.pem")
    with pytest.raises(AccessError, match="not write one out"):
        admit("10.0.0.9", said, certificate("scanner-1")).permit(None)
    for other in (None, {}, certificate("scanner-2"), certificate("scanner-1", "scanner-1")):
        admit("10.0.0.9", said, other).permit(None)


def test_an_entry_with_address_and_subject_needs_both():
    both = CERTIFIED | {"addresses": ["10.0.0.5"]}
    said = settings(peers=[both], strangers=False, tls_cert="a.pem", tls_ca="ca.pem")
    assert not admit("10.0.0.5", said, certificate("scanner-1")).config_text
    for address, name in (("10.0.0.6", "scanner-1"), ("10.0.0.5", "scanner-2")):
        with pytest.raises(AccessError, match="admits no others"):
            admit(address, said, certificate(name))


def test_the_first_entry_that_fits_counts():
    said = settings(peers=[SCANNER, {"addresses": "10.0.0.0/8", "chains": "cartesian_grappa"}])
    admit("10.0.0.5", said).permit("cartesian_fft")
    admit("10.0.0.6", said).permit("cartesian_grappa")


@pytest.mark.parametrize(
    "given",
    [
        {"host": "127.0.0.1"},
        {"host": "::1"},
        {"host": "localhost"},
        {"host": "0.0.0.0", "insecure": True},
        {"host": "0.0.0.0", "allow": "10.0.0.0/8"},
        {"host": "scanner.example", "tls_cert": "a.pem", "tls_ca": "ca.pem"},
    ],
)
def test_a_bind_that_is_safe_or_wanted_is_let(given):
    guard(settings(**given))


@pytest.mark.parametrize(
    "given",
    [
        {"host": "0.0.0.0"},
        {"host": "::"},
        {"host": "10.0.0.1", "tls_cert": "a.pem"},
        {"host": "10.0.0.1", "allow": "0.0.0.0/0"},
        {"host": "10.0.0.1", "allow": "10.0.0.0/8,::/0"},
    ],
)
def test_a_bind_beyond_loopback_for_everyone_is_refused(given):
    with pytest.raises(SettingsError, match="--insecure"):
        guard(settings(**given))


@pytest.mark.parametrize("given", [{"tls_ca": "ca.pem"}, {"peers": [CERTIFIED]}])
def test_settings_of_tls_that_do_not_go_together_are_refused(given):
    with pytest.raises(SettingsError, match="tls_"):
        guard(settings(**given))


@pytest.mark.parametrize(
    "given",
    [
        {"allow": "10.0.0.1/8"},
        {"allow": "everyone"},
        {"peers": [{}]},
        {"peers": [{"nul": True}]},
        {"peers": [{"addresses": "10.0.0.1", "kinds": ["PATIENT"]}]},
        {"peers": [{"addresses": "10.0.0.1", "colour": "red"}]},
    ],
)
def test_a_list_that_cannot_be_meant_is_refused(given):
    with pytest.raises(SettingsError):
        settings(**given)


def test_entries_are_read_from_the_settings_file(tmp_path):
    file = tmp_path / "scanside.toml"
    file.write_text(
        """
        allow = ["10.0.0.0/8"]
        [[peers]]
        addresses = ["10.0.0.5"]
        kinds = ["IMAGE", "TEXT", "CLOSE"]
        chains = ["cartesian_fft"]
        [[peers]]
        subject = {commonName = "scanner-1"}
        """
    )
    found = read_settings({}, file)
    assert [peer.chains for peer in found.peers] == [("cartesian_fft",), None]
    assert found.peers[1].subject == {"commonName": "scanner-1"}
