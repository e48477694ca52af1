"""TLS: who the server is, who its peers are, and which key files may be used for it."""

import os
import ssl
import stat
from pathlib import Path

from server.errors import AccessError
from server.settings import Settings, SettingsError


def server_context(settings: Settings) -> ssl.SSLContext | None:
    """TLS 1.2 or newer with the server's certificate; with ``tls_ca`` clients must have one of its.

    None when no certificate is set. Raises SettingsError for files that cannot be used, AccessError for a
    key that others may read.
    """
    if settings.tls_cert is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _strict(context)
    context.num_tickets = 0
    _identify(context, settings.tls_cert, settings.tls_key)
    if settings.tls_ca is not None:
        _trust(context, settings.tls_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(
    ca: Path | None = None, cert: Path | None = None, key: Path | None = None
) -> ssl.SSLContext:
    """TLS as a scanner speaks it: the server must have a certificate of ``ca`` (None: the system's).

    Raises as ``server_context``.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _strict(context)
    if ca is None:
        context.load_default_certs()
    else:
        _trust(context, ca)
    if cert is not None:
        _identify(context, cert, key)
    return context


def checked_key(path: Path) -> Path:
    """The file, when nobody else can read or write it; root's may be readable by its group.

    Raises AccessError otherwise.
    """
    found = path.stat()
    group = stat.S_IWGRP if found.st_uid == 0 else stat.S_IRWXG
    if found.st_uid not in (0, os.geteuid()) or found.st_mode & (group | stat.S_IRWXO):
        raise AccessError(
            f"the key {path} must be readable by this user alone (mode 0600), found"
            f" {stat.filemode(found.st_mode)} of user {found.st_uid}"
        )
    return path


def _strict(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION


def _identify(context: ssl.SSLContext, cert: Path, key: Path | None) -> None:
    def locked() -> bytes:
        raise SettingsError(f"the key {key or cert} is encrypted; one without a password is needed")

    try:
        context.load_cert_chain(cert, checked_key(key or cert), password=locked)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"certificate {cert} with key {key or cert} cannot be used: {_why(error)}"
        ) from None


def _trust(context: ssl.SSLContext, ca: Path) -> None:
    try:
        context.load_verify_locations(ca)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"certificates of authorities {ca} cannot be used: {_why(error)}") from None


def _why(error: OSError) -> str:
    return error.strerror or error.reason if isinstance(error, ssl.SSLError) else str(error.strerror or error)
