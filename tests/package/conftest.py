"""The arm64 package, built here, and unpacked into the Debian that it says it needs."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from package.__main__ import build
from package.content import BOX
from package.deb import field
from package.sysroot import unpacked
from package.target import SUITES, Target

TARGET = Target(SUITES["bookworm"], "arm64")
#: Of what it depends on: a running system has these, and no program of the package loads them.
RUNNING_SYSTEM = {"systemd", "udev"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "arm64" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(600))  # the first one builds the package


@pytest.fixture(scope="session")
def arm64(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package."""
    return build(BOX, TARGET, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="session")
def root(arm64: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with nothing in it but the package and what it depends on."""
    named = re.findall(r"[\w.+-]+(?= \(|,|$)", field(arm64, "Depends"))
    needed = unpacked(TARGET.suite, TARGET.arch, sorted(set(named) - RUNNING_SYSTEM))
    made = tmp_path_factory.mktemp("root") / "arm64"
    subprocess.run(["cp", "-a", needed, made], check=True)
    content = subprocess.run(
        ["dpkg-deb", "--fsys-tarfile", arm64], check=True, capture_output=True
    ).stdout
    unpack = ["tar", "-x", "--keep-directory-symlink", "--no-same-owner", "-C", str(made)]
    subprocess.run(unpack, input=content, check=True)
    return made
