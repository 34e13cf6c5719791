"""Debian packages of the target, fetched by apt and unpacked beside the system, never into it.

apt works here with lists, a cache and a status of its own, from the mirrors that this machine's apt
is set up for, and checks signatures by Debian's keyring.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from package.target import Suite, Target

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def cache() -> Path:
    """Where what was fetched is kept between builds. `JIAHE_CACHE` names another folder."""
    given = os.environ.get("JIAHE_CACHE")
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(given).absolute() if given else Path(home) / "jiahe"


def own_arch() -> str:
    """Of the machine that builds."""
    asked = ["dpkg", "--print-architecture"]
    return subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()


class MirrorError(Exception):
    """This machine's apt knows no mirror of Debian."""


def _mirrors() -> list[str]:
    """Of this machine's apt: "deb …" lines are made of them, whatever release it has itself."""
    asked = ["apt-get", "indextargets", "--format", "$(ORIGIN) $(SITE) $(CREATED_BY)"]
    told = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
    found = {line.split()[1] for line in told.splitlines() if line.startswith("Debian ")}
    if not found:
        raise MirrorError("apt knows no mirror of Debian: run apt-get update, as root")
    return sorted(found)


def _is_security(mirror: str) -> bool:
    return mirror.rstrip("/").endswith("-security")


class Apt:
    """apt for another Debian than this machine's."""

    def __init__(self, suite: Suite, arch: str) -> None:
        self.folder = cache() / "apt" / f"{suite.name}-{arch}"
        self._suite = suite.name
        for place in ("state/lists/partial", "cache/archives/partial", "etc"):
            (self.folder / place).mkdir(parents=True, exist_ok=True)
        (self.folder / "status").touch()
        self._options = [
            f"-oAPT::Architecture={arch}",
            f"-oAPT::Architectures={arch}",
            f"-oDir::State={self.folder}/state",
            f"-oDir::State::status={self.folder}/status",
            f"-oDir::Cache={self.folder}/cache",
            f"-oDir::Etc::sourcelist={self.folder}/etc/sources.list",
            "-oDir::Etc::sourceparts=-",
            "-oAPT::Sandbox::User=root",  # the folders above may be closed to its own user
            "-oAPT::Install-Recommends=false",
            "-oAcquire::Languages=none",
            "-oDebug::NoLocking=true",
        ]

    def fetch(self, packages: Iterable[str]) -> list[Path]:
        """The packages with all that they depend on, as files."""
        archives = self.folder / "cache/archives"
        for old in archives.glob("*.deb"):
            old.unlink()
        try:
            self._update(_mirrors())
        except MirrorError as error:  # of an archive beside the main one, perhaps
            sys.stderr.write(f"{error}\nLeft out: {self._suite}-security\n")
            self._update([mirror for mirror in _mirrors() if not _is_security(mirror)])
        self._run("install", "-qq", "--yes", "--download-only", *packages)
        return sorted(archives.glob("*.deb"))

    def _update(self, mirrors: Iterable[str]) -> None:
        lines = []
        for mirror in mirrors:
            for end in ("-security",) if _is_security(mirror) else ("", "-updates"):
                lines.append(f"deb [signed-by={KEYRING}] {mirror} {self._suite}{end} main\n")
        (self.folder / "etc/sources.list").write_text("".join(lines))
        self._run("update", "-qq")

    def _run(self, *arguments: str) -> None:
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        command = ["apt-get", *self._options, *arguments]
        done = subprocess.run(command, env=quiet, capture_output=True, text=True)
        if done.returncode:
            raise MirrorError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")


def unpacked(suite: Suite, arch: str, packages: Iterable[str]) -> Path:
    """A folder in which the packages, and all that they depend on, are unpacked; made once."""
    recipe = " ".join([suite.name, arch, *sorted(packages)])
    name = hashlib.sha256(recipe.encode()).hexdigest()[:12]
    folder = cache() / "roots" / f"{suite.name}-{arch}-{name}"
    if not folder.exists():
        made = folder.with_name(f"{folder.name}.{os.getpid()}")
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(parents=True)
        for place in ("bin", "lib", "sbin"):  # as an installed system has it since Debian 12
            (made / "usr" / place).mkdir(parents=True, exist_ok=True)
            (made / place).symlink_to(f"usr/{place}")
        for file in Apt(suite, arch).fetch(packages):
            # tar, not dpkg -x, which would put a folder in the place of the links above.
            content = subprocess.run(
                ["dpkg-deb", "--fsys-tarfile", file], check=True, capture_output=True
            ).stdout
            unpack = ["tar", "-x", "--keep-directory-symlink", "--no-same-owner", "-C", str(made)]
            subprocess.run(unpack, input=content, check=True)
        _inner_links(made)
        made.rename(folder)
    return folder


def _inner_links(root: Path) -> None:
    """Links to /etc or /usr lead within the folder, not to the machine that builds."""
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            link = Path(folder, name)
            if link.is_symlink() and (target := link.readlink()).is_absolute():
                link.unlink()
                inside = root / target.relative_to("/")
                link.symlink_to(os.path.relpath(inside, folder))


def for_compiling(target: Target) -> Path:
    """The target's headers and libraries."""
    python = f"libpython{target.suite.python}-dev"
    return unpacked(target.suite, target.arch, ("libc6-dev", python, "libssl-dev", "libzstd-dev"))


def python_of(suite: Suite) -> tuple[list[str], dict[str, str]]:
    """A command that starts a Python of the release on this machine, for bytecode, with the
    release's own C library; and its environment.
    """
    folder = unpacked(suite, own_arch(), (f"python{suite.python}-minimal",))
    (loader,) = folder.glob("usr/lib/*/ld-linux*")
    command = [str(loader), "--library-path", str(loader.parent)]
    environment = {"PYTHONHOME": str(folder / "usr"), "PATH": os.environ["PATH"]}
    return [*command, str(folder / f"usr/bin/python{suite.python}")], environment
