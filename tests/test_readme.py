"""What the README shows must be true: its configuration is accepted, its commands are there."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

READMES = ["README.md", "README.zh-CN.md"]
BIN = Path(sys.executable).parent


@pytest.mark.parametrize("readme", READMES)
def test_configuration_when_checked_then_accepted(
    readme: str, project: Path, tmp_path: Path
) -> None:
    found = re.findall(r"```toml\n(.*?)```", (project / readme).read_text("utf-8"), re.S)
    assert found, "the README shows a configuration"
    file = tmp_path / "gateway.toml"
    for shown in found:
        file.write_text(textwrap.dedent("   " + shown), encoding="utf-8")
        done = subprocess.run([BIN / "jiahe", "check", file], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("readme", READMES)
def test_command_when_named_then_there_is_one(readme: str, project: Path) -> None:
    text = (project / readme).read_text("utf-8")
    rows = re.findall(r"^\| `jiahe ([^|]*)\|", text, re.M)
    named = {word for row in rows for word in re.findall(r"[a-z]+", row)}
    named |= set(re.findall(r"`jiahe ([a-z]+)", text))
    shown = subprocess.run([BIN / "jiahe", "--help"], capture_output=True, text=True).stdout
    there = set(re.findall(r"^    (\w+) ", shown, re.M))
    assert named
    assert named <= there, f"no such command: {sorted(named - there)}"


@pytest.mark.parametrize("readme", READMES)
def test_make_target_when_named_then_there_is_one(readme: str, project: Path) -> None:
    named = set(re.findall(r"(?m)(?:^|`)make ([a-z]+)", (project / readme).read_text("utf-8")))
    there = set(re.findall(r"^([a-z]+):", (project / "Makefile").read_text("utf-8"), re.M))
    assert named <= there, f"no such target: {sorted(named - there)}"
