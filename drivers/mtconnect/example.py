"""Rows for the forecast of bytes: a machine at work, its axes moving and its counters counting."""

from __future__ import annotations

import random
from collections.abc import Iterator

from drivers.api import GroupPlan, TagSpec
from drivers.host.values import encode


def rows(group: GroupPlan, seed: str, count: int) -> list[bytes]:
    """The data of `count` successive scans."""
    columns = [list(_column(tag, f"{seed} {tag.name}", count)) for tag in group.tags]
    return [b"".join(each) for each in zip(*columns, strict=True)]


def _column(tag: TagSpec, seed: str, count: int) -> Iterator[bytes]:
    chance = random.Random(seed)  # noqa: S311 - a simulation
    value = chance.uniform(0, 100)
    state = 0
    for _ in range(count):
        value += chance.gauss(0, 0.5)
        state += chance.random() < 0.002
        if tag.type in ("float32", "float64"):
            yield encode(tag, round(value, 4))[1]
        elif tag.type == "string":
            yield encode(tag, ("ACTIVE", "READY", "O1234")[state % 3])[1]
        elif tag.type == "bool":
            yield encode(tag, bool(state % 2))[1]
        else:
            yield encode(tag, state)[1]
