"""Tag sets and catalogs as the checks of blocks need them: compiled once, kept by content.

Both are carried and compared as bytes, and named by them. A tag set shrinks to a byte or two a tag,
a catalog to its groups; a `Layout` is what one revision of an epoch means: the groups of all
revisions up to it. Texts are read again from the content when rows are exported.
"""

from __future__ import annotations

import functools
import hashlib
import zoneinfo
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from google.protobuf.message import DecodeError
from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest import limits
from ingest.fields import BYTES, VARINT, FieldsError, fields, varint
from ingest.refusal import RefusedError, is_decimal, malformed, quoted, too_large, unsupported

#: Kinds of tags, a byte each in `TagSet.kinds`: what may stand in their columns.
NUMBER, FLOAT32, FLOAT64, TEXT = 0, 1, 2, 3
_KINDS = {
    pb.VALUE_TYPE_BOOL: NUMBER,
    pb.VALUE_TYPE_INT: NUMBER,
    pb.VALUE_TYPE_UINT: NUMBER,
    pb.VALUE_TYPE_FLOAT32: FLOAT32,
    pb.VALUE_TYPE_FLOAT64: FLOAT64,
    pb.VALUE_TYPE_TEXT: TEXT,
    pb.VALUE_TYPE_BYTES: TEXT,
    pb.VALUE_TYPE_UTC_TIME: NUMBER,
    pb.VALUE_TYPE_LOCAL_TIME: NUMBER,
}
_TAGS_A_STEP = 64

_time_zones = functools.cache(zoneinfo.available_timezones)  # reads a folder of hundreds of files


def content_id(content: bytes) -> bytes:
    """The name of a tag set's or a catalog's content."""
    return hashlib.sha256(content).digest()[: limits.ID_BYTES]


@dataclass(frozen=True, slots=True)
class TagSet:
    """`kinds`: a byte a tag; `parts`: the part of each tag, empty where all are of part 0."""

    id: bytes
    kinds: bytes
    parts: tuple[int, ...]

    @property
    def held_bytes(self) -> int:
        return 100 + len(self.kinds) + 8 * len(self.parts)


class Group(NamedTuple):
    id: int
    device: str
    driver: str
    period_ns: int
    tag_set: bytes


@dataclass(frozen=True, slots=True)
class Catalog:
    """One content: what its revision adds to the epoch."""

    id: bytes
    site: str
    time_zone: str
    groups: tuple[Group, ...]
    ended: tuple[tuple[int, int], ...]

    @property
    def held_bytes(self) -> int:
        return 200 + 250 * len(self.groups) + 80 * len(self.ended)


class CheckedGroup(NamedTuple):
    """A group as blocks are checked with it. After `last_tick` none is due; None: it goes on."""

    period_ns: int
    tags: TagSet
    last_tick: int | None


@dataclass(frozen=True, slots=True)
class Layout:
    """What a block of this revision may hold: `groups` by id."""

    revision: int
    groups: Mapping[int, CheckedGroup] = field(default_factory=dict)


def check_needs(where: str, needs: Iterable[int], known: Collection[int]) -> None:
    """Raises RefusedError (UNSUPPORTED) when a reader must know what this receiver does not."""
    lacking = sorted(set(needs) - set(known))
    unsupported(bool(lacking), f"{where} needs features {lacking[:8]}, which this receiver lacks")


def compile_tag_set(content: bytes, known: Collection[int]) -> Iterator[int | TagSet]:
    """Yields costs, at last the TagSet. Raises RefusedError when no block can be read with it."""
    too_large("bytes of a tag set", len(content), limits.TAG_SET_BYTES_MAX)
    kinds = bytearray()
    parts: list[int] = []
    names: set[str] = set()
    needs: list[int] = []
    try:
        for one in fields(content):
            if one.number == pb.TagSetContent.TAGS_FIELD_NUMBER and one.wire_type == BYTES:
                too_large("number of tags", len(kinds) + 1, limits.TAGS_MAX)
                tag = pb.Tag.FromString(content[one.start : one.end])
                kinds.append(_check_tag(len(kinds), tag, names))
                parts.append(tag.part)
                if len(kinds) % _TAGS_A_STEP == 0:
                    yield 20 * _TAGS_A_STEP
            elif one.number == pb.TagSetContent.NEEDS_FIELD_NUMBER:
                needs += _numbers(content, one.start, one.end, one.wire_type)
    except (FieldsError, DecodeError) as error:
        raise RefusedError(
            pb.REJECT_REASON_MALFORMED, f"a tag set is no TagSetContent: {error}"
        ) from error
    check_needs("a tag set", needs, known)
    yield TagSet(content_id(content), bytes(kinds), tuple(parts) if any(parts) else ())


def _numbers(data: bytes, start: int, end: int, wire_type: int) -> list[int]:
    """A repeated number, packed or not."""
    numbers: list[int] = []
    while start < end and wire_type in (BYTES, VARINT):
        number, start = varint(data, start)
        numbers.append(number)
        too_large("features needed", len(numbers), limits.NEEDS_MAX)
    return numbers


def _check_tag(index: int, tag: pb.Tag, names: set[str]) -> int:
    """The tag's kind."""
    where = f"tag {index} {quoted(tag.name)}"
    _check_name(f"tag {index}", tag.name)
    malformed(tag.name in names, f"{where} stands twice in its tag set")
    names.add(tag.name)
    kind = _KINDS.get(tag.type)
    malformed(tag.type == 0, f"{where} has no type")
    unsupported(kind is None, f"{where}: type {tag.type} is unknown")
    malformed(
        tag.type in (pb.VALUE_TYPE_INT, pb.VALUE_TYPE_UINT) and tag.bits not in (0, 8, 16, 32, 64),
        f"{where}: {tag.bits} bits are not 8, 16, 32 or 64",
    )
    for what, text in (("scale", tag.scale), ("offset", tag.offset)):
        malformed(not is_decimal(text), f"{where}: {what} {quoted(text)} is no decimal number")
    malformed(
        tag.text_encoding not in ("", "ascii", "utf-8", "gb18030"),
        f"{where}: text_encoding {quoted(tag.text_encoding)} is not ascii, utf-8 or gb18030",
    )
    too_large(f"{where}: part", tag.part, limits.TAGS_MAX)
    too_large(f"{where}: labels", len(tag.labels), limits.LABELS_MAX)
    for what, text in (
        ("unit", tag.unit), ("address", tag.address), ("description", tag.description),
    ):  # fmt: skip
        too_large(f"{where}: bytes of {what}", len(text.encode()), limits.TEXT_BYTES_MAX)
    assert kind is not None
    return kind


def _check_name(where: str, name: str) -> None:
    malformed(not name, f"{where} has no name")
    too_large(f"{where}: bytes of the name", len(name.encode()), limits.NAME_BYTES_MAX)
    malformed(not name.isprintable(), f"{where}: name {quoted(name)} has control characters")


def compile_catalog(content: bytes, known: Collection[int]) -> Iterator[int | Catalog]:
    """Yields costs, at last the Catalog. Raises RefusedError."""
    too_large("bytes of a catalog", len(content), limits.TAG_SET_BYTES_MAX)
    groups: dict[int, Group] = {}
    ended: dict[int, int] = {}
    rest: list[bytes] = []
    try:
        for one in fields(content):
            data = content[one.start : one.end] if one.wire_type == BYTES else b""
            if one.number == pb.CatalogContent.GROUPS_FIELD_NUMBER and one.wire_type == BYTES:
                too_large("number of groups", len(groups) + 1, limits.GROUPS_MAX)
                group = _group(pb.Group.FromString(data))
                malformed(group.id in groups, f"group {group.id} stands twice in the catalog")
                groups[group.id] = group
                if len(groups) % _TAGS_A_STEP == 0:
                    yield 10 * _TAGS_A_STEP
            elif one.number == pb.CatalogContent.ENDED_FIELD_NUMBER and one.wire_type == BYTES:
                too_large("number of ended groups", len(ended) + 1, limits.GROUPS_MAX)
                end = pb.GroupEnd.FromString(data)
                malformed(end.id in ended, f"group {end.id} ends twice in the catalog")
                malformed(end.id in groups, f"group {end.id} ends in the revision that adds it")
                malformed(end.last_tick >= limits.INT64_END, f"group {end.id}: last_tick")
                ended[end.id] = end.last_tick
            elif one.wire_type in (BYTES, VARINT):
                rest.append(_raw(one.number, one.wire_type, content[one.start : one.end]))
                too_large("bytes of site", sum(map(len, rest)), 4 * limits.TEXT_BYTES_MAX)
        head = pb.CatalogContent.FromString(b"".join(rest))
    except (FieldsError, DecodeError) as error:
        raise RefusedError(
            pb.REJECT_REASON_MALFORMED, f"a catalog is no CatalogContent: {error}"
        ) from error
    check_needs("a catalog", head.needs, known)
    too_large("bytes of site", len(head.site.encode()), limits.TEXT_BYTES_MAX)
    zone = head.time_zone if head.time_zone in _time_zones() else ""
    name = content_id(content)
    yield Catalog(name, head.site, zone, tuple(groups.values()), tuple(ended.items()))


def _raw(number: int, wire_type: int, data: bytes) -> bytes:
    """A field as it stood."""
    head = bytes([number << 3 | wire_type]) if number < 16 else b""
    if not head:
        return b""  # of a newer box
    return head + (_length(len(data)) if wire_type == BYTES else b"") + data


def _length(size: int) -> bytes:
    body = bytearray()
    while size > 0x7F:
        body.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*body, size])


def _group(group: pb.Group) -> Group:
    where = f"group {group.id}"
    _check_name(f"{where}: device", group.device)
    too_large(f"{where}: bytes of the driver", len(group.driver.encode()), limits.NAME_BYTES_MAX)
    malformed(group.period_ns > limits.SPAN_NS_MAX, f"{where}: period_ns {group.period_ns}")
    malformed(len(group.tag_set) != limits.ID_BYTES, f"{where}: tag_set is no name of a tag set")
    return Group(group.id, group.device, group.driver, group.period_ns, group.tag_set)


def add_revision(before: Layout, catalog: Catalog, tag_sets: Mapping[bytes, TagSet]) -> Layout:
    """The layout of the next revision. Raises RefusedError where it changes what is fixed."""
    groups = dict(before.groups)
    for group in catalog.groups:
        malformed(
            group.id in groups,
            f"group {group.id} stands in an earlier revision; any change is a new id",
        )
        groups[group.id] = CheckedGroup(group.period_ns, tag_sets[group.tag_set], None)
    for number, last_tick in catalog.ended:
        plan = groups.get(number)
        malformed(plan is None, f"group {number} ends but was never there")
        assert plan is not None
        malformed(plan.last_tick is not None, f"group {number} ends twice")
        groups[number] = plan._replace(last_tick=last_tick)
    live = sum(plan.last_tick is None for plan in groups.values())
    too_large("number of groups at once", live, limits.GROUPS_MAX)
    too_large("number of groups of the epoch", len(groups), limits.EPOCH_GROUPS_MAX)
    return Layout(before.revision + 1, groups)
