"""`jiahe clock restore`, and `jiahe buffer` by hand, as typed."""

from __future__ import annotations

import os
import pwd
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.kit.rig import BIN
from tests.unit.test_buffer_leave import BLOCKS, filled

CONFIG = """
version = 1
[gateway]
id = "{id}"
language = "{language}"
control = "control.sock"
[platform]
address = "127.0.0.1:1"
insecure = true
[buffer]
path = "buffer"
"""


def typed(folder: Path, *command: str, gateway: str = "gw-1", language: str = "en") -> str:
    """What the command says; its exit code first."""
    (folder / "gateway.toml").write_text(CONFIG.format(id=gateway, language=language))
    done = subprocess.run(
        [BIN / "jiahe", *command, "--config", folder / "gateway.toml"],
        capture_output=True, text=True, cwd=folder,
    )  # fmt: skip
    return f"{done.returncode} {done.stdout}{done.stderr}"


@pytest.mark.parametrize(("language", "word"), [("en", "is written"), ("zh", "已写入")])
def test_export_when_typed_writes_the_file_and_says_what_is_in_it(
    tmp_path: Path, language: str, word: str
) -> None:
    filled(tmp_path / "buffer")
    said = typed(tmp_path, "buffer", "export", "out", language=language)
    assert said.startswith("0 ") and word in said and str(BLOCKS) in said
    assert (tmp_path / "out").stat().st_size > 100


def test_export_when_no_file_is_named_says_how_to_write_it(tmp_path: Path) -> None:
    said = typed(tmp_path, "buffer", "export")
    assert said.startswith("2 ") and "jiahe buffer export /media/usb/jiahe.export" in said


def test_export_when_the_folder_is_missing_then_it_is_named(tmp_path: Path) -> None:
    filled(tmp_path / "buffer")
    said = typed(tmp_path, "buffer", "export", "usb/out")
    assert said.startswith("1 ") and said.rstrip().endswith(f"df -h {tmp_path / 'usb'}")


@pytest.mark.parametrize(("language", "word"), [("en", "is a folder"), ("zh", "是文件夹")])
def test_export_when_a_folder_is_named_then_a_file_name_is_given(
    tmp_path: Path, language: str, word: str
) -> None:
    filled(tmp_path / "buffer")
    (tmp_path / "usb").mkdir()
    said = typed(tmp_path, "buffer", "export", "usb/", language=language)
    assert said.startswith("1 ") and word in said
    assert "sudo jiahe buffer export usb/jiahe.export" in said
    assert [file.name for file in tmp_path.glob("usb*")] == ["usb"]


def test_buffer_of_a_former_id_when_typed_is_moved_or_dropped_and_the_own_one_is_not(
    tmp_path: Path,
) -> None:
    filled(tmp_path / "buffer", "gw-old")
    said = typed(tmp_path, "buffer", "keep", gateway="gw-new")
    assert said.startswith("0 ") and "buffer.gw-old-" in said
    filled(tmp_path / "buffer", "gw-new")
    said = typed(tmp_path, "buffer", "keep", gateway="gw-new")
    assert said.startswith("1 ") and "itself" in said
    said = typed(tmp_path, "buffer", "drop", gateway="gw-new")
    assert said.startswith("0 ") and f"{BLOCKS} blocks were given up" in said
    said = typed(tmp_path, "buffer", "drop", gateway="gw-3")
    assert said.startswith("0 ") and "gw-new was removed" in said


def test_drop_when_root_types_it_then_the_service_may_read_what_is_left() -> None:
    with tempfile.TemporaryDirectory(prefix="jiahe-test-") as name:  # pytest's are for root alone
        folder = Path(name)
        folder.chmod(0o755)
        filled(folder / "buffer")
        service = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else os.geteuid()
        for file in [folder / "buffer", *(folder / "buffer").rglob("*")]:
            os.chown(file, service, -1)
        assert typed(folder, "buffer", "drop").startswith("0 ")
        left = {file.stat().st_uid for file in (folder / "buffer").rglob("*")}
        assert left == {service}


def test_clock_when_nothing_is_known_is_left_alone_without_a_word(tmp_path: Path) -> None:
    assert typed(tmp_path, "clock", "restore") == "0 "
