"""Damaged tables of tags: read, or refused in words."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.config.points import PointTable
from gateway.messages import find
from tests.fuzz.damage import damage

GOOD = "点位,功能区,地址,类型,倍率,周期\n压力,holding,16,uint16,0.1,500 ms\n" * 3


@contextmanager
def cases(folder: Path) -> Iterator[Callable[[random.Random], None]]:
    def case(rng: random.Random) -> None:
        raw = damage(GOOD.encode(rng.choice(["utf-8", "gb18030"])), rng)
        table = PointTable("points.csv", raw)
        assert table.data or table.problems or b"holding" not in raw, raw
        for problem in table.problems:
            assert find(problem.id) and problem.line > 0, (problem, raw)

    yield case
