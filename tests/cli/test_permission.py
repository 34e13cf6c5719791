"""What a user is told who may not read the configuration, or speak to the daemon."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.cli.context import Context, language_of
from gateway.cli.table import Paint
from gateway.control.client import ControlClient, ControlError
from gateway.messages import remedy

NOBODY = 65534


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may look into; pytest's own are for one."""
    folder = Path(tempfile.mkdtemp(prefix="jiahe-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def as_nobody() -> Iterator[None]:
    """The rest of the test without root's rights; whoever has none keeps his own."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    yield
    os.seteuid(before)


def _group(file: Path) -> str:
    return grp.getgrgid(file.stat().st_gid).gr_name


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_configuration_when_it_may_not_be_read_then_that_is_said(
    open_folder: Path, as_nobody: None, lang: str
) -> None:
    folder = open_folder
    file = folder / "gateway.toml"
    owner = os.geteuid()
    _make(file)
    with pytest.raises(ControlError) as caught:
        Context(lang, file, False, Paint()).connect()
    mend = remedy(caught.value.message, lang, **caught.value.arguments)
    assert caught.value.message.startswith("config.not_allowed")
    assert caught.value.arguments["path"] == str(file)
    if _group(file) == "root":
        assert "sudo" in mend
    else:
        assert f"usermod -aG {_group(file)} {pwd.getpwuid(owner).pw_name}" in mend


def test_folder_when_it_may_not_be_looked_into_then_that_is_said(
    open_folder: Path, as_nobody: None
) -> None:
    closed = open_folder / "closed"
    if os.getuid() == 0:
        os.seteuid(0)
    closed.mkdir(mode=0o700)
    if os.getuid() == 0:
        os.seteuid(NOBODY)
    else:
        closed.chmod(0)
    file = closed / "gateway.toml"
    assert language_of(file) in ("zh", "en")
    with pytest.raises(ControlError) as caught:
        Context("en", file, False, Paint()).connect()
    assert caught.value.message.startswith("config.not_allowed")


def _make(file: Path) -> None:
    """A file that only its owner may read, who is not the present user; root makes it."""
    present = os.geteuid()
    if os.getuid() == 0:
        os.seteuid(0)
    file.write_text("version = 1\n", "utf-8")
    file.chmod(0o600 if os.getuid() == 0 else 0)
    os.seteuid(present)


@pytest.mark.parametrize("group", [0, 4])
def test_socket_when_it_may_not_be_used_then_its_own_group_is_named(
    open_folder: Path, as_nobody: None, group: int
) -> None:
    path = open_folder / "control.sock"
    _make(path)
    if os.getuid() == 0:
        os.seteuid(0)
        os.chown(path, 0, group)
        os.seteuid(NOBODY)
    with pytest.raises(ControlError) as caught:
        ControlClient(path)
    told = remedy(caught.value.message, "en", **caught.value.arguments)
    named = _group(path)
    assert ("sudo" in told) if named == "root" else (f"-aG {named} " in told)
