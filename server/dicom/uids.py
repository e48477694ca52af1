"""Identifiers that follow from what DICOM objects are: the same scan twice is the same objects."""

import hashlib
import uuid


def uid(*parts: object) -> str:
    """A DICOM UID that depends on the parts alone: ``2.25.`` and a UUID of version 8 (RFC 9562) made of them.

    Source of the form: DICOM PS3.5, B.2.
    """
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode(errors="surrogatepass")).digest()[:16]
    marked = bytearray(digest)
    marked[6] = 0x80 | marked[6] & 0x0F
    marked[8] = 0x80 | marked[8] & 0x3F
    return f"2.25.{uuid.UUID(bytes=bytes(marked)).int}"
