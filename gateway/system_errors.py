"""What the operating system refused, as messages: Python's and the kernel's words are English."""

from __future__ import annotations

import errno
import os

from gateway.files import UnfitFileError
from gateway.report.snapshot import Said

_REASONS = {
    errno.ENOENT: "system.not_there",
    errno.EACCES: "system.not_allowed",
    errno.EPERM: "system.not_allowed",
    errno.ENOSPC: "system.no_space",
    errno.EDQUOT: "system.no_space",
    errno.EROFS: "system.read_only",
    errno.EIO: "system.input_output",
    errno.EISDIR: "system.is_directory",
    errno.ENOTDIR: "system.no_directory",
    errno.EMFILE: "system.files_used_up",
    errno.ENFILE: "system.files_used_up",
    errno.EBUSY: "system.busy",
    errno.ENODEV: "system.no_device",
    errno.ENXIO: "system.no_device",
}


def reason(error: OSError) -> Said:
    """Why, in a few words that fit into a sentence. A number without words of ours keeps its own.

    It is a message, so it may be an argument of another one.
    """
    if isinstance(error, UnfitFileError):
        return Said(id="system.unfit_file", args={})
    number = error.errno or 0
    if number in _REASONS:
        return Said(id=_REASONS[number], args={})
    words = os.strerror(number) if number else str(error)
    return Said(id="system.other", args={"number": number, "words": words})
