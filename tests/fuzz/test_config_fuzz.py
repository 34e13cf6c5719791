"""Damaged configuration files: refused in words, never a crash, never accepted by mending."""

from __future__ import annotations

import random
import tomllib
from pathlib import Path

import pytest

from gateway.config import load, render
from gateway.config.points import PointTable
from gateway.messages import MESSAGES

ROOT = Path(__file__).parents[2]
CASES = 250
BITS = [
    b"[", b"]", b"{", b"}", b'"', b"'", b'"""', b"'''", b"=", b".", b",", b"#", b"\n", b"\r", b"\0",
    b"\\", b"[[", b"1e9", b"inf", b"-", b"\xff", b"\xb2\xa8", "“".encode(), "＝".encode(),
    "电表".encode(), "\u200b".encode(), b"\xef\xbb\xbf", b"every", b"unit = ", b"999999999999",
]  # fmt: skip


def damage(raw: bytes, rng: random.Random) -> bytes:
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(raw) + 1)
        until = min(len(raw), at + rng.choice([0, 0, 1, 2, 5, 40]))
        raw = raw[:at] + rng.choice([*BITS, b""]) + raw[until:]
    return raw


def is_toml(raw: bytes) -> bool:
    try:
        tomllib.loads(raw.removeprefix(b"\xef\xbb\xbf").decode("utf-8"))
    except ValueError:
        return False
    return True


@pytest.mark.slow
def test_file_when_damaged_then_accepted_only_if_it_is_toml(
    tmp_path: Path, rng: random.Random
) -> None:
    good = (ROOT / "systemd" / "gateway.example.toml").read_bytes()
    bad = (ROOT / "tests" / "unit" / "config_fixtures" / "mistakes.toml").read_bytes()
    path = tmp_path / "gateway.toml"
    for case in range(CASES):
        raw = damage(rng.choice([good, bad]), rng)
        path.write_bytes(raw)
        loaded = load(path)
        errors = [problem for problem in loaded.problems if problem.severity == "error"]
        assert (loaded.config is None) == bool(errors), (case, raw)
        assert is_toml(raw) or errors, (case, raw)
        for problem in loaded.problems:
            assert problem.id in MESSAGES and problem.line > 0, (case, problem)
            assert problem.column <= len(problem.source) + 1, (case, problem)
            assert len(render(problem, rng.choice(["zh", "en"])).split("\n")) >= 3


def test_table_when_damaged_then_read_or_said(rng: random.Random) -> None:
    good = "点位,功能区,地址,类型,倍率,周期\n压力,holding,16,uint16,0.1,500 ms\n" * 3
    for _ in range(CASES):
        raw = damage(good.encode(rng.choice(["utf-8", "gb18030"])), rng)
        table = PointTable("points.csv", raw)
        assert table.data or table.problems or b"holding" not in raw
        for problem in table.problems:
            assert problem.id in MESSAGES and problem.line > 0
