"""An association with another application entity, under TLS where its certificate's authority is named."""

import socket
import ssl
from collections.abc import Sequence
from typing import Any

from pynetdicom import AE, evt
from pynetdicom.pdu import A_ASSOCIATE_RJ

from server.dicom.destination import Archive, Worklist
from server.dicom.verdict import Verdict
from server.errors import ScansideError
from server.tls import client_context

TIMEOUT = 30.0
"""Seconds that an archive may take for an answer."""

PATIENCE = 10.0
"""Seconds that a connection may take."""

PERMANENT = 1
"""Result of a refusal after which the same request will be refused again (PS3.8, 9.3.4)."""


def associate(
    other: Archive | Worklist,
    classes: Sequence[str],
    timeout: float = TIMEOUT,
    evt_handlers: Sequence[Any] = (),
) -> tuple[Any, Verdict]:
    """An association for these SOP classes, or None and why not."""
    where = f"{other.host}:{other.port}"
    try:
        # pynetdicom 3.0 leaves its socket open where nobody listens
        socket.create_connection((other.host, other.port), min(PATIENCE, timeout)).close()
        tls = (context(other), other.host) if other.tls_ca else None
    except OSError as error:
        return None, Verdict("later", f"{where} cannot be reached: {error.strerror or error}")
    except ScansideError as error:
        return None, Verdict("later", str(error))
    entity = AE(ae_title=other.own_title)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = timeout
    entity.connection_timeout = min(PATIENCE, timeout)
    for each in classes:
        entity.add_requested_context(each)
    refusals: list[A_ASSOCIATE_RJ] = []
    handlers = [*evt_handlers, (evt.EVT_PDU_RECV, _refusals, [refusals])]
    link = entity.associate(other.host, other.port, ae_title=other.title, tls_args=tls, evt_handlers=handlers)
    if link.is_established:
        return link, Verdict("sent", "")
    if refusals:
        reason = f"association rejected: {refusals[0].reason_str or 'no reason'}"
        return None, Verdict("failed" if refusals[0].result == PERMANENT else "later", reason)
    return None, Verdict("later", f"{where} aborts the association")


def _refusals(event: evt.Event, found: list[A_ASSOCIATE_RJ]) -> None:
    """Keep a refusal as it comes in.

    pynetdicom 3.0 asks whether it is still connected before it looks for an answer: a refusal that is
    already in, and with it the end of the connection, it calls an abort.
    """
    if isinstance(event.pdu, A_ASSOCIATE_RJ):
        found.append(event.pdu)


def context(other: Archive | Worklist) -> ssl.SSLContext:
    """TLS 1.2 or newer, as ``server.tls`` has it."""
    return client_context(other.tls_ca, other.tls_cert, other.tls_key)


def answering(other: Archive) -> ssl.SSLContext | None:
    """For associations that the other one opens: TLS with our certificate, and it must have one; or None."""
    if not (other.tls_ca and other.tls_cert):
        return None
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(other.tls_ca))
    made.minimum_version, made.verify_mode = ssl.TLSVersion.TLSv1_2, ssl.CERT_REQUIRED
    made.load_cert_chain(other.tls_cert, other.tls_key)
    return made
