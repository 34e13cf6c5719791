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
