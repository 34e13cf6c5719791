"""What the kernel is asked for when a port is opened, and what is done where it lacks something."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

from drivers.api import LinkSpec
from native.wire.port import Port

#: As `socket` does not name it before Python 3.12.
TCP_USER_TIMEOUT = 18

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


def test_connection_when_made_has_its_options() -> None:
    """Without the last, a peer that is gone holds a connection for a quarter of an hour."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        spec = LinkSpec("l", "tcp", host="127.0.0.1", tcp_port=listener.getsockname()[1])
        port = Port(spec)
        port.open()
        accepted, _ = listener.accept()
        with accepted, socket.socket(fileno=port.fileno()) as ours:
            assert ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert ours.getsockopt(socket.IPPROTO_TCP, TCP_USER_TIMEOUT) == 3000
            ours.detach()
        port.close()


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


#: Says what the kernel counts of a serial port; a pseudo-terminal's driver counts nothing.
COUNTED = """
import json, os
from drivers.api import LinkSpec
from native.wire.port import Port

port = Port(LinkSpec("l", "serial", port=os.ttyname(os.openpty()[1])))
port.open()
print(json.dumps(port.counters()))
"""


def test_serial_port_when_the_kernel_lost_bytes_then_says_how_many(tmp_path: Path) -> None:
    shim, lost = tmp_path / "lossy_port.so", tmp_path / "lost"
    source = Path(__file__).parent.parent / "kit" / "lossy_port.c"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", shim, source], check=True)
    lost.write_bytes(bytes(3))
    preloaded = [*filter(None, [os.environ.get("LD_PRELOAD")]), str(shim)]  # a sanitizer's first
    done = subprocess.run(
        [sys.executable, "-c", COUNTED], capture_output=True, text=True, check=True,
        env=os.environ | {"LD_PRELOAD": ":".join(preloaded), "LOST_BYTES": str(lost)},
    )  # fmt: skip
    assert json.loads(done.stdout)["overrun"] == 3
