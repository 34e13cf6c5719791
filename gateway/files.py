"""Files that somebody else chose, read without harm: regular ones only, and a bounded part of them.

Opening a pipe waits until somebody writes to it, reading a device never ends.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import NamedTuple

#: The device and the number of a file on it: the same for each of its names.
Inode = tuple[int, int]


class UnfitFileError(OSError):
    """No regular file, or too large a one."""


class Content(NamedTuple):
    raw: bytes
    inode: Inode


def read(path: Path, most: int) -> Content:
    """Up to one byte more than `most`. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(found.st_mode):
            raise UnfitFileError("no regular file")
        parts, left = [], most + 1
        while left and (part := os.read(descriptor, left)):
            parts.append(part)
            left -= len(part)
        return Content(b"".join(parts), (found.st_dev, found.st_ino))
    finally:
        os.close(descriptor)


def inode(path: Path) -> Inode | None:
    """Identity of a file that this process may read; None where it may not."""
    try:
        return read(path, 0).inode
    except OSError:
        return None


def is_open_to_all(path: Path) -> bool:
    """Whether every user of this computer may read the file: its mode and its folders let them."""
    try:
        modes = [path.stat().st_mode, *(each.stat().st_mode for each in path.absolute().parents)]
    except OSError:
        return False
    return bool(modes[0] & stat.S_IROTH) and all(mode & stat.S_IXOTH for mode in modes[1:])
