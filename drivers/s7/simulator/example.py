"""What a simulated CPU gives a plan, scan after scan, without a wire: for the forecast of bytes."""

from __future__ import annotations

from collections.abc import Iterator

from drivers.api import GroupPlan
from drivers.s7.address import parse
from drivers.s7.request import parts_of, stretch_of
from drivers.s7.simulator.plc import Plc
from drivers.s7.simulator.values import SimTag
from drivers.s7.types import FIXES
from native.s7.shape import reshaped


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
    if not spec[0]:
        yield bytes([plc.faults.state])
        return
    for part in parts_of(spec):
        where = stretch_of(spec, part)
        unit = where.size // (where.end - where.first)
        data = bytes(plc.grow(where.area, where.db, unit * where.end))
        data = data[unit * where.first : unit * where.end]
        if not part.type:
            yield data
        else:
            shaped = reshaped(FIXES[part.type].code, data, part.room)
            yield shaped or bytes(part.row_bytes)
