"""Later releases of a package, made of one that was built: bundles for `jiahe upgrade`."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

from gateway.upgrade.bundle import NAMESPACE
from package import bundle
from package.target import SUITES, Target

TARGET = Target(SUITES["bookworm"], "arm64")
#: What a bundle's files carry as their time; any will do.
_EPOCH = 1_800_000_000


class Publisher:
    """Makes releases and signs them."""

    def __init__(self, folder: Path, package: Path) -> None:
        self._folder, self._package = folder, package
        folder.mkdir(parents=True, exist_ok=True)
        self._key = folder / "release-key"
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self._key)]
        subprocess.run(command, check=True)

    @property
    def keys(self) -> str:
        """What a box has as /etc/jiahe/upgrade-keys."""
        public = self._key.with_suffix(".pub").read_text()
        return f'jiahe namespaces="{NAMESPACE}" {public}'

    def release(self, version: str, change: Callable[[Path], None] | None = None) -> Path:
        """The bundle of a later version, whose unpacked package `change` was given."""
        tree = self._folder / f"tree-{version}"
        subprocess.run(["dpkg-deb", "-R", self._package, tree], check=True)
        control = tree / "DEBIAN/control"
        text = re.sub(r"(?m)^Version: [^+]*", f"Version: {version}", control.read_text())
        control.write_text(text)
        if change is not None:
            change(tree)
        made = self._folder / f"jiahe_{version}+deb12_arm64.deb"
        build = ["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build"]
        subprocess.run([*build, str(tree), str(made)], check=True, stdout=subprocess.DEVNULL)
        return bundle.make(TARGET, made, self._folder, self._key, _EPOCH)
