"""`jiahe-ingest --help` in both languages."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ingest.words import HELP

_CHINESE = re.compile(r"[\u4e00-\u9fff]")


@pytest.mark.parametrize(
    "command",
    [[], ["serve"], ["export"], ["audit"], ["gateways"], ["latest"], ["import"], ["backup"]],
)
@pytest.mark.parametrize(
    ("environment", "usage"),
    [
        ({"LANG": "zh_CN.UTF-8"}, "用法：jiahe-ingest"),
        ({"LANG": "en_US.UTF-8", "JIAHE_LANG": "zh"}, "用法：jiahe-ingest"),
        ({"LC_ALL": "C.UTF-8", "LANG": "zh_CN.UTF-8"}, "usage: jiahe-ingest"),
        ({}, "usage: jiahe-ingest"),
    ],
)
def test_help_when_the_environment_says_a_language_then_in_it(
    project: Path, command: list[str], environment: dict[str, str], usage: str
) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "ingest.main", *command, "--help"], cwd=project,
        env={"PYTHONUTF8": "1", **environment}, capture_output=True, encoding="utf-8", check=True,
    ).stdout  # fmt: skip
    assert shown.startswith(usage)
    for line in shown.splitlines():
        described = re.match(r" +(?:-h, )?[-\w]+(?: \S+)?  +(\S.*)", line)
        if described:
            assert bool(_CHINESE.search(described[1])) == usage.startswith("用法"), line
    assert bool(_CHINESE.search(shown)) == usage.startswith("用法")


def test_words_when_in_the_table_then_in_both_languages() -> None:
    for zh, en in HELP.values():
        assert _CHINESE.search(zh) and not _CHINESE.search(en)
