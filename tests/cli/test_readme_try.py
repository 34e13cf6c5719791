"""The README's trial without root and without a machine runs as it is written there."""

from __future__ import annotations

import contextlib
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.daemon import ROOT, surroundings


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
def test_trial_when_typed_as_it_stands_then_values_are_read_and_stored(
    tmp_path: Path, readme: str
) -> None:
    section = (ROOT / readme).read_text("utf-8").partition("/tmp/com1")[0].rpartition("\n### ")[2]
    rest = (ROOT / readme).read_text("utf-8").partition(section)[2]
    file, terminals, looks = re.findall(r"```\w+\n(.*?)```", section + rest, re.DOTALL)[:3]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])

    def here(words: str) -> str:
        return words.replace("8443", port).replace("/tmp/com1", f"{tmp_path}/com1")

    (tmp_path / "gateway.toml").write_text(here(file), "utf-8")
    with contextlib.ExitStack() as running:
        for line in here(terminals).splitlines():
            running.enter_context(_terminal(line, tmp_path))
        for line in looks.splitlines():
            command, _, arguments = line.partition(" ")
            if "watch" in line:
                assert _first_value(tmp_path) == "good"
            elif command.startswith("jiahe"):
                done = _run(f"{command} {arguments}", tmp_path)
                assert done.returncode == 0, (line, done.stderr)
    done = _run("jiahe-ingest audit --store sqlite:store.db", tmp_path)
    assert done.returncode == 0 and "try" in done.stdout


def _command(line: str) -> list[str]:
    program, *arguments = shlex.split(line)
    return [str(Path(sys.executable).with_name(program)), *arguments]


def _environment(folder: Path) -> dict[str, str]:
    return surroundings({"JIAHE_LANG": "en", "JIAHE_CONFIG": str(folder / "gateway.toml")})


def _run(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _command(line), cwd=folder, env=_environment(folder), capture_output=True, encoding="utf-8",
        timeout=60, check=False,
    )  # fmt: skip


@contextlib.contextmanager
def _terminal(line: str, folder: Path) -> Iterator[None]:
    """The command, once it said its first line, until it is told to end."""
    with subprocess.Popen(
        _command(line), cwd=folder, env=_environment(folder), stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None and process.stdout.readline(), line
            yield
        finally:
            process.terminate()
            process.communicate(timeout=30)


def _first_value(folder: Path) -> str:
    """The quality of the first value that `jiahe watch` calls good."""
    with subprocess.Popen(
        _command("jiahe watch"), cwd=folder, env=_environment(folder), stdout=subprocess.PIPE,
        encoding="utf-8",
    ) as process:  # fmt: skip
        assert process.stdout is not None
        try:
            return next(line.split("\t")[2].strip() for line in process.stdout if "good" in line)
        finally:
            process.terminate()
