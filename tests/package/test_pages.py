"""Manual and completion say what the programs take."""

from __future__ import annotations

import subprocess

import pytest

from gateway.cli.main import COMMANDS
from package.__main__ import PARSERS
from package.pages import completion, manual

DATE = "2026-01-01"


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("program", PARSERS)
def test_manual_when_formatted_then_nothing_to_complain(program: str, lang: str) -> None:
    page = manual(PARSERS[program](lang), lang, "1.0", DATE)
    done = subprocess.run(
        ["man", "--warnings", "--local-file", "-"],
        input=page,
        capture_output=True,
        text=True,
        env={
            "PATH": "/usr/bin:/bin",
            "MANWIDTH": "80",
            "LC_ALL": "C.UTF-8",
            "MAN_KEEP_STDERR": "1",
        },
    )
    assert done.returncode == 0
    assert done.stderr == ""
    assert program in done.stdout


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_manual_when_read_then_every_command_is_in_it(lang: str) -> None:
    page = manual(PARSERS["jiahe"](lang), lang, "1.0", DATE)
    for command in COMMANDS:
        assert f'\n.SS "{command}"\n' in page


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("jiahe st", {"status"}),
        ("jiahe links --ver", {"--verbose"}),
        ("jiahe --config x buffer e", {"export"}),
        ("jiahe-sim universal-robots --framing s", {"shdr"}),
        ("jiahe-ingest ser", {"serve"}),
        ("jiahe-ingest export --format c", {"csv"}),
    ],
)
def test_completion_when_tab_is_pressed_then_what_the_program_takes(
    typed: str, offered: set[str]
) -> None:
    words = typed.split()
    program = words[0]
    script = completion(PARSERS[program]("en")) + (
        f"compopt() {{ :; }}; COMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}\n"
        f"_{program.replace('-', '_')}; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    done = subprocess.run(["bash", "-eu", "-c", script], capture_output=True, text=True)
    assert done.stderr == ""
    assert set(done.stdout.split()) == offered
