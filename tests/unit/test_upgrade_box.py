"""What an upgrade keeps on the disk, and the copy of the program that its unit runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.upgrade.box import LAST, STATE, Box, health_in
from gateway.upgrade.steps import Before, Health, Upgrade

UPGRADE = Upgrade("watching", "1.0", "1.1", Before(True, True, False, True), watches=2, why="x")


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path / "no.sock", tmp_path)


def test_upgrade_when_saved_then_loaded_as_it_was(box: Box) -> None:
    box.save(UPGRADE)
    assert box.load() == UPGRADE
    assert box.last() == UPGRADE


def test_last_when_another_is_under_way_then_that_one_is_told(box: Box) -> None:
    assert box.last() is None
    box.save(UPGRADE)
    (box.folder / STATE).rename(box.folder / LAST)
    assert box.last() == UPGRADE
    box.save(Upgrade("install", "1.1", "1.2", UPGRADE.before))
    assert (box.last() or UPGRADE).new == "1.2"


def test_daemon_when_none_answers_then_no_health(box: Box) -> None:
    assert box.probe() is None


@pytest.mark.parametrize("said", [None, [], {}, {"pid": 1}, {"pid": "x", "counters": []}])
def test_health_when_a_daemon_says_something_else_then_none(said: object) -> None:
    assert health_in(said) is None


def test_health_when_a_daemon_of_today_is_asked_then_read() -> None:
    said = {"pid": 7, "counters": {"scans": 5, "acked_scans": 4}, "buffer": {"state": "no_space"}}
    assert health_in(said) == Health(7, 5, 4, buffer_ok=False)


def test_program_when_copied_then_it_runs_without_anything_of_the_package(box: Box) -> None:
    """Isolated: neither this tree nor what is installed here is on its path."""
    box.copy_program("en")
    started = (box.folder / "program/__main__.py").read_text(encoding="utf-8")
    assert "sys.exit(main(" in started
    only_imported = started.partition("sys.exit")[0]
    command = [sys.executable, "-I", "-S", "-c", only_imported]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/")
    assert (done.returncode, done.stderr) == (0, "")
