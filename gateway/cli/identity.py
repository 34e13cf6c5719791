"""With whose rights files are read: `sudo jiahe check` reads as the service's user, who will read
them later, and shows no line of a file that whoever typed it could not read without sudo.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.config import Loaded, Located
from gateway.files import inode

SERVICE_USER = "jiahe"


@dataclass(frozen=True, slots=True)
class Identity:
    """A user with the groups that the system gives it."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]


def service() -> Identity | None:
    """Who the service runs as; None where this process can't become that user, or there is none."""
    try:
        return _of(pwd.getpwnam(SERVICE_USER)) if os.geteuid() == 0 else None
    except KeyError:
        return None


def caller(environ: Mapping[str, str] = os.environ) -> Identity | None:
    """Who typed `sudo`; None where nobody did."""
    said = environ.get("SUDO_UID", "")
    if os.geteuid() != 0 or not (said.isascii() and said.isdecimal()) or int(said) == 0:
        return None
    try:
        return _of(pwd.getpwuid(int(said)))
    except (KeyError, OverflowError):
        return None


@contextmanager
def acting_as(identity: Identity | None) -> Iterator[None]:
    """The rest of the block with that user's rights, of the whole process; None: as it is."""
    if identity is None:
        yield
        return
    groups, (_, gid, _) = os.getgroups(), os.getresgid()
    os.setgroups(identity.groups)
    os.setresgid(identity.gid, identity.gid, -1)
    os.setresuid(identity.uid, identity.uid, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)
        os.setresgid(gid, gid, -1)
        os.setgroups(groups)


def blocking(path: Path) -> Path | None:
    """What keeps this process from reading the file: a folder above it, else itself; None: it can
    be read, or is not there.
    """
    for folder in reversed(path.absolute().parents):
        if folder.is_dir() and not os.access(folder, os.X_OK):
            return folder
    return path if path.exists() and not os.access(path, os.R_OK) else None


def without_secrets(loaded: Loaded, reader: Identity | None) -> Loaded:
    """What `reader` may be shown of it: no words of a file that it can't read itself."""
    if reader is None:
        return loaded
    with acting_as(reader):
        own = {file: inode(Path(file)) == found for file, found in loaded.inodes.items()}
    shown = [_shown(problem, own.get(problem.file, True)) for problem in loaded.problems]
    return replace(loaded, problems=shown)


def _shown(problem: Located, may_be: bool) -> Located:
    if may_be or not problem.line:
        return problem
    return replace(problem, id="config.hidden", args={}, source="", in_table=False)


def _of(user: pwd.struct_passwd) -> Identity:
    groups = tuple(os.getgrouplist(user.pw_name, user.pw_gid))
    return Identity(user.pw_name, user.pw_uid, user.pw_gid, groups)
