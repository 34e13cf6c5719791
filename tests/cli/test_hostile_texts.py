"""What a device, a platform or a file says, in what the commands print: nothing of it acts."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.cli import daemon as stand_in
from tests.cli.daemon import SNAPSHOT, daemon, jiahe
from tests.unit.test_plain import HOSTILE, UNSAFE

#: Without what JSON can't carry from one process to the other.
TEXT = HOSTILE.replace("\ud800", "") + "x"
READING = ["status", "links", "devices", "buffer", "uplink"]
#: Words of the daemon, which commands compare; everything else comes from outside.
OURS = {"id", "state", "type", "per", "resets_on", "source", "quality", "version"}


def spoilt(value: Any, key: str = "") -> Any:
    """The same with a hostile end to each text."""
    if isinstance(value, Mapping):
        return {name: spoilt(each, name) for name, each in value.items()}
    if isinstance(value, list):
        return [spoilt(each, key) for each in value]
    return value + TEXT if isinstance(value, str) and key not in OURS else value


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize(
    "arguments",
    [*[[name] for name in READING], ["links", "-v"], ["watch"], ["watch", "--once"]],
    ids=" ".join,
)
def test_command_when_all_texts_are_hostile_then_as_many_lines_and_nothing_raw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], lang: str
) -> None:
    snapshot = copy.deepcopy(SNAPSHOT)
    snapshot["warnings"].append({"id": "uplink.refused", "args": {"detail": "no", "code": "X"}})
    snapshot["devices"][0]["unit"] = "7"
    with daemon(tmp_path, snapshot) as config:
        benign = jiahe(*arguments, "--config", config, lang=lang)
    monkeypatch.setattr(stand_in, "ROWS", spoilt(stand_in.ROWS))
    with daemon(tmp_path, spoilt(snapshot)) as config:
        done = jiahe(*arguments, "--config", config, lang=lang)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == benign.stdout.count("\n")
    if arguments == ["watch"]:  # cells apart by tabs
        assert {line.count("\t") for line in done.stdout.splitlines()} == {2}
    assert not UNSAFE.search(done.stdout.replace("\n", "").replace("\t", ""))


@pytest.mark.parametrize("command", ["status", "watch"])
def test_command_when_json_then_nothing_raw_and_the_texts_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr(stand_in, "ROWS", spoilt(stand_in.ROWS))
    with daemon(tmp_path, spoilt(SNAPSHOT)) as config:
        done = jiahe(command, "--json", "--config", config)
    assert not UNSAFE.search(done.stdout.replace("\n", ""))
    found = json.loads(done.stdout)
    site = found["site"] if command == "status" else found[0]["unit"]
    assert site.endswith(TEXT)


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_check_when_files_are_hostile_then_nothing_raw(tmp_path: Path, lang: str) -> None:
    (tmp_path / "t\x1b[2J.csv").write_text("name,address,type\n\x1b[2J\x9b,\x1b]0;x\x07,\x85\n")
    escaped = TEXT.encode("unicode_escape").decode().replace("\\x", "\\u00")
    (tmp_path / "gateway.toml").write_text(
        f'version = 1\n"\\u001b[2J\\u009b" = 1\n[gateway]\nid = "{escaped}"\nsite = "{escaped}"\n'
        f'[platform]\naddress = "{escaped}"\n[links."{escaped}"]\ntype = "{escaped}"\n'
        f'[devices."{escaped}"]\nlink = "{escaped}"\ndriver = "{escaped}"\nunit = "{escaped}"\n'
        f'profile = "{escaped}.toml"\nevery = "{escaped}"\ntags_file = "t\\u001b[2J.csv"\n'
        f'tags = {{ "{escaped}" = {{ address = "{escaped}", type = "{escaped}" }} }}\n'
    )
    for arguments in (["check"], ["run", "--config"], ["status", "--config"], ["check", "--json"]):
        done = jiahe(*arguments[:1], *arguments[1:], tmp_path / "gateway.toml", lang=lang)
        assert done.returncode == 1
        assert not UNSAFE.search((done.stdout + done.stderr).replace("\n", ""))


@pytest.mark.parametrize("arguments", [[HOSTILE[:-3]], ["watch", HOSTILE[1:9]], ["--x\x1b[2J"]])
def test_usage_when_the_arguments_are_hostile_then_nothing_raw(arguments: list[str]) -> None:
    words = [argument.replace("\x00", "") for argument in arguments]
    done = jiahe(*words, JIAHE_CONFIG="/nowhere/\x1b[2J.toml")
    assert done.returncode in (1, 2)
    assert not UNSAFE.search((done.stdout + done.stderr).replace("\n", ""))
