"""An agent's XML documents as plain values.

Nothing is fetched, no entity is expanded, a document type is refused: what an agent sends is not
trusted. Nothing is validated either: names are compared without their namespace, so every version
of the standard reads alike, attributes may be missing, and values are taken as they stand.
"""

from __future__ import annotations

import re
from calendar import timegm
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

UNAVAILABLE: Final = "UNAVAILABLE"
#: A probe of a cell of a dozen machines is 2 MiB.
DOCUMENT_BYTES_MAX: Final = 32 << 20


class DocumentError(ValueError):
    """Not XML, or no document of MTConnect."""


@dataclass(frozen=True, slots=True)
class Header:
    """The header of any document; numbers that are missing are 0."""

    instance_id: str = ""
    next_sequence: int = 0
    first_sequence: int = 0
    last_sequence: int = 0
    buffer_size: int = 0
    created_ns: int = 0  # creationTime, ns since 1970
    version: str = ""


@dataclass(frozen=True, slots=True)
class DataItem:
    """One data item of the device model."""

    id: str
    name: str
    category: str
    type: str
    device: tuple[str, ...]  # the machine's name, uuid and id


@dataclass(frozen=True, slots=True)
class Observation:
    """One value of one data item."""

    item: str  # dataItemId
    name: str
    sequence: int
    time_ns: int  # the machine's own time, 0: none that can be read
    value: str = ""
    entries: Mapping[str, str] = field(default_factory=dict)  # of data sets and tables
    level: str = ""  # of a condition: NORMAL, WARNING, FAULT, UNAVAILABLE
    code: str = ""  # its native code
    key: str = ""  # by which of several active ones it is told apart
    is_reset: bool = False  # of data sets: the entries are all there are

    @property
    def is_condition(self) -> bool:
        return bool(self.level)


@dataclass(frozen=True, slots=True)
class Document:
    """`kind` is the root's: Devices, Streams, Error, Assets."""

    kind: str
    header: Header
    items: tuple[DataItem, ...] = ()
    observations: tuple[Observation, ...] = ()
    errors: tuple[tuple[str, str], ...] = ()  # (code, text)

    @property
    def following(self) -> int:
        """Where the agent goes on: its word, else behind what it said; 0: not known."""
        if self.header.next_sequence or not self.observations:
            return self.header.next_sequence
        return max(one.sequence for one in self.observations) + 1

    def has_error(self, *codes: str) -> bool:
        return any(code in codes for code, _ in self.errors)


_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d+))?\s*(Z|[+-]\d\d:?\d\d)?",
)


def time_ns(text: str) -> int:
    """ISO 8601 as ns since 1970, UTC where no zone is said; 0 for what is no time."""
    match = _TIME.fullmatch(text.strip())
    if match is None:
        return 0
    year, month, day, hour, minute, second = (int(match[i]) for i in range(1, 7))
    if not (year >= 1970 and 1 <= month <= 12 and 1 <= day <= 31 and hour <= 24 and minute <= 59):
        return 0
    seconds = timegm((year, month, day, hour, minute, min(second, 60)))
    zone = match[8] or "Z"
    if zone != "Z":
        away = int(zone[1:3]) * 3600 + int(zone[-2:]) * 60
        seconds -= away if zone[0] == "+" else -away
    made = seconds * 10**9 + int((match[7] or "0")[:9].ljust(9, "0"))
    return made if 0 <= made < 1 << 63 else 0


def parse(data: bytes) -> Document:
    """Raises DocumentError."""
    if len(data) > DOCUMENT_BYTES_MAX:
        raise DocumentError(f"a document of {len(data)} bytes")
    try:
        root = fromstring(data.strip(b" \t\r\n\0"), forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise DocumentError(f"{type(error).__name__}: {error}") from None
    kind = local(root.tag)
    if not kind.startswith("MTConnect"):
        raise DocumentError(f"a document of {kind[:40]}")
    head = next((child for child in root if local(child.tag) == "Header"), None)
    return Document(
        kind=kind.removeprefix("MTConnect"),
        header=_header(head) if head is not None else Header(),
        items=tuple(_items(root)) if kind == "MTConnectDevices" else (),
        observations=tuple(_observations(root)) if kind == "MTConnectStreams" else (),
        errors=tuple(_errors(root)) if kind == "MTConnectError" else (),
    )


def local(tag: object) -> str:
    """A name without its namespace."""
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _number(text: str | None) -> int:
    """0 for what is none, or does not fit the 64 bits of a sequence."""
    text = (text or "").strip()
    if not (text.isascii() and text.isdecimal()) or len(text) > 20:
        return 0
    number = int(text)
    return number if number < 1 << 64 else 0


def _header(head: Element) -> Header:
    return Header(
        instance_id=head.get("instanceId", ""),
        next_sequence=_number(head.get("nextSequence")),
        first_sequence=_number(head.get("firstSequence")),
        last_sequence=_number(head.get("lastSequence")),
        buffer_size=_number(head.get("bufferSize")),
        created_ns=time_ns(head.get("creationTime", "")),
        version=head.get("version", ""),
    )


def _items(root: Element) -> Iterator[DataItem]:
    for device in root.iter():
        if local(device.tag) not in ("Device", "Agent"):
            continue
        named = tuple(device.get(key, "") for key in ("name", "uuid", "id"))
        for item in device.iter():
            if local(item.tag) == "DataItem" and (own := item.get("id")):
                yield DataItem(
                    own, item.get("name", ""), item.get("category", "").upper(),
                    item.get("type", "").upper(), named,
                )  # fmt: skip


def _observations(root: Element) -> Iterator[Observation]:
    for box in root.iter():
        kind = local(box.tag)
        if kind in ("Samples", "Events", "Sample", "Event"):
            yield from (_value(each) for each in box if each.get("dataItemId"))
        elif kind in ("Condition", "Conditions"):
            yield from (_condition(each) for each in box if each.get("dataItemId"))


def _value(each: Element) -> Observation:
    entries = {
        key: " ".join("".join(entry.itertext()).split())
        for entry in each
        if local(entry.tag) == "Entry" and (key := entry.get("key"))
    }
    removed = {
        key: UNAVAILABLE
        for entry in each
        if entry.get("removed") == "true" and (key := entry.get("key"))
    }
    return Observation(
        item=each.get("dataItemId", ""),
        name=each.get("name", ""),
        sequence=_number(each.get("sequence")),
        time_ns=time_ns(each.get("timestamp", "")),
        value=(each.text or "").strip(),
        entries={**entries, **removed},
        is_reset=each.get("resetTriggered") is not None,
    )


def _condition(each: Element) -> Observation:
    code = each.get("nativeCode", "")
    return Observation(
        item=each.get("dataItemId", ""),
        name=each.get("name", ""),
        sequence=_number(each.get("sequence")),
        time_ns=time_ns(each.get("timestamp", "")),
        value=(each.text or "").strip(),
        level=local(each.tag).upper(),
        code=code,
        key=each.get("conditionId") or code,
    )


def _errors(root: Element) -> Iterator[tuple[str, str]]:
    for each in root.iter():
        if code := each.get("errorCode"):
            yield code.strip().upper(), " ".join("".join(each.itertext()).split())[:500]
