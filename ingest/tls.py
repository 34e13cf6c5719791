"""Who is who: the receiver's certificates, and the gateway's id in its own.

With mutual TLS a gateway's id stands in its certificate, as SAN `URI:urn:jiahe:gateway:ID`, else as
the CN. Certificate files are read again when they change, so that a rotation needs no restart; a
pair that can't be read leaves the old one in use and is said on stderr.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import grpc

from ingest import certificates
from ingest.certificates import Certificate
from ingest.messages import said

_DAY_S = 86_400.0
_URI_PREFIX = b"urn:jiahe:gateway:"
_log = logging.getLogger("jiahe-ingest")


class TlsError(OSError):
    """A certificate file is missing or unusable; the text says which and why."""


@dataclass(frozen=True, slots=True)
class ReceiverFiles:
    """PEM files of `serve`: whose gateways it takes, who it is, and how it proves that."""

    ca: Path
    cert: Path
    key: Path

    def read(self) -> grpc.ServerCertificateConfiguration:
        """Raises TlsError."""
        texts = []
        for option, path, mark in (
            ("--key", self.key, b"PRIVATE KEY-----"),
            ("--cert", self.cert, b"-----BEGIN CERTIFICATE-----"),
            ("--ca", self.ca, b"-----BEGIN CERTIFICATE-----"),
        ):
            try:
                text = path.read_bytes()
            except OSError as error:
                raise TlsError(said("pem_unread", option=option, path=path, error=error)) from error
            if mark not in text:
                wanted = mark.decode().strip("-")
                raise TlsError(said("pem_other", option=option, path=path, mark=wanted))
            texts.append(text)
        key, cert, ca = texts
        self._check_pair()
        return grpc.ssl_server_certificate_configuration([(key, cert)], ca)

    def _check_pair(self) -> None:
        """gRPC would only say, or not even that, that the port can't be had."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(self.cert, self.key, password=_no_password)
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                words = said("key_of_another", key=self.key, cert=self.cert)
                raise TlsError(words) from error
            found = error.reason or str(error)
            words = said("pair_unfit", key=self.key, cert=self.cert, error=found)
            raise TlsError(words) from error
        try:
            context.load_verify_locations(self.ca)
        except ssl.SSLError as error:
            raise TlsError(said("ca_unfit", path=self.ca)) from error

    def own(self) -> Certificate | None:
        """The certificate that is in the file now; None: it can't be read."""
        try:
            return certificates.read(self.cert.read_bytes())
        except (OSError, ValueError):
            return None

    def changed(self) -> tuple[float, ...]:
        """Differs from an earlier value when a file was replaced."""
        times = []
        for path in (self.ca, self.cert, self.key):
            try:
                times.append(path.stat().st_mtime)
            except FileNotFoundError:
                times.append(0.0)  # between unlink and rename of a rotation
        return tuple(times)


def say_own(files: ReceiverFiles, now: datetime) -> None:
    """Log it when the receiver's own certificate is over, or ends soon."""
    own = files.own()
    if own is None:
        _log.error(said("own_unread", path=files.cert))
        return
    left = own.left(now)
    about = {"path": files.cert, "subject": own.subject, "day": own.not_after.date()}
    if left <= timedelta(0):
        _log.error(said("own_expired", **about))
    elif left <= certificates.SOON:
        _log.warning(said("own_expires", days=left.days, **about))


async def each_day(look: Callable[[datetime], None]) -> None:
    """Have a look now, and each day."""
    while True:
        look(certificates.utc_now())
        await asyncio.sleep(_DAY_S)


def refused_peer(peer: Certificate | None, own: Certificate | None) -> str | None:
    """Why a certificate that the CA vouches for is none of a gateway's; None: it may be."""
    if peer is None:
        return None
    if not peer.for_clients:
        return "its certificate is not for clients (extended key usage)"
    if own is not None and peer.fingerprint == own.fingerprint:
        return "it shows the receiver's own certificate"
    return None


def _no_password() -> str:
    """Else OpenSSL asks at the terminal for the password of an encrypted key, and waits."""
    return ""


def credentials(files: ReceiverFiles) -> grpc.ServerCredentials:
    """Mutual TLS: a client without a certificate of the CA gets no connection. Raises TlsError."""
    seen = files.changed()
    current = files.read()

    def fetch() -> grpc.ServerCertificateConfiguration:
        """Called before each handshake."""
        nonlocal seen, current
        now = files.changed()
        if now != seen:
            seen = now
            try:
                current = files.read()
            except TlsError as error:
                _log.error(said("new_unused", error=error))
        return current

    return grpc.dynamic_ssl_server_credentials(current, fetch, require_client_authentication=True)


Identify = Callable[[Any], str | None]


def identity_of(context: Any) -> str | None:
    """The gateway's id in the certificate of a stream's peer; None: plain text."""
    return gateway_of(context.auth_context())


def gateway_of(auth_context: Mapping[str, Iterable[bytes]]) -> str | None:
    """The gateway's id in the peer's certificate; None: there is no certificate. "" when it names
    none.

    gRPC tells URIs apart from other alternative names: a DNS name that reads like our URI is none.
    """
    if list(auth_context.get("transport_security_type", ())) != [b"ssl"]:
        return None
    for name in auth_context.get("peer_uri", ()):
        if name.startswith(_URI_PREFIX):
            return name.removeprefix(_URI_PREFIX).decode(errors="replace")
    for name in auth_context.get("x509_common_name", ()):
        return name.decode(errors="replace")
    return ""


def identity_from_header(header: str) -> Identify:
    """For a proxy that ends TLS: the id stands in this header of each stream, which the proxy sets
    and takes off what boxes send. A stream without it is of no gateway."""

    def identify(context: Any) -> str | None:
        for key, value in context.invocation_metadata() or ():
            if key == header.lower():
                text = value if isinstance(value, str) else value.decode(errors="replace")
                return str(text).removeprefix("urn:jiahe:gateway:")
        return ""

    return identify


def is_loopback(host: str) -> bool:
    """Whether plain text stays on this machine. Names other than localhost could be anywhere."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
