"""A certificate authority for tests: real PEM files, also expired ones and those of others."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from drivers.api import TlsFiles

LOOPBACK = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))


def gateway_name(identity: str) -> x509.GeneralName:
    """SAN of a gateway."""
    return x509.UniformResourceIdentifier(f"urn:jiahe:gateway:{identity}")


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


class Authority:
    """Its own CA file in `folder`, and certificates of it."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.ca = folder / f"{name}-ca.pem"
        self.ca.write_bytes(
            _pem(self._sign(self._subject, self._key.public_key(), (), timedelta(3650), True))
        )

    def issue(
        self,
        owner: str,
        names: Sequence[x509.GeneralName] = (LOOPBACK,),
        *,
        ends_in: timedelta = timedelta(days=365),
        begins_in: timedelta = timedelta(days=-10),
        rsa_bits: int = 0,
    ) -> tuple[Path, Path]:
        """Certificate and key files for the CN `owner`; it began ten days ago, or `ends_in` less
        a day. `rsa_bits`: an RSA key instead of one on P-256.
        """
        key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
        if rsa_bits:
            key = rsa.generate_private_key(65537, rsa_bits)
        else:
            key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, owner)])
        cert_file, key_file = (self._folder / f"{owner}-{self._name}.{e}" for e in ("pem", "key"))
        signed = self._sign(subject, key.public_key(), names, ends_in, False, begins_in)
        cert_file.write_bytes(_pem(signed))
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return cert_file, key_file

    def files(
        self,
        owner: str,
        names: Sequence[x509.GeneralName] = (LOOPBACK,),
        **more: Any,
    ) -> TlsFiles:
        """The same, with the CA; `more` as `issue` has it."""
        return TlsFiles(self.ca, *self.issue(owner, names, **more))

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
        names: Sequence[x509.GeneralName],
        ends_in: timedelta,
        authority: bool,
        begins_in: timedelta = timedelta(days=-10),
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(min(now + begins_in, now + ends_in - timedelta(days=1)))
            .not_valid_after(now + ends_in)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self._key, hashes.SHA256())
