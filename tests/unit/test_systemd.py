"""The unit, the user, the directories and the udev rules, judged by systemd's own tools.

udevadm checks rules only from systemd 254 on, so a small parser of udev(7)'s grammar does it here.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

#: `systemd-analyze security` in tenths: 21 is an exposure of 2.1 of 10.
EXPOSURE_MAX = 21
#: What the service would lose a serial port, the network or its clock by.
HARMFUL = {"PrivateDevices", "DevicePolicy", "DeviceAllow", "ProtectClock", "PrivateUsers"}

_UDEV_RULE = re.compile(r'([A-Z]+)(?:\{([\w/.-]+)\})?\s*(==|!=|\+=|-=|:=|=)\s*"([^"]*)"(?:,\s*|$)')
_UDEV_MATCH = {"ACTION", "SUBSYSTEM", "SUBSYSTEMS", "DRIVER", "KERNEL", "ENV", "ATTR", "ATTRS"}
_UDEV_ASSIGN = {"ATTR", "ENV", "SYMLINK", "IMPORT", "MODE", "GROUP"}


@pytest.fixture(scope="module")
def folder(project: Path) -> Path:
    return project / "systemd"


@pytest.fixture(params=["jiahe.service", "jiahe-clock.service"])
def unit(folder: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Both units, with a program that exists here in place of /usr/bin/jiahe."""
    for name in ("jiahe.service", "jiahe-clock.service"):
        text = (folder / name).read_text()
        there = re.sub("(Exec[A-Z][a-z]+)=/usr/bin/jiahe ", rf"\1={shutil.which('true')} ", text)
        assert there != text
        (tmp_path / name).write_text(there)
    return tmp_path / str(request.param)


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True)


def test_unit_when_verified_then_systemd_has_nothing_to_say(unit: Path) -> None:
    done = run("systemd-analyze", "verify", "--man=no", unit)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_unit_when_its_exposure_is_measured_then_at_most_the_limit(unit: Path) -> None:
    limit = f"--threshold={EXPOSURE_MAX}"
    done = run("systemd-analyze", "security", "--offline=true", "--no-pager", limit, unit)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md"])
def test_unit_when_a_line_of_its_exposure_is_red_then_the_page_explains_it(
    folder: Path, page: str
) -> None:
    said = run("systemd-analyze", "security", "--offline=true", folder / "jiahe.service").stdout
    red = re.findall(r"^✗ (\S+)", said, re.M)
    explained = (folder / page).read_text("utf-8").replace("\\|", "|")
    assert len(red) > 5, said
    assert not [line for line in red if f"`{line}`" not in explained]


def test_unit_when_read_then_it_keeps_its_promises(folder: Path) -> None:
    text = (folder / "jiahe.service").read_text()
    said = dict(re.findall(r"^(\w+)=(.*)$", text, re.M))
    assert said["ExecStart"] == "/usr/bin/jiahe run --config /etc/jiahe/gateway.toml"
    assert (said["Type"], said["WatchdogSec"], said["Restart"]) == ("notify", "60", "always")
    assert said["ExecReload"] == "/usr/bin/jiahe reload --config /etc/jiahe/gateway.toml"
    assert said["StartLimitIntervalSec"] == "0"
    assert said["After"] == "network.target"
    assert (said["User"], said["SupplementaryGroups"]) == ("jiahe", "dialout")
    assert not HARMFUL & set(said)


def test_unit_when_calls_are_filtered_then_the_clock_can_still_be_read(folder: Path) -> None:
    filters = re.findall(r"^SystemCallFilter=(.*)$", (folder / "jiahe.service").read_text(), re.M)
    denied = next(i for i, line in enumerate(filters) if line.startswith("~"))
    assert any("clock_adjtime" in line for line in filters[denied + 1 :])


def test_user_when_made_then_a_member_of_dialout(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    done = run("systemd-sysusers", f"--root={tmp_path}", folder / "jiahe.sysusers")
    # Without root it may not change owners in a foreign root; the files are there all the same.
    assert done.returncode == 0 or os.geteuid() != 0, done.stderr
    passwd = (tmp_path / "etc/passwd").read_text()
    assert re.search(
        r"^jiahe:[^:]*:\d+:\d+:Jiahe edge gateway:/var/lib/jiahe:.*nologin$", passwd, re.M
    )
    assert re.search(r"^dialout:[^:]*:\d+:jiahe$", (tmp_path / "etc/group").read_text(), re.M)


def test_directories_when_made_then_closed_to_others(folder: Path, tmp_path: Path) -> None:
    owner = {"root": str(os.geteuid()), "jiahe": str(os.geteuid())}
    lines = []
    for line in (folder / "jiahe.tmpfiles").read_text().splitlines():
        if line and not line.startswith("#"):
            kind, path, mode, user, _group, age = line.split()
            lines.append(f"{kind} {path} {mode} {owner[user]} {os.getegid()} {age}\n")
    config = tmp_path / "jiahe.conf"
    config.write_text("".join(lines))
    done = run("systemd-tmpfiles", f"--root={tmp_path}", "--create", config)
    assert done.returncode == 0, done.stderr
    for path in ("etc/jiahe/conf.d", "etc/jiahe/pki", "var/lib/jiahe/buffer"):
        assert (tmp_path / path).stat().st_mode & 0o777 == 0o750


def rules(text: str) -> list[list[tuple[str, str, str, str]]]:
    """Rules as (key, argument, operator, value); raises ValueError where udev would skip a line."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        parts, at = [], 0
        while at < len(line):
            if not (match := _UDEV_RULE.match(line, at)):
                raise ValueError(f'line {number}, column {at + 1}: not KEY{{argument}}OP"value"')
            key, argument, operator, value = match.groups(default="")
            known = _UDEV_MATCH if operator in {"==", "!="} else _UDEV_ASSIGN
            if key not in known:
                raise ValueError(f"line {number}: {key} can't stand before {operator}")
            parts.append((key, argument, operator, value))
            at = match.end()
        found.append(parts)
    return found


def test_udev_rules_when_parsed_then_every_line_is_a_rule(folder: Path) -> None:
    text = (folder / "60-jiahe.rules").read_text()
    assert [rules(text)[0][-1]] == [("ATTR", "latency_timer", "=", "1")]
    examples = "\n".join(re.findall(r"^#   (SUBSYSTEM==.*)$", text, re.M))
    assert [rule[-1][3] for rule in rules(examples)] == [f"jiahe/com{n}" for n in (1, 2, 3, 4)]


@pytest.mark.parametrize("line", ['ACTION="add"', 'KERNEL=="a" MODE', 'MODE="0660', 'SYMLINK=="x"'])
def test_udev_rules_when_broken_then_the_parser_says_where(line: str) -> None:
    with pytest.raises(ValueError, match="line 1"):
        rules(line)
