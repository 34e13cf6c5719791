"""`proto/reader.py` as a command, as its page shows it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def _command() -> list[str]:
    page = (ROOT / "proto" / "README.md").read_text("utf-8")
    (line,) = re.findall(r"^    (\.venv/bin/python proto/reader\.py .*)$", page, re.MULTILINE)
    return [sys.executable, *str(line).split()[1:]]


def test_reader_when_started_as_the_page_says_then_it_prints_rows() -> None:
    done = subprocess.run(
        _command(), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "(1, 'press', 'milli', 86400000000000, 0, '1.234', 1)" in done.stdout.splitlines()


def test_reader_when_nobody_reads_its_output_then_quiet() -> None:
    process = subprocess.Popen(
        _command(), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == ""
    process.wait()
