"""The package for ARM, built here, and unpacked into the Debian that it says it needs: arm64, or
what JIAHE_ARCH says.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from package.__main__ import build
from package.content import BOX
from package.deb import field
from package.sysroot import unpacked
from package.target import SUITES, Target

TARGET = Target(SUITES["bookworm"], os.environ.get("JIAHE_ARCH", "arm64"))
#: In the root.
EMULATOR = "/usr/bin/emulator"
#: Of what it depends on: a running system has these, and no program of the package loads them.
RUNNING_SYSTEM = {"systemd", "udev"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "package" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(600))  # the first one builds the package


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package."""
    return build(BOX, TARGET, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="session")
def root(package: Path) -> Iterator[Path]:
    """A root with nothing in it but the package, what it depends on, and an emulator. In memory:
    programs of 32 bits can't list folders of ext4 under an emulator of 64 (getdents(2): EOVERFLOW).
    """
    named = re.findall(r"[\w.+-]+(?= \(|,|$)", field(package, "Depends"))
    needed = unpacked(TARGET.suite, TARGET.arch, sorted(set(named) - RUNNING_SYSTEM))
    with tempfile.TemporaryDirectory(prefix="jiahe-", dir="/dev/shm") as folder:
        made = Path(folder) / TARGET.arch
        subprocess.run(["cp", "-a", needed, made], check=True)
        _lay_out(package, made)
        emulator = shutil.which(
            {"arm64": "qemu-aarch64-static", "armhf": "qemu-arm-static"}[TARGET.arch]
        )
        assert emulator is not None, "scripts/setup --tests installs it"
        shutil.copy(emulator, made / EMULATOR.lstrip("/"))
        yield made


def _lay_out(package: Path, made: Path) -> None:
    content = subprocess.run(
        ["dpkg-deb", "--fsys-tarfile", package], check=True, capture_output=True
    ).stdout
    unpack = ["tar", "-x", "--keep-directory-symlink", "--no-same-owner", "-C", str(made)]
    subprocess.run(unpack, input=content, check=True)
