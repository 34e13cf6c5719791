"""What `make` and the demonstration say, in both languages."""

from __future__ import annotations

import ast
import os
import re
import string
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo import words as demo_words
from gateway.plain import width

ROOT = Path(__file__).parents[2]


def _spoken() -> Iterator[str]:
    """Every English sentence that the demonstration hands to `words` or `say`."""
    for file in (ROOT / "demo").glob("*.py"):
        tree = ast.parse(file.read_text("utf-8"))
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            first = node.args[0]
            if name in ("words", "say") and isinstance(first, ast.Constant):
                yield str(first.value)


def _fields(template: str) -> set[str | None]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def test_sentence_when_the_demonstration_says_it_then_it_has_its_chinese(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("JIAHE_LANG", "zh")
    spoken = list(_spoken())
    assert len(spoken) > 20
    for english in spoken:
        values = dict.fromkeys(_fields(english), 7)
        chinese = demo_words.words(english, **values)  # type: ignore[arg-type]
        assert english == "CPU" or re.search(r"[\u4e00-\u9fff]{2}", chinese), english
        assert width(chinese) <= 80 - len(" 99.9 s  "), chinese


@pytest.mark.parametrize(
    ("environment", "chinese"),
    [
        ({"LANG": "zh_CN.UTF-8"}, True),
        ({"LANG": "C.UTF-8"}, False),
        ({"LANG": "zh_CN.UTF-8", "JIAHE_LANG": "en"}, False),
        ({"LANG": "en_US.UTF-8", "JIAHE_LANG": "zh"}, True),
        ({}, False),
    ],
)
def test_help_when_the_locale_is_chinese_then_so_is_every_line(
    environment: dict[str, str], chinese: bool
) -> None:
    done = subprocess.run(
        ["make", "--no-print-directory", "help"],
        cwd=ROOT, env={"PATH": os.environ["PATH"], **environment},
        capture_output=True, encoding="utf-8", check=True, timeout=60,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert len(lines) >= 10
    for line in lines:
        assert width(line) <= 80
        assert bool(re.search(r"[\u4e00-\u9fff]{2}", line)) == (chinese and "ruff" not in line)
