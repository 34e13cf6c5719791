"""What the platform needs to read blocks: devices, tags, types, scales. Built once a plan.

Everything here is named by its content: groups with the same tags share a tag set, and a run with
an unchanged configuration makes the catalog of the run before again, so that nothing is sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from jiahe.ingest.v1 import ingest_pb2 as pb

from drivers.api import DeviceSpec, TagSpec
from drivers.raw import number_of

#: A content's name is this many first bytes of its SHA-256.
ID_BYTES = 16

#: What a tag's type is on the wire, with its bits; of a bcd they follow from its length.
TYPES: Mapping[str, tuple[pb.ValueType.ValueType, int]] = {
    "bool": (pb.VALUE_TYPE_BOOL, 0),
    "int8": (pb.VALUE_TYPE_INT, 8),
    "uint8": (pb.VALUE_TYPE_UINT, 8),
    "int16": (pb.VALUE_TYPE_INT, 16),
    "uint16": (pb.VALUE_TYPE_UINT, 16),
    "int32": (pb.VALUE_TYPE_INT, 32),
    "uint32": (pb.VALUE_TYPE_UINT, 32),
    "int64": (pb.VALUE_TYPE_INT, 64),
    "uint64": (pb.VALUE_TYPE_UINT, 64),
    "float32": (pb.VALUE_TYPE_FLOAT32, 0),
    "float64": (pb.VALUE_TYPE_FLOAT64, 0),
    "bcd": (pb.VALUE_TYPE_UINT, 0),
    "bcd16": (pb.VALUE_TYPE_UINT, 16),
    "bcd32": (pb.VALUE_TYPE_UINT, 32),
    "string": (pb.VALUE_TYPE_TEXT, 0),
    "wstring": (pb.VALUE_TYPE_TEXT, 0),
    "date_time": (pb.VALUE_TYPE_LOCAL_TIME, 0),
    "dtl": (pb.VALUE_TYPE_LOCAL_TIME, 0),
    "ldt": (pb.VALUE_TYPE_LOCAL_TIME, 0),
    "s5time": (pb.VALUE_TYPE_UINT, 32),
}


@dataclass(frozen=True, slots=True)
class CatalogMade:
    """A serialized CatalogContent, its name, and the serialized TagSetContents that it names."""

    content: bytes
    id: bytes
    tag_sets: Mapping[bytes, bytes]


def content_id(content: bytes) -> bytes:
    """The name of a tag set's or a catalog's content."""
    return hashlib.sha256(content).digest()[:ID_BYTES]


def build(site: str, time_zone: str, groups: Iterable[tuple[int, DeviceSpec, Any]]) -> CatalogMade:
    """`groups`: (group id, its device, its plan) in the order of their numbers. `time_zone`: of the
    site, as in the IANA database; empty where it is not known.
    """
    made = pb.CatalogContent(site=site, time_zone=time_zone)
    sets: dict[bytes, bytes] = {}
    # Like devices share one tuple of tags: worked out once. The plans keep the tuples alive.
    named: dict[int, tuple[Sequence[TagSpec], bytes]] = {}
    for number, device, plan in groups:
        known = named.get(id(plan.tags))
        if known is None:
            content = _tag_set(plan.tags).SerializeToString(deterministic=True)
            name = content_id(content)
            sets[name] = content
            known = named[id(plan.tags)] = (plan.tags, name)
        made.groups.add(
            id=number,
            device=device.name,
            driver=device.driver,
            period_ns=plan.period_ns,
            tag_set=known[1],
        )
    content = made.SerializeToString(deterministic=True)
    return CatalogMade(content, content_id(content), sets)


def _tag_set(tags: Iterable[TagSpec]) -> pb.TagSetContent:
    return pb.TagSetContent(tags=[_tag(tag) for tag in tags])


def _number(value: Decimal, default: int) -> str:
    """Plain decimal text, never 1E+2; empty when it is what empty means."""
    return "" if value == default else format(value, "f")


def _tag(tag: TagSpec) -> pb.Tag:
    deadband = ""
    if tag.deadband is not None:
        deadband = format(tag.deadband, "f") + (" %" if tag.deadband_percent else "")
    kind, bits = TYPES[tag.type]
    if tag.type == "bcd":
        bits = next(each for each in (8, 16, 32, 64) if 8 * tag.length <= each)
        kind = pb.VALUE_TYPE_INT if tag.signed else kind
    return pb.Tag(
        name=tag.name,
        type=kind,
        bits=bits,
        driver_type=tag.type,
        scale=_number(tag.scale, 1),
        offset=_number(tag.offset, 0),
        unit=tag.unit,
        labels=dict(tag.labels),
        address=tag.address,
        report=pb.REPORT_MODE_CHANGE if tag.report == "change" else pb.REPORT_MODE_ALL,
        resolution="" if tag.resolution is None else format(tag.resolution, "f"),
        deadband=deadband,
        at_least_ns=tag.at_least_ns,
        text_encoding=tag.encoding if tag.row_type == "string" else "",
        no_value=[text for bits in tag.no_value if (text := number_of(bits, tag.type))],
        min="" if tag.min is None else format(tag.min, "f"),
        max="" if tag.max is None else format(tag.max, "f"),
        description=tag.description,
    )
