"""Who may connect, and what each peer may ask for."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

from server.errors import AccessError
from server.peers import Network, Peer
from server.settings import Settings, SettingsError
from server.status.traces import lacking
from server.wire.kinds import Profile

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, kw_only=True)
class Admission:
    """What an admitted peer may do."""

    profile: Profile
    """How it is spoken to."""

    chains: frozenset[str] | None = None
    """The chains that it may name; None: every one."""

    config_text: bool = True
    """Whether it may write chains out."""

    def permit(self, chain: str | None) -> None:
        """Let the peer have the chain called ``chain``, or one that it wrote out (None).

        Raises AccessError when it may not.
        """
        if chain is None:
            if not self.config_text or self.chains is not None:
                raise AccessError("this peer may only name an installed chain, not write one out")
        elif self.chains is not None and _plain(chain) not in {_plain(each) for each in self.chains}:
            shown = ", ".join(sorted(self.chains)) or "none"
            raise AccessError(f"this peer may not use the chain that it names; it may use {shown}")


def guard(settings: Settings) -> None:
    """Refuse to listen beyond loopback for everybody, unless told that it may.

    Raises SettingsError, too for settings of TLS that do not go together.
    """
    if settings.tls_ca and not settings.tls_cert:
        raise SettingsError("tls_ca, to check clients by, needs tls_cert, the server's own certificate")
    if any(peer.subject for peer in settings.peers) and not settings.tls_ca:
        raise SettingsError(
            "a peer is known by its certificate's subject, but tls_ca, to check it by, is not set"
        )
    if settings.traces and (package := lacking()):
        raise SettingsError(f"traces need {package}: pip install 'scanside[traces]'")
    limited = bool(settings.allow) and all(network.prefixlen for network in settings.allow)
    if not _loopback(settings.host) and not (limited or settings.tls_ca or settings.insecure):
        raise SettingsError(
            f"listening on {settings.host} lets anyone there connect: give --allow NETWORK, --tls-ca FILE, or"
            " --insecure to allow it"
        )
    if settings.http and not _loopback(settings.http_host) and not (limited or settings.insecure):
        raise SettingsError(
            f"health and metrics on {settings.http_host} would answer anyone there: give --allow NETWORK, or"
            " --insecure to allow it"
        )


def allowed(address: str, settings: Settings) -> None:
    """Look a peer's address up in the allow-list, before anything is spent on it.

    Raises AccessError when there is a list and the address is not on it.
    """
    if settings.allow and not _within(_parsed(address), settings.allow):
        raise AccessError(f"this server takes no connections from {address}")


def admit(address: str, settings: Settings, certificate: Mapping[str, object] | None = None) -> Admission:
    """What the peer at ``address`` may do; ``certificate`` is that of ``getpeercert``, under mutual TLS.

    Raises AccessError when it may not connect.
    """
    allowed(address, settings)
    subject = _subject(certificate or {})
    found = next((peer for peer in settings.peers if _fits(peer, _parsed(address), subject)), None)
    if found is None and not settings.strangers:
        raise AccessError(
            f"this server knows no peer at {address} with its certificate, and admits no others"
        )
    return _admission(found, settings)


def _admission(peer: Peer | None, settings: Settings) -> Admission:
    """What the peer's entry says, and for the rest what the settings say."""
    usual = settings.profile
    if peer is None:
        return Admission(profile=usual, config_text=settings.config_text)
    nul = usual.nul if peer.nul is None else peer.nul
    profile = Profile(
        nul=nul,
        prefix=(usual.prefix if peer.nul is None else nul) if peer.prefix is None else peer.prefix,
        kinds=usual.kinds if peer.kinds is None else frozenset(peer.kinds),
    )
    text = settings.config_text if peer.config_text is None else peer.config_text
    chains = None if peer.chains is None else frozenset(peer.chains)
    return Admission(profile=profile, chains=chains, config_text=text)


def _fits(peer: Peer, address: Address, subject: Mapping[str, str]) -> bool:
    here = not peer.addresses or _within(address, peer.addresses)
    return here and all(subject.get(name) == value for name, value in peer.subject.items())


def _subject(certificate: Mapping[str, object]) -> dict[str, str]:
    """The subject's attributes; one that stands there twice counts as none."""
    names = certificate.get("subject", ())
    pairs = [pair for group in names for pair in group] if isinstance(names, tuple) else []
    keys = [key for key, _ in pairs]
    return {key: value for key, value in pairs if keys.count(key) == 1}


def _parsed(address: str) -> Address:
    """The address; an IPv4 one that came in over IPv6 is an IPv4 one."""
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def _within(address: Address, networks: tuple[Network, ...]) -> bool:
    return any(address in network for network in networks)


def _loopback(host: str) -> bool:
    try:
        return _parsed(host).is_loopback
    except ValueError:
        return host == "localhost"


def _plain(chain: str) -> str:
    return chain.removesuffix(".yml").removesuffix(".yaml").removesuffix(".xml")
