"""Certificates that their authority took back: the lists (CRLs) of `--crl`.

gRPC has no such list in Python, so a revoked certificate gets through the handshake, and its stream
is ended before anything of it is read. The file is read again when it changes; one that can't be
used leaves the last lists in force and is said. A list that should have been replaced long ago
stays in force too: an authority that is late shuts nobody out.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from ingest.certificates import Certificate
from ingest.messages import said
from ingest.tls import TlsError

_BEGIN = b"-----BEGIN X509 CRL-----"
_log = logging.getLogger("jiahe-ingest")


@dataclass(frozen=True, slots=True)
class _Lists:
    """`names`: (issuer, serial number) of what is revoked. `ends`: of each issuer, when its list
    is to be replaced; None: it does not say."""

    names: frozenset[tuple[x509.Name, int]] = frozenset()
    ends: dict[x509.Name, datetime | None] = field(default_factory=dict)


class Revoked:
    """What `--crl FILE` says, as of now. `ca`: the authorities that may have signed it."""

    def __init__(self, path: Path, ca: Path) -> None:
        """Raises TlsError."""
        self._path, self._ca = path, ca
        self._seen = self._changed()
        self._lists = self._read()

    def refuses(self, certificate: Certificate) -> str | None:
        """Why its stream must end; None: it is on no list."""
        self._look()
        if (certificate.issuer, certificate.serial) not in self._lists.names:
            return None
        return (
            f"the certificate of this box ({certificate.subject}, serial number"
            f" {certificate.serial:x}) was revoked by its authority; enroll the box again"
        )

    def say_late(self, now: datetime) -> None:
        """Log each list that should have been replaced by now."""
        self._look()
        for issuer, end in self._lists.ends.items():
            if end is not None and end < now:
                name = issuer.rfc4514_string()
                _log.error(said("crl_late", path=self._path, issuer=name, day=end.date()))

    def _look(self) -> None:
        changed = self._changed()
        if changed == self._seen:
            return
        self._seen = changed
        try:
            self._lists = self._read()
        except TlsError as error:
            _log.error(said("crl_kept", error=error))

    def _changed(self) -> tuple[int, ...]:
        """Differs from an earlier value when the file was replaced or written."""
        try:
            found = self._path.stat()
        except OSError:
            return ()
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _read(self) -> _Lists:
        try:
            parts = self._path.read_bytes().split(_BEGIN)[1:]
        except OSError as error:
            raise TlsError(
                said("pem_unread", option="--crl", path=self._path, error=error)
            ) from error
        if not parts:
            raise TlsError(said("crl_other", path=self._path))
        names: set[tuple[x509.Name, int]] = set()
        ends: dict[x509.Name, datetime | None] = {}
        authorities = self._authorities()
        for part in parts:
            try:
                one = x509.load_pem_x509_crl(_BEGIN + part)
                self._check(one, authorities)
                names.update((one.issuer, entry.serial_number) for entry in one)
                ends[one.issuer] = one.next_update_utc
            except (ValueError, UnsupportedAlgorithm) as error:
                raise TlsError(said("crl_unread", path=self._path, error=error)) from error
        return _Lists(frozenset(names), ends)

    def _authorities(self) -> list[x509.Certificate]:
        try:
            return x509.load_pem_x509_certificates(self._ca.read_bytes())
        except (OSError, ValueError) as error:
            raise TlsError(said("ca_unread", path=self._ca, error=error)) from error

    def _check(self, one: x509.CertificateRevocationList, known: list[x509.Certificate]) -> None:
        """Raises TlsError unless an authority of ours signed it, whole."""
        issuer = one.issuer.rfc4514_string()
        if any(isinstance(each.value, x509.DeltaCRLIndicator) for each in one.extensions):
            raise TlsError(said("crl_delta", path=self._path, issuer=issuer))
        if not any(_signed(one, ca) for ca in known if ca.subject == one.issuer):
            raise TlsError(said("crl_unsigned", path=self._path, issuer=issuer, ca=self._ca))


def _signed(one: x509.CertificateRevocationList, ca: x509.Certificate) -> bool:
    try:
        return one.is_signature_valid(ca.public_key())  # type: ignore[arg-type]  # no DH keys sign
    except (InvalidSignature, TypeError):
        return False
