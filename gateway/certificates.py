"""Certificate files, of [platform] and of links, judged on the box itself: `jiahe check` and the
uplink ask.

A platform that refuses a certificate only hangs up, so what can be known here is said here: no
such file, no PEM, no pair, expired, made for another gateway. OpenSSL (`gateway.openssl`) decides
whether files can be used; of a certificate's fields only a few are read, by the small DER reader
at the end (X.690 sections 8.1 and 10.1; the fields as in RFC 5280 section 4.1).
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from drivers.api import TlsFiles
from gateway import openssl
from gateway.files import UnfitFileError, is_open_to_all, read
from gateway.report.snapshot import Said
from gateway.system_errors import reason

SOON = timedelta(days=30)
_URI_PREFIX = "urn:jiahe:gateway:"
_BEGIN, _END = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"
#: The most that a file may hold: the authorities of a whole system take a quarter of it.
BYTES_MAX = 1 << 20


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one file. `key`: ca, cert or key; `fatal`: it can't be used at all."""

    key: str
    said: Said
    fatal: bool


@dataclass(frozen=True, slots=True)
class Certificate:
    """The fields of a certificate that are judged. `uris` are those of its subject alternative
    names.
    """

    not_before: datetime
    not_after: datetime
    common_name: str
    uris: tuple[str, ...]

    @property
    def gateway(self) -> str:
        """Whose it is, as a platform sees it: SAN `URI:urn:jiahe:gateway:ID`, else the CN."""
        named = [uri.removeprefix(_URI_PREFIX) for uri in self.uris if uri.startswith(_URI_PREFIX)]
        return named[0] if named else self.common_name


def judge(files: TlsFiles, gateway: str, now: datetime) -> list[Fault]:
    """Everything that is wrong, worst first. `gateway` "": whose the certificate is is not asked.

    Never raises for what is wrong with the files.
    """
    faults = list(_unreadable(files))
    closed = {fault.key for fault in faults}
    opened = ((None if key in closed else getattr(files, key)) for key in ("ca", "cert", "key"))
    verdict = openssl.examine(*opened)
    if "ca" not in closed and not (_read(files.ca) and verdict.is_trusted):
        faults.append(_fault("ca", "certificate.not_pem", files.ca))
    if "cert" in closed:
        return faults
    found = _read(files.cert)
    if not found:
        return [*faults, _fault("cert", "certificate.not_pem", files.cert)]
    if "key" not in closed:
        if verdict.pair == "mismatch":
            at = str(files.key)
            faults.append(_fault("cert", "certificate.no_pair", files.cert, key_path=at))
        elif verdict.pair:
            faults.append(_fault("key", "certificate.bad_key", files.key))
        if is_open_to_all(files.key):
            faults.append(_fault("key", "certificate.open_key", files.key, fatal=False))
    return [*faults, *_judge_fields(files.cert, found[0], gateway, now)]


def _judge_fields(path: Path, found: Certificate, gateway: str, now: datetime) -> Iterator[Fault]:
    if now >= found.not_after:
        date = _date(found.not_after)
        yield _fault("cert", "certificate.expired", path, fatal=False, date=date)
    elif now < found.not_before:
        date = _date(found.not_before)
        yield _fault("cert", "certificate.not_yet", path, fatal=False, date=date)
    elif found.not_after - now < SOON:
        days = (found.not_after - now).days
        date = _date(found.not_after)
        yield _fault("cert", "certificate.soon", path, fatal=False, date=date, days=days)
    if gateway and found.gateway != gateway:
        names = {"found": found.gateway or "-", "expected": gateway}
        yield _fault("cert", "certificate.other_gateway", path, fatal=False, **names)


def _unreadable(files: TlsFiles) -> Iterator[Fault]:
    for key, path in (("ca", files.ca), ("cert", files.cert), ("key", files.key)):
        try:
            _contents(path)
        except OSError as error:
            yield Fault(key, _refused(path, error), fatal=True)


def _contents(path: Path) -> bytes:
    """Raises OSError, also for what is no regular file of a certificate's size."""
    raw = read(path, BYTES_MAX).raw
    if len(raw) > BYTES_MAX:
        raise UnfitFileError("too large")
    return raw


def _refused(path: Path, error: OSError) -> Said:
    if isinstance(error, FileNotFoundError):
        return Said(id="certificate.missing", args={"path": str(path)})
    if isinstance(error, PermissionError):
        return Said(id="certificate.not_allowed", args={"path": str(path)})
    return Said(id="certificate.unreadable", args={"path": str(path), "error": reason(error)})


def _fault(key: str, message: str, path: Path, *, fatal: bool = True, **args: object) -> Fault:
    return Fault(key, Said(id=message, args={"path": str(path), **args}), fatal)


def _date(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"


def _read(path: Path) -> list[Certificate]:
    """The certificates of a PEM file, in order; none if one of them is damaged."""
    try:
        parts = list(_parts(_contents(path)))
        return [parse(base64.decodebytes(part)) for part in parts]
    except (OSError, ValueError):  # gone meanwhile; of base64, of ASCII or of the reader below
        return []


def _parts(raw: bytes) -> Iterator[bytes]:
    """What stands between each BEGIN and the next END."""
    at = 0
    while (begin := raw.find(_BEGIN, at)) >= 0 and (end := raw.find(_END, begin)) >= 0:
        at = end + len(_END)
        yield raw[begin + len(_BEGIN) : end]


def not_before(path: Path) -> int:
    """UTC in ns from which the file's certificate is valid: it is not earlier. 0: not known."""
    found = _read(path)
    return int(found[0].not_before.timestamp()) * 10**9 if found else 0


# ---- DER: only what RFC 5280 asks of a certificate -----------------------------------------------

_COMMON_NAME = bytes.fromhex("0603550403")  # 2.5.4.3
_ALTERNATIVE_NAMES = bytes.fromhex("0603551d11")  # 2.5.29.17
_SEQUENCE, _OCTETS, _UTC_TIME, _GENERALIZED_TIME = 0x30, 0x04, 0x17, 0x18
_EXTENSIONS, _URI = 0xA3, 0x86


def parse(der: bytes) -> Certificate:
    """Read a certificate's dates and names. Raises ValueError when it is none."""
    outer = list(_items(der))
    body = list(_items(outer[0][1])) if outer else []
    fields = list(_items(body[0][1])) if body else []
    if fields and fields[0][0] == 0xA0:  # the version
        del fields[0]
    if len(fields) < 6 or fields[3][0] != _SEQUENCE:
        raise ValueError("no certificate")
    times = [_time(tag, value) for tag, value in _items(fields[3][1])]
    if len(times) != 2:
        raise ValueError("no certificate: it has no two dates")
    extensions = [value for tag, value in fields[6:] if tag == _EXTENSIONS]
    uris = tuple(uri for value in extensions for uri in _uris(value))
    return Certificate(times[0], times[1], _common_name(fields[4][1]), uris)


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and contents of each element. Tags of one byte, which are all that certificates have."""
    at = 0
    while at < len(data):
        head = data[at : at + 2]
        if len(head) < 2:
            raise ValueError("cut off")
        tag, size = head
        at += 2
        if size & 0x80:
            count = size & 0x7F
            if not 1 <= count <= 4 or at + count > len(data):
                raise ValueError("no definite length")
            size = int.from_bytes(data[at : at + count], "big")
            at += count
        if at + size > len(data):
            raise ValueError("cut off")
        yield tag, data[at : at + size]
        at += size


def _time(tag: int, value: bytes) -> datetime:
    """RFC 5280 section 4.1.2.5: UTCTime of 1950 to 2049, or GeneralizedTime; both end with Z."""
    text = value.decode("ascii")
    if tag == _UTC_TIME and len(text) == 13:
        text = ("19" if text >= "50" else "20") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError("no time")
    if len(text) != 15 or not text[:-1].isdecimal() or text[-1] != "Z":
        raise ValueError("no time")
    day, clock = (int(text[:4]), int(text[4:6]), int(text[6:8])), text[8:14]
    return datetime(*day, int(clock[:2]), int(clock[2:4]), int(clock[4:]), tzinfo=UTC)


def _common_name(subject: bytes) -> str:
    """The first CN; "" without one. A Name is a sequence of sets of (type, value)."""
    for _, relative in _items(subject):
        for _, pair in _items(relative):
            if pair.startswith(_COMMON_NAME):
                (_, value), *_ = _items(pair[len(_COMMON_NAME) :])
                return value.decode("utf-8", "replace")
    return ""


def _uris(extensions: bytes) -> Iterator[str]:
    """The URIs of the subject alternative names."""
    for _, listed in _items(extensions):
        for _, extension in _items(listed):
            if not extension.startswith(_ALTERNATIVE_NAMES):
                continue
            for tag, value in _items(extension[len(_ALTERNATIVE_NAMES) :]):
                if tag == _OCTETS:  # before it there may be the BOOLEAN `critical`
                    for _, names in _items(value):
                        yield from (
                            name.decode("utf-8", "replace")
                            for kind, name in _items(names)
                            if kind == _URI
                        )
