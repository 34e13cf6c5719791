"""A certificate authority for tests: receivers on 127.0.0.1 and gateways with their id."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


class Authority:
    def __init__(self, directory: Path, common: str = "test CA") -> None:
        self.directory = directory
        directory.mkdir(exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(common)
        self.ca = directory / "ca.pem"
        self.ca.write_bytes(self._sign(self._name, self._key, [], is_ca=True))

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        names: list[x509.GeneralName],
        *,
        is_ca: bool = False,
        usage: Sequence[x509.ObjectIdentifier] = (),
        ends_in: timedelta = timedelta(days=60),
    ) -> bytes:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=2))
            .not_valid_after(now + ends_in)
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        if usage:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usage), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        return certificate.public_bytes(serialization.Encoding.PEM)

    def issue(
        self, stem: str, common: str, names: list[x509.GeneralName], **options: Any
    ) -> tuple[Path, Path]:
        """Files (cert, key) in the directory."""
        key = ec.generate_private_key(ec.SECP256R1())
        cert_file, key_file = (self.directory / f"{stem}.{end}" for end in ("pem", "key"))
        cert_file.write_bytes(self._sign(_name(common), key, names, **options))
        key_file.write_bytes(_pem(key))
        return cert_file, key_file

    def revoke(self, file: Path, *certificates: Path, until: timedelta = timedelta(days=7)) -> Path:
        """Write the list of what this authority takes back."""
        now = datetime.now(UTC)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._name)
            .last_update(now - timedelta(days=30))
            .next_update(now + until)
        )
        for path in certificates:
            serial = x509.load_pem_x509_certificate(path.read_bytes()).serial_number
            made = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now)
            builder = builder.add_revoked_certificate(made.build())
        new = file.with_name(f"{file.name}.new")
        new.write_bytes(
            builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        )
        return new.replace(file)

    def receiver(
        self, stem: str = "receiver", *, reached: Sequence[str] = ("127.0.0.1",), **options: Any
    ) -> tuple[str, ...]:
        """Options of `serve`. `reached`: the addresses by which gateways know it."""
        names: list[x509.GeneralName] = [x509.IPAddress(IPv4Address(each)) for each in reached]
        cert, key = self.issue(stem, "receiver", names, **options)
        return ("--ca", str(self.ca), "--cert", str(cert), "--key", str(key))

    def credentials(self, cert: Path | str, key: Path | str) -> grpc.ChannelCredentials:
        """Of who shows this certificate, and trusts this authority."""
        return grpc.ssl_channel_credentials(
            self.ca.read_bytes(), Path(key).read_bytes(), Path(cert).read_bytes()
        )

    def gateway(
        self, identity: str, *, in_san: bool = True, **options: Any
    ) -> grpc.ChannelCredentials:
        """What a gateway of that id connects with."""
        names: list[x509.GeneralName] = []
        if in_san:
            names.append(x509.UniformResourceIdentifier(f"urn:jiahe:gateway:{identity}"))
        common = "some box" if in_san else identity
        return self.credentials(*self.issue("gateway", common, names, **options))
