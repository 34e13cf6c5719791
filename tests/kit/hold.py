"""One thread of another process, stopped for a while: the others run on.

What a disk that hangs, or a box without a processor to spare, does to an event loop. By ptrace(2):
the process is a child of the test's, which the kernel lets it hold.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

#: <sys/ptrace.h>, <bits/waitflags.h>
_DETACH, _SEIZE, _INTERRUPT = 17, 0x4206, 0x4207
_WALL = 0x40000000


def _ptrace(request: int, thread: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.restype = ctypes.c_long
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    if libc.ptrace(request, thread, None, None) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@contextmanager
def held(thread: int) -> Iterator[None]:
    """Stopped from here to the end of the block; of a process, its main thread has its number.
    Raises OSError where the kernel refuses.
    """
    _ptrace(_SEIZE, thread)
    try:
        _ptrace(_INTERRUPT, thread)
        os.waitpid(thread, _WALL)
        yield
    finally:
        _ptrace(_DETACH, thread)
