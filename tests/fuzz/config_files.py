"""Damaged configurations: refused in words, never a crash, never accepted by mending."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.cli.forecast import forecast
from gateway.config import load, render
from gateway.messages import find
from tests.fuzz.damage import damage

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "tests" / "unit" / "config_fixtures"
GOOD = ROOT / "systemd" / "gateway.example.toml"
#: Longest words about one file: some two hundred problems of five lines.
WORDS_MAX = 500_000

_TABLE = "点位,功能区,地址,类型,倍率,周期,labels\n压力,holding,16,uint16,0.1,500 ms,0=停;1=开\n"
_PROFILE = """[profile]
title = "x"
driver = "modbus"
every = "1 s"
holes = ["holding:7-9"]
[tags]
t = { address = "40001", type = "float32", min = 0, deadband = "1 %" }
s = { address = "input:4", type = "string", length = 8, description = "串" }
"""
_DEVICES = """[links.more]
type = "tcp"
address = "10.0.0.9:502"
[devices."more-{unit}"]
link = "more"
driver = "modbus"
unit = "1-3"
profile = "p.toml"
tags_file = "t.csv"
[devices."more-{unit}".tags]
t = { every = "2 s" }
"""


@contextmanager
def cases(folder: Path) -> Iterator[Callable[[random.Random], None]]:
    fixtures = [file.read_bytes() for file in sorted(FIXTURES.glob("*.toml"))]
    originals = [GOOD.read_bytes(), GOOD.read_bytes(), *fixtures]
    path = folder / "gateway.toml"
    beside = {
        folder / "conf.d" / "10-more.toml": _DEVICES.replace('"p.', '"../p.').replace(
            '"t.', '"../t.'
        ),
        folder / "p.toml": _PROFILE,
        folder / "t.csv": _TABLE,
    }
    (folder / "conf.d").mkdir()

    def case(rng: random.Random) -> None:
        whole = rng.random() < 0.5
        raw = originals[0] if whole else damage(rng.choice(originals), rng)
        path.write_bytes(raw)
        for file, text in beside.items():
            coding = rng.choice(["utf-8", "gb18030"]) if file.suffix == ".csv" else "utf-8"
            part = text.encode(coding)
            file.write_bytes(damage(part, rng) if whole and rng.random() < 0.5 else part)
        judge(path, raw, rng.choice(["zh", "en"]))

    yield case


def judge(path: Path, raw: bytes, lang: str) -> None:
    loaded = load(path)
    errors = [problem for problem in loaded.problems if problem.severity == "error"]
    assert (loaded.config is None) == bool(errors), raw
    assert _is_toml(raw) or errors, raw
    words = 0
    for problem in loaded.problems:
        assert find(problem.id), (problem, raw)
        assert problem.column <= len(problem.source) + 1, (problem, raw)
        shown = render(problem, lang)
        assert shown.replace("\n", "").isprintable(), (problem, raw)
        words += len(shown)
    assert words < WORDS_MAX, raw
    if loaded.config is not None:
        forecast(loaded.config)


def _is_toml(raw: bytes) -> bool:
    try:
        tomllib.loads(raw.removeprefix(b"\xef\xbb\xbf").decode("utf-8"))
    except (ValueError, RecursionError):
        return False
    return True
