"""What a simulated meter would answer to the requests of a plan, without a wire."""

from __future__ import annotations

from drivers.api import GroupPlan
from drivers.dlt645.identifiers import parse
from drivers.dlt645.planner import known
from drivers.dlt645.simulator.values import DEMAND_TIME, PHASES, raw_value


def scans(group: GroupPlan, seed: str, count: int) -> list[bytes]:
    """The answers' data of `count` successive scans, as they lie in a row; each is one step of the
    values.
    """
    parts = [size for request in group.requests for size in request.parts]
    rows = []
    for step in range(min(count, PHASES)):
        data = [bytes(size) for size in parts]
        for tag, field in zip(group.tags, group.fields, strict=True):
            data[field.part] = _shown(tag.address, step, seed).rjust(field.length, b"\0")
        rows.append(b"".join(data))
    return [rows[step % PHASES] for step in range(count)]


def _shown(text: str, step: int, seed: str) -> bytes:
    at, value = parse(text), known(text)
    if value.type == "string":
        return f"{at.single}-{seed}".encode()[: value.length].ljust(value.length)
    if at.time:
        return int(DEMAND_TIME).to_bytes(8, "big")
    size = value.length if value.type == "uint16" else 4 if value.length <= 4 else 8
    return raw_value(at.single, step, seed).to_bytes(size, "big", signed=value.type != "uint16")
