"""What a certificate says that the receiver acts on: until when it is good, and for what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID

#: From when on an end is said before it comes.
SOON = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Certificate:
    """`for_clients`: its extended key usage, if it has one, names clients."""

    subject: str
    issuer: x509.Name
    serial: int
    not_after: datetime
    for_clients: bool
    fingerprint: bytes

    def left(self, now: datetime) -> timedelta:
        return self.not_after - now


def read(pem: bytes) -> Certificate:
    """The first certificate of a PEM text. Raises ValueError."""
    made = x509.load_pem_x509_certificate(pem)
    try:
        usage = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        for_clients = ExtendedKeyUsageOID.CLIENT_AUTH in usage
    except x509.ExtensionNotFound:
        for_clients = True
    return Certificate(
        made.subject.rfc4514_string(),
        made.issuer,
        made.serial_number,
        made.not_valid_after_utc,
        for_clients,
        made.fingerprint(hashes.SHA256()),
    )


def of_peer(auth_context: Mapping[str, Iterable[bytes]]) -> Certificate | None:
    """The certificate of a stream's peer; None: plain text, or gRPC does not tell it."""
    for pem in auth_context.get("x509_pem_cert", ()):
        try:
            return read(pem)
        except ValueError:
            return None
    return None


def utc_now() -> datetime:
    return datetime.now(UTC)
