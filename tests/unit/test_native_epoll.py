"""A kernel without epoll_pwait2(2): the loop waits by milliseconds, and reads all the same."""

from __future__ import annotations

import json
import subprocess
import sys

#: Installs a filter of system calls (seccomp(2)) that refuses number 441, epoll_pwait2 on every
#: architecture, with the error given as first argument; scans for a second, says what came of it.
FILTERED = """
import ctypes, json, struct, sys, time
from tests.kit.scanner import Scanner
from tests.kit.slave import TcpSlave

code = [(0x20, 0, 0, 0), (0x15, 0, 1, 441), (0x06, 0, 0, 0x50000 | int(sys.argv[1])),
        (0x06, 0, 0, 0x7fff0000)]
program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *one) for one in code))
told = ctypes.create_string_buffer(struct.pack("@HP", len(code), ctypes.addressof(program)))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
assert libc.prctl(22, 2, told) == 0, ctypes.get_errno()  # PR_SET_SECCOMP, a filter
with TcpSlave() as slave:
    scanner = Scanner(slave)
    with scanner.running():
        scanner.until(lambda: scanner.good() >= 100)
        begun, wakeups = time.monotonic(), scanner.loop.wakeups
        scanner.until(lambda: time.monotonic() - begun > 1)
        woken = (scanner.loop.wakeups - wakeups) / (time.monotonic() - begun)
scanner.check()
early = min(row.mid_ns - row.due_ns for row in scanner.rows)
print(json.dumps({"bad": len(scanner.qualities()) - 1, "early_ns": early, "woken": woken}))
"""


def test_loop_when_the_kernel_refuses_epoll_pwait2_scans_all_the_same() -> None:
    """ENOSYS before Linux 5.11; EPERM under a filter of system calls that does not know it."""
    for error in (38, 1):
        done = subprocess.run(
            [sys.executable, "-c", FILTERED, str(error)],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert told["bad"] == 0 and told["early_ns"] >= 0
        assert told["woken"] < 1000  # for 50 scans a second
