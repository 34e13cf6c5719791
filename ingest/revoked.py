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
                _log.error(
                    "--crl %s: the list of %s was to be replaced by %s; it stays in force. What was"
                    " revoked since is not known here: fetch the new one",
                    self._path, issuer.rfc4514_string(), end.date(),
                )  # fmt: skip

    def _look(self) -> None:
        changed = self._changed()
        if changed == self._seen:
            return
        self._seen = changed
        try:
            self._lists = self._read()
        except TlsError as error:
            _log.error("the last lists stay in force: %s", error)

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
            raise TlsError(f"--crl {self._path}: {error.strerror}") from error
        if not parts:
            raise TlsError(
                f"--crl {self._path}: not a PEM file with a CRL; one in DER becomes PEM by:"
                f" openssl crl -inform DER -in {self._path} -out {self._path}.pem"
            )
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
                raise TlsError(
                    f"--crl {self._path}: a list in it can't be read: {error}"
                ) from error
        return _Lists(frozenset(names), ends)

    def _authorities(self) -> list[x509.Certificate]:
        try:
            return x509.load_pem_x509_certificates(self._ca.read_bytes())
        except (OSError, ValueError) as error:
            raise TlsError(f"--ca {self._ca} can't be read: {error}") from error

    def _check(self, one: x509.CertificateRevocationList, known: list[x509.Certificate]) -> None:
        """Raises TlsError unless an authority of ours signed it, whole."""
        issuer = one.issuer.rfc4514_string()
        if any(isinstance(each.value, x509.DeltaCRLIndicator) for each in one.extensions):
            raise TlsError(f"--crl {self._path}: a delta list of {issuer}; give the whole list")
        if not any(_signed(one, ca) for ca in known if ca.subject == one.issuer):
            raise TlsError(
                f"--crl {self._path}: the list of {issuer} is signed by no certificate in --ca"
                f" {self._ca}; give the list of that authority, or add its certificate to --ca"
            )


def _signed(one: x509.CertificateRevocationList, ca: x509.Certificate) -> bool:
    try:
        return one.is_signature_valid(ca.public_key())  # type: ignore[arg-type]  # no DH keys sign
    except (InvalidSignature, TypeError):
        return False
