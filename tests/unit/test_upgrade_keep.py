"""The package that is made of what is installed is the one that was installed, by the real dpkg."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from gateway.upgrade.keep import repack

CONTROL = """\
Package: jiahe
Version: 1.0+deb12
Architecture: all
Maintainer: A <a@example.com>
Description: a
 with more
 .
 than one line
"""
FILES = {
    "lib/systemd/system/jiahe.service": "[Unit]",
    "usr/lib/jiahe/gateway/__init__.py": "",
    "usr/bin/jiahe": "#!/bin/sh",
}


def run(*command: str | Path) -> str:
    path = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=path)
    return done.stdout


@pytest.fixture
def package(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    for name, content in {**FILES, "DEBIAN/control": CONTROL, "DEBIAN/prerm": "#!/bin/sh"}.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(content)
    for name in ("usr/bin/jiahe", "DEBIAN/prerm"):
        (tree / name).chmod(0o755)
    run("dpkg-deb", "--root-owner-group", "--build", tree, tmp_path / "given.deb")
    return tmp_path / "given.deb"


@pytest.fixture
def root(tmp_path: Path, package: Path) -> Path:
    """As every Debian is since 12: /lib is a link."""
    made = tmp_path / "root"
    for folder in ("usr/lib", "usr/bin", "var/lib/dpkg/info", "var/lib/dpkg/updates"):
        (made / folder).mkdir(parents=True)
    (made / "lib").symlink_to("usr/lib")
    (made / "var/lib/dpkg/status").touch()
    run("dpkg", f"--root={made}", "--force-not-root", "--install", package)
    return made


def content(package: Path) -> list[tuple[str, str]]:
    """Mode and name of each file; of folders the package names more or fewer."""
    lines = run("dpkg-deb", "--contents", package).splitlines()
    return sorted((line.split()[0], line.split()[-1]) for line in lines if line[0] == "-")


def test_package_when_made_of_what_is_installed_then_the_same_files_and_scripts(
    tmp_path: Path, root: Path, package: Path
) -> None:
    made = tmp_path / "old.deb"
    repack(made, tmp_path / "work", root)
    assert content(made) == content(package)
    fields = [run("dpkg-deb", "--field", each).splitlines() for each in (made, package)]
    assert sorted(fields[0]) == sorted(fields[1])
    assert run("dpkg-deb", "--info", made, "prerm") == "#!/bin/sh"
