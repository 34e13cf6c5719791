"""One secured port without a loop: its connect in rounds, SIGPIPE, and numbers that have a text."""

from __future__ import annotations

import errno
import gc
import re
import select
import signal
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from drivers.api import LinkSpec
from drivers.states import NET_CAUSES
from native.wire import tls
from native.wire.port import TLS_ERRORS, Port
from tests.kit.authority import Authority
from tests.kit.slave import RESET, TcpSlave
from tests.kit.tls_slave import TlsSlave

REQUEST = bytes.fromhex("000100000006010300000002")
PATIENCE_S = 5.0


def connected(port: Port) -> list[int]:
    """The rounds that its connect took: what each waited for."""
    port.open()
    rounds, waits_for = [], 1
    while waits_for:
        events = select.POLLOUT if waits_for == 1 else select.POLLIN
        poll = select.poll()
        poll.register(port.fileno(), events)
        assert poll.poll(PATIENCE_S * 1000)
        rounds.append(waits_for)
        waits_for = port.finish()
    return rounds


def spec(folder: Path, slave: TcpSlave, plant: Authority) -> LinkSpec:
    files = plant.files("gateway", ())
    return LinkSpec("l", "tcp", host="127.0.0.1", tcp_port=slave.port, tls=files)


def test_port_when_secured_connects_in_rounds_reads_and_frees_all(tmp_path: Path) -> None:
    plant = Authority(tmp_path, "plant")
    with TlsSlave(plant.files("plc")) as slave:
        port = Port(spec(tmp_path, slave, plant))
        assert connected(port) == [1, 2]
        assert port.read() == b""
        assert port.write(REQUEST) == len(REQUEST)
        assert select.select([port.fileno()], [], [], PATIENCE_S)[0]
        answer = port.read()
        while len(answer) < 13:  # TLS 1.3 tickets come first
            assert select.select([port.fileno()], [], [], PATIENCE_S)[0]
            answer += port.read()
        assert answer == struct.pack(">HHHBBBHH", 1, 0, 7, 1, 3, 4, 0, 1)
        assert tls.living() == 2
        port.close()
        assert tls.living() == 1
    del port
    gc.collect()
    assert tls.living() == 0


def test_port_when_not_connected_yet_then_has_nothing_to_read_or_flush(tmp_path: Path) -> None:
    plant = Authority(tmp_path, "plant")
    with TlsSlave(plant.files("plc")) as slave:
        port = Port(spec(tmp_path, slave, plant))
        for _ in range(2):  # before it is opened, then before its handshake
            port.flush()
            with pytest.raises(OSError, match=r".*") as failed:
                port.read()
            assert failed.value.errno == errno.ENOTCONN
            with pytest.raises(OSError, match=r".*") as failed:
                port.write(REQUEST)
            assert failed.value.errno == errno.ENOTCONN
            port.open()
        port.close()


def test_write_when_the_peer_is_gone_is_an_error_and_no_signal(tmp_path: Path) -> None:
    plant = Authority(tmp_path, "plant")
    before = signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it; a library may not
    try:
        with TlsSlave(plant.files("plc"), lambda _: [RESET]) as slave:
            port = Port(spec(tmp_path, slave, plant))
            connected(port)
            port.write(REQUEST)
            poll = select.poll()
            poll.register(port.fileno(), 0)
            while not any(events & select.POLLHUP for _, events in poll.poll(PATIENCE_S * 1000)):
                port.read()
            with pytest.raises(OSError, match=r".*"):
                port.write(REQUEST)
            port.close()
    finally:
        signal.signal(signal.SIGPIPE, before)


def test_key_when_it_has_a_password_is_refused_without_asking_the_terminal(tmp_path: Path) -> None:
    plant = Authority(tmp_path, "plant")
    with TlsSlave(plant.files("plc")) as slave:
        made = spec(tmp_path, slave, plant)
        assert made.tls is not None
        locked = tmp_path / "locked.key"
        command = ["openssl", "pkey", "-in", made.tls.key, "-aes256", "-passout", "pass:x"]
        subprocess.run([*command, "-out", locked], check=True)
        made.tls.key.write_bytes(locked.read_bytes())
        port = Port(made)
        with pytest.raises(OSError, match=r".*") as failed:
            port.open()
        assert failed.value.errno == TLS_ERRORS["files"]


def test_openssl_when_no_link_is_secured_is_not_loaded(project: Path) -> None:
    script = (
        "import sys; from drivers.api import LinkSpec; from native.wire.port import Port;"
        "Port(LinkSpec('l', 'tcp', host='127.0.0.1')); import gateway.supervisor;"
        "sys.exit('native.wire.tls' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], cwd=project).returncode == 0


def test_fault_when_numbered_in_native_has_its_text_in_the_driver(project: Path) -> None:
    source = (project / "native" / "wire" / "transport.pxd").read_text("utf-8")
    enumeration = source[source.index("TLS_FILES = 4097") : source.index("};")]
    names = re.findall(r"^ *TLS_(\w+)", enumeration, re.MULTILINE)
    names = ["FILES", *names] if names[0] != "FILES" else names
    texts = {number: text for number, text in NET_CAUSES.items() if number > 4095}
    assert texts == {4097 + i: f"link.tls_{name.lower()}" for i, name in enumerate(names)}
