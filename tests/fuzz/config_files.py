"""Damaged configuration files: refused in words, never a crash, never accepted by mending."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.config import load, render
from gateway.messages import MESSAGES
from tests.fuzz.damage import damage

ROOT = Path(__file__).parents[2]
GOOD = ROOT / "systemd" / "gateway.example.toml"
BAD = ROOT / "tests" / "unit" / "config_fixtures" / "mistakes.toml"


@contextmanager
def cases(folder: Path) -> Iterator[Callable[[random.Random], None]]:
    originals = [file.read_bytes() for file in (GOOD, BAD)]
    path = folder / "gateway.toml"

    def case(rng: random.Random) -> None:
        raw = damage(rng.choice(originals), rng)
        path.write_bytes(raw)
        judge(path, raw, rng.choice(["zh", "en"]))

    yield case


def judge(path: Path, raw: bytes, lang: str) -> None:
    loaded = load(path)
    errors = [problem for problem in loaded.problems if problem.severity == "error"]
    assert (loaded.config is None) == bool(errors), raw
    assert _is_toml(raw) or errors, raw
    for problem in loaded.problems:
        assert problem.id in MESSAGES and problem.line > 0, (problem, raw)
        assert problem.column <= len(problem.source) + 1, (problem, raw)
        assert len(render(problem, lang).split("\n")) >= 3, (problem, raw)


def _is_toml(raw: bytes) -> bool:
    try:
        tomllib.loads(raw.removeprefix(b"\xef\xbb\xbf").decode("utf-8"))
    except (ValueError, RecursionError):
        return False
    return True
