"""What a simulated CPU gives a plan, scan after scan, without a wire: for the forecast of bytes."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from drivers.api import GroupPlan
from drivers.s7.address import AREAS, parse
from drivers.s7.simulator.plc import Plc
from drivers.s7.simulator.values import SimTag
from drivers.s7.types import FIXES, wire_bytes
from native.s7.shape import reshaped

_NAMES = {code: area for area, code in AREAS.items()}
_KINDS = {fix.code: (name, fix) for name, fix in FIXES.items()}


def scans(group: GroupPlan, count: int) -> list[bytes]:
    """The data of `count` successive rows."""
    tags = [SimTag(t.name, parse(t.address), t.type, t.length, t.signed) for t in group.tags]
    plc = Plc([tag for tag in tags if tag.address.area != "SZL"])
    rows = []
    for _ in range(count):
        plc.step()
        rows.append(b"".join(part for r in group.requests for part in _parts(r.spec, plc)))
    return rows


def _parts(spec: bytes, plc: Plc) -> Iterator[bytes]:
    items = []
    for at in range(1, 1 + 12 * spec[0], 12):
        count, db, code = struct.unpack(">4xHHB3x", spec[at : at + 12])
        unit = 2 if _NAMES[code] in ("T", "C") else 1
        number = int.from_bytes(spec[at + 9 : at + 12], "big")
        first = number * unit if unit == 2 else number // 8
        held = plc.grow(_NAMES[code], db, first + unit * count)
        items.append(bytes(held[first : first + unit * count]))
    if not items:
        yield bytes([plc.faults.state])
    yield from items
    for kind, item, offset, text in struct.iter_unpack(">BBHH", spec[1 + 12 * spec[0] :]):
        name, fix = _KINDS[kind]
        data = items[item][offset : offset + wire_bytes(name, text)]
        yield reshaped(kind, data, text) or bytes(fix.row_bytes * (text or 1))
