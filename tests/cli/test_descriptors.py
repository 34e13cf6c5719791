"""How many files the links take, against what systemd lets the service open."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from jiahe.ingest.limits import LINKS_MAX

from drivers.api import LinkSpec
from gateway import descriptors
from tests.cli.daemon import jiahe
from tests.unit.test_config import DEVICE, HEAD, TAGS


def systemctl(folder: Path, *lines: str) -> str:
    """A PATH on which systemctl says these lines."""
    (folder / "bin").mkdir()
    program = folder / "bin" / "systemctl"
    told = "\n".join(f"echo {line}" for line in lines)
    program.write_text(f'#!/bin/sh\n[ "$2" = jiahe.service ] || exit 1\n{told}\n')
    program.chmod(0o755)
    return f"{folder / 'bin'}:/usr/bin:/bin"


@pytest.mark.parametrize(
    ("lines", "limit"),
    [
        (["LoadState=loaded", "LimitNOFILE=4096"], 4096),
        (["LimitNOFILE=524288", "LoadState=not-found"], None),
        (["LoadState=loaded"], None), (["LoadState=loaded", "LimitNOFILE=infinity"], None),
        (["nonsense"], None), ([], None), (["exit 3"], None), (["$(exit 3"], None),
    ],
)  # fmt: skip
def test_limit_when_systemd_is_asked_then_of_a_unit_that_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[str], limit: int | None
) -> None:
    monkeypatch.setenv("PATH", systemctl(tmp_path, *lines))
    assert descriptors.allowed() == limit
    monkeypatch.setenv("PATH", str(tmp_path))
    assert descriptors.allowed() is None


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_check_when_the_service_may_open_too_few_then_refused_with_what_to_type(
    tmp_path: Path, lang: str
) -> None:
    links = "".join(
        f'[links.l{n}]\ntype = "listen"\nlisten = "0.0.0.0:{6000 + n}"\n' for n in range(100)
    )
    file = tmp_path / "gateway.toml"
    file.write_text(HEAD + links + DEVICE + TAGS)
    needed = 128 + 2 * 101 + 100 * (64 + 2) + 2 * 100
    path = systemctl(tmp_path, "LoadState=loaded", f"LimitNOFILE={needed - 1}")
    done = jiahe("check", file, lang=lang, PATH=path)
    assert done.returncode == 1
    (command,) = re.findall(r"→ (sudo .*)", done.stderr)
    typed = command.replace("sudo ", "").replace("/etc/systemd", str(tmp_path / "etc"))
    typed = typed.replace("systemctl daemon-reload", "true")
    subprocess.run(["sh", "-c", typed], check=True, stdout=subprocess.DEVNULL)
    (written,) = (tmp_path / "etc").rglob("files.conf")
    assert written.read_text() == f"[Service]\nLimitNOFILE={needed}\n"
    (tmp_path / "bin" / "systemctl").write_text(
        f"#!/bin/sh\necho LoadState=loaded\necho LimitNOFILE={needed}\n"
    )
    assert jiahe("check", file, lang=lang, PATH=path).returncode == 0
    assert shlex.split(command)[:2] == ["sudo", "mkdir"]


def test_unit_when_shipped_then_it_lets_the_most_links_be_open(project: Path) -> None:
    said = (project / "systemd" / "jiahe.service").read_text()
    (limit,) = re.findall(r"^LimitNOFILE=(\d+)$", said, re.MULTILINE)
    links = [
        LinkSpec(f"l{n}", "listen", host="0.0.0.0", tcp_port=6000 + n) for n in range(LINKS_MAX)
    ]
    assert int(limit) >= descriptors.needed(links)
