"""`sudo jiahe check`: as the service's user, and for the eyes of whoever typed it.

Needs root, as sudo does; without it only what is left of it then: everybody is who he is.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.cli import check, identity
from gateway.cli.context import Context
from gateway.cli.table import Paint
from tests.kit.authority import Authority
from tests.unit.test_config import DEVICE, HEAD, TAGS

GOOD = HEAD + '[buffer]\npath = "buffer"\nmax_size = "16 MiB"\n' + DEVICE
IS_ROOT = os.getuid() == 0
#: Plays the service's user: every computer has it, and it owns nothing.
SERVICE = pwd.getpwnam("nobody")
#: Plays the technician.
TECHNICIAN = pwd.getpwnam("daemon")


@pytest.fixture
def folder() -> Iterator[Path]:
    """Every user may look into it; pytest's own are for one."""
    made = Path(tempfile.mkdtemp(prefix="jiahe-test-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "SERVICE_USER", SERVICE.pw_name)
    monkeypatch.setenv("SUDO_UID", str(TECHNICIAN.pw_uid))


class Shell:
    """Runs the command in this process, which has root's rights where sudo would give them."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def check(self, file: Path) -> tuple[int, str]:
        context = Context("en", file, False, Paint())
        before = os.getresuid(), os.getresgid(), os.getgroups()
        code = check.main(context, Namespace())
        assert (os.getresuid(), os.getresgid(), os.getgroups()) == before
        out, err = self._capsys.readouterr()
        return code, out + err

    def ids(self, file: Path) -> list[str]:
        check.main(Context("en", file, True, Paint()), Namespace())
        return [each["id"] for each in json.loads(self._capsys.readouterr().out)["problems"]]


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], sudo: None) -> Shell:
    return Shell(capsys)


@pytest.fixture
def system(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's own configuration, good, and readable by all."""
    file = folder / "gateway.toml"
    file.write_text(GOOD + TAGS)
    monkeypatch.setattr(check, "DEFAULT_CONFIG", str(file))
    return file


def test_file_when_the_service_may_not_read_it_then_an_error_with_what_to_type(
    system: Path, shell: Shell
) -> None:
    assert shell.ids(system) == []
    system.chmod(0o600)
    if not IS_ROOT:
        return
    code, said = shell.check(system)
    assert code == 1
    assert f"the service's user nobody may not read {system}" in said
    assert f"sudo chgrp nobody {system} && sudo chmod 640 {system}" in said
    system.chmod(0o644)
    system.parent.chmod(0o700)
    code, said = shell.check(system)
    assert code == 1
    assert f"sudo chmod 750 {system.parent}" in said
    system.parent.chmod(0o755)


@pytest.mark.parametrize("what", ["conf.d/10-a.toml", "conf.d", "t.csv", "p.toml"])
def test_part_when_the_service_may_not_read_it_then_an_error(
    system: Path, shell: Shell, what: str
) -> None:
    key = {"t.csv": 'tags_file = "t.csv"\n', "p.toml": 'profile = "p.toml"\n'}.get(what, TAGS)
    system.write_text(GOOD + key)
    (system.parent / "conf.d").mkdir()
    (system.parent / "conf.d" / "10-a.toml").write_text('[gateway]\nsite = "x"\n')
    (system.parent / "t.csv").write_text("name,address,type\nt,holding:1,int16\n")
    (system.parent / "p.toml").write_text(
        '[profile]\ntitle = "x"\ndriver = "modbus"\n[tags]\n'
        't = { address = "holding:1", type = "int16" }\n'
    )
    assert shell.ids(system) == []
    (system.parent / what).chmod(0o700 if what == "conf.d" else 0o600)
    if IS_ROOT:
        assert shell.ids(system) == ["config.service_not_allowed"]


def test_key_when_the_service_may_not_read_it_then_that_is_said(system: Path, shell: Shell) -> None:
    files = Authority(system.parent, "ours").files("box")
    for each in (files.ca, files.cert, files.key):
        each.chmod(0o644)
    text = (GOOD + TAGS).replace("insecure = true", f'ca = "{files.ca}"\ncert = "{files.cert}"\n'
                                 f'key = "{files.key}"')  # fmt: skip
    system.write_text(text)
    assert shell.ids(system) == ["certificate.open_key"]
    files.key.chmod(0o640)
    assert shell.ids(system) == (["certificate.not_allowed"] if IS_ROOT else [])


def test_buffer_when_the_service_may_not_write_there_then_an_error(
    system: Path, shell: Shell
) -> None:
    (system.parent / "buffer").mkdir(mode=0o755)
    if IS_ROOT:
        code, said = shell.check(system)
        assert code == 1 and f"sudo chown nobody {system.parent / 'buffer'}" in said
        os.chown(system.parent / "buffer", SERVICE.pw_uid, SERVICE.pw_gid)
    assert shell.ids(system) == []


def test_draft_when_the_service_may_not_read_it_then_checked_for_its_owner_with_a_note(
    folder: Path, shell: Shell
) -> None:
    draft = folder / "draft.toml"
    draft.write_text((GOOD + TAGS).replace('"1 s"', '"1"'))
    draft.chmod(0o600)
    os.chown(draft, TECHNICIAN.pw_uid if IS_ROOT else -1, -1)
    found = ["config.bad_unit"]
    assert shell.ids(draft) == (["config.service_not_allowed", *found] if IS_ROOT else found)
    _, said = shell.check(draft)
    assert 'every = "1"' in said, "the technician's own lines are shown"


@pytest.mark.parametrize("how", ["file", "tags_file", "profile", "symlink"])
def test_file_when_whoever_asks_may_not_read_it_then_none_of_its_lines_is_shown(
    folder: Path, shell: Shell, how: str
) -> None:
    """The service's user may read secrets; a technician may run `sudo jiahe check` alone."""
    secret = folder / {"profile": "secret.toml", "file": "secret.toml"}.get(how, "secret.csv")
    secret.write_text("hunter2\n[swordfish]\n")
    if IS_ROOT:
        os.chown(secret, SERVICE.pw_uid, SERVICE.pw_gid)
    secret.chmod(0o600)
    mine = folder / "mine.toml"
    if how == "symlink":
        (folder / "link.csv").symlink_to(secret)
        secret = folder / "link.csv"
    key = "profile" if how == "profile" else "tags_file"
    mine.write_text(GOOD + f'{key} = "{secret}"\n')
    code, said = shell.check(secret if how == "file" else mine)
    assert code == 1
    if IS_ROOT:
        assert "hunter2" not in said and "swordfish" not in said
        assert "you may not read this file yourself" in said
        os.chown(secret, TECHNICIAN.pw_uid, -1)
        secret.chmod(0o644)
    _, said = shell.check(secret if how == "file" else mine)
    assert "hunter2" in said


def test_lines_when_the_files_are_the_systems_then_shown_to_whoever_may_check_them(
    system: Path, shell: Shell
) -> None:
    system.write_text((GOOD + TAGS).replace('"1 s"', '"1"'))
    system.chmod(0o640)
    if IS_ROOT:
        os.chown(system, 0, SERVICE.pw_gid)
    _, said = shell.check(system)
    assert 'every = "1"' in said


@pytest.mark.parametrize("name", ["/etc/passwd", "../../etc/passwd", "lathe.txt", "lathe"])
def test_table_when_its_name_does_not_end_in_csv_then_it_is_not_opened(
    folder: Path, shell: Shell, name: str
) -> None:
    file = folder / "gateway.toml"
    file.write_text(GOOD + f'tags_file = "{name}"\n')
    assert shell.ids(file) == ["config.no_table"]
    file.write_text(GOOD + 'tags_file = "lathe.XLSX"\n')
    assert shell.ids(file) == ["config.no_xlsx"]


def test_caller_when_the_variable_is_nonsense_then_nobody_asked(sudo: None) -> None:
    for said in ("", "x", "-1", "0", "4294967296", "99999999999999999999", "１"):
        assert identity.caller({"SUDO_UID": said}) is None


def test_program_when_freshly_started_then_it_has_all_it_needs_before_it_gives_up_its_rights(
    system: Path, sudo: None
) -> None:
    """What is imported late would be looked for with the other user's rights."""
    files = Authority(system.parent, "ours").files("box")
    for each in (files.ca, files.cert, files.key):
        each.chmod(0o644)
    (system.parent / "t.csv").write_bytes(
        "点位,地址,类型\n压力,holding:1,int16\n".encode("gb18030")
    )
    (system.parent / "buffer").mkdir()
    (system.parent / "buffer" / "state").write_bytes(b"nonsense")
    system.write_text(GOOD.replace("insecure = true", f'ca = "{files.ca}"\ncert = "{files.cert}"\n'
                                   f'key = "{files.key}"') + 'tags_file = "t.csv"\n')  # fmt: skip
    program = (
        "import sys; from gateway.cli import identity; from gateway.cli.main import main; "
        f"identity.SERVICE_USER = {SERVICE.pw_name!r}; sys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "check", "--json", system],
        capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    ids = [each["id"] for each in json.loads(done.stdout)["problems"]]
    assert ids == ["certificate.open_key", *(["config.service_not_writing"] if IS_ROOT else [])]
