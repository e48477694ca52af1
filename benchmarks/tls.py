"""Encryption: the whole receive path under TLS against the same in clear, in turn in one run."""

import datetime
import ipaddress
import shutil
import ssl
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks.figures import Figure, SkippedError, alternate, of, ratios
from benchmarks.ingest import FLOOD, SIZE, emptied, kept
from benchmarks.scans import simulated
from server.client import conversation, converse
from server.files.scan import read_scan
from server.tls import client_context

CHAIN = "cartesian_fft"


def run() -> Iterator[Figure]:
    """Rates and their ratio: for the spool alone, and with the reconstruction."""
    parts = _parts()
    with tempfile.TemporaryDirectory(prefix="scanside-tls-") as name:
        folder = Path(name)
        cert, key = _certificate(folder)
        secret = {"TLS_CERT": str(cert), "TLS_KEY": str(key)}
        for what, flags in (("spooled alone", ("--sessions", "0")), (CHAIN, ("--threads", "1"))):
            with ExitStack() as stack:
                sides = []
                for kind, more in (("clear", {}), ("tls", secret)):
                    place = folder / kind
                    server = stack.enter_context(kept(place, *flags, **more))
                    context = client_context(cert) if more else None
                    sides.append(partial(_rate, server.port, place, parts, context))
                clear, sealed = alternate(sides, 5)
            for kind in ("clear", "tls"):
                shutil.rmtree(folder / kind)
            yield of(f"{what}: in clear", clear, unit="MB/s", note=f"{FLOOD >> 20} MiB")
            yield of(f"{what}: under TLS", sealed, unit="MB/s", note="the client encrypts on the same cores")
            yield of(f"{what}: TLS / clear", ratios(sealed, clear))


def _parts() -> list[bytes]:
    """The conversation: a scan sent over and over."""
    scan = read_scan(simulated(*SIZE))
    start, header, noise, *lines, close = conversation(CHAIN, scan.xml, scan.runs())
    body = b"".join(lines)
    return [start, header, noise, *[body] * (FLOOD // len(body)), close]


def _rate(port: int, place: Path, parts: list[bytes], context: ssl.SSLContext | None) -> float:
    """Megabytes each second, to the server's CLOSE."""
    begin = time.perf_counter()
    answer = converse(("127.0.0.1", port), parts, patience=120, context=context)
    seconds = time.perf_counter() - begin
    if not answer.closed:
        raise RuntimeError(answer.error)
    emptied(place / "spool")
    return sum(map(len, parts)) / 1e6 / seconds


def _certificate(folder: Path) -> tuple[Path, Path]:
    """Certificate and key of a server on loopback, signed by itself.

    Raises SkippedError without ``cryptography``.
    """
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import NameOID
    except ImportError:
        raise SkippedError("no package cryptography, which makes the certificate") from None
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "benchmark")])
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    loopback = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(loopback, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert, private = folder / "cert.pem", folder / "key.pem"
    private.touch(mode=0o600)
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return cert, private
