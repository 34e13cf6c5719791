"""Engine, wire, rows and block know no protocol: they build, link and run with none but a toy."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.contract.test_adding import installed
from tests.test_floors import ROOMS

__all__ = ["installed"]  # the fixture

#: Rooms that stand without any protocol.
ALONE = {"wire", "rows", "engine", "block"}
#: Tests of those rooms that speak of no protocol.
THEIRS = (
    "test_native_bundle.py", "test_native_filter.py", "test_native_port.py",
    "test_native_reasons.py", "test_native_block.py", "test_native_group.py",
    "test_native_layouts.py",
)  # fmt: skip


def copy_rooms(project: Path, to: Path, but: str) -> None:
    """native/ without the protocols; `but`: what else is left behind."""
    shutil.copytree(
        project / "native", to / "native",
        ignore=lambda folder, names: {
            name
            for name in names
            if name in ROOMS.keys() - ALONE or name == "__pycache__" or Path(name).match(but)
        },
    )  # fmt: skip


def run(project: Path, rooms: Path, site: Path, *arguments: str | Path) -> None:
    """Python in `rooms`, where `native` is the copy: what an editable install adds is left out."""
    libraries = sysconfig.get_paths()["purelib"]
    path = os.pathsep.join(map(str, (rooms, site, project, project / "proto" / "gen", libraries)))
    done = subprocess.run(
        [sys.executable, "-S", "-P", *arguments], cwd=rooms, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_rooms_when_no_protocol_of_ours_is_there_then_a_toy_is_read_with_them(
    project: Path, installed: Path, tmp_path: Path
) -> None:
    """As they are built already; in CI and with JIAHE_LONG built by themselves, and held to their
    tests.
    """
    whole = bool(os.environ.get("CI") or os.environ.get("JIAHE_LONG"))
    copy_rooms(project, tmp_path, "*.so" if whole else "*.c")
    if whole:
        shutil.copy(project / "setup.py", tmp_path)
        run(project, tmp_path, installed, "setup.py", "-q", "build_ext", "--inplace")
    run(project, tmp_path, installed, project / "tests" / "toy" / "alone.py", tmp_path)
    if whole:
        files = [project / "tests" / "unit" / name for name in THEIRS]
        where = ("--rootdir", project, "-c", project / "pyproject.toml", "-p", "no:cacheprovider")
        run(project, tmp_path, installed, "-m", "pytest", *where, *files)
