"""Certificates made for one test run."""

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def _name(common):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


@dataclass(frozen=True)
class Authority:
    """Issues certificates; its own lies in ``ca``."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    name: str

    @property
    def ca(self):
        return self.folder / f"{self.name}.pem"

    def issue(self, common):
        """(certificate, key) files for a peer or a server on loopback."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        made = self._built(common, key).add_extension(x509.SubjectAlternativeName(names), critical=False)
        cert, private = self.folder / f"{common}.pem", self.folder / f"{common}.key"
        cert.write_bytes(made.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        private.write_bytes(_plain(key))
        private.chmod(0o600)
        return cert, private

    def _built(self, common, key):
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(_name(common))
            .issuer_name(_name(self.name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
        )


def authority(folder, name):
    """An authority of its own."""
    found = Authority(folder, ec.generate_private_key(ec.SECP256R1()), name)
    made = found._built(name, found.key).add_extension(x509.BasicConstraints(True, None), critical=True)
    found.ca.write_bytes(made.sign(found.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    return found


def _plain(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def locked(path, key_path):
    """The key once more, encrypted."""
    key = serialization.load_pem_private_key(key_path.read_bytes(), None)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    path.chmod(0o600)
    return path
