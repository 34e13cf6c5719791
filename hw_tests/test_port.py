"""The serial port of the native floor on a real loop of wire, or on crossed pseudo-terminals."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, Protocol

import pytest

from drivers.api import LinkSpec
from native.wire.port import Port

#: <asm-generic/ioctls.h>, the same on x86 and ARM: struct termios2 with the speeds at its end.
_TCGETS2 = 0x802C542A
_TERMIOS2_BYTES = 44

#: For what must come: no test waits this long when all is well.
WAIT_S = 10


class Crossed(Protocol):
    a: str
    b: str
    real: bool


class Terminal(Protocol):
    master: int
    path: str

    def unplug(self) -> None: ...


@pytest.fixture
def opened() -> Iterator[Callable[..., Port]]:
    """Opens ports, and closes them after the test."""
    with ExitStack() as stack:

        def open_port(path: str, **settings: Any) -> Port:
            port = Port(LinkSpec("test", "serial", port=path, **settings))
            port.open()
            stack.callback(port.close)
            return port

        yield open_port


def receive(port: Port, count: int) -> bytes:
    """Exactly `count` bytes, however many pieces they come in."""
    data = b""
    while len(data) < count:
        assert select.select([port], [], [], WAIT_S)[0], f"{len(data)} of {count} bytes came"
        data += port.read(count - len(data))
    return data


def send(port: Port, data: bytes) -> None:
    while data:
        assert select.select([], [port], [], WAIT_S)[1], f"{len(data)} bytes can't be written"
        data = data[port.write(data) :]


def test_bytes_when_sent_either_way_then_all_256_values_arrive_unchanged(
    crossed: Crossed, opened: Callable[..., Port]
) -> None:
    """Raw mode: no CR, XON, break or parity mark is ever taken for a command."""
    a, b = opened(crossed.a, baud=115200), opened(crossed.b, baud=115200)
    every = bytes(range(256))
    for near, far in ((a, b), (b, a)):
        send(near, every)
        assert receive(far, 256) == every


@pytest.mark.parametrize("parity", ["none", "even", "odd"])
@pytest.mark.parametrize("stop_bits", [1, 2])
def test_frame_when_both_ends_agree_then_it_arrives(
    crossed: Crossed, opened: Callable[..., Port], parity: str, stop_bits: int
) -> None:
    settings = {"baud": 19200, "parity": parity, "stop_bits": stop_bits}
    a, b = opened(crossed.a, **settings), opened(crossed.b, **settings)
    send(a, bytes.fromhex("07030000000a c46b"))
    assert receive(b, 8) == bytes.fromhex("07030000000ac46b")


@pytest.mark.parametrize("baud", [1200, 9600, 12345, 115200, 250000])
def test_baud_when_set_then_the_kernel_has_it(
    crossed: Crossed, opened: Callable[..., Port], baud: int
) -> None:
    """Also rates without a constant in termios.h. An adapter rounds to what its clock can do."""
    port = opened(crossed.a, baud=baud)
    state = fcntl.ioctl(port.fileno(), _TCGETS2, bytes(_TERMIOS2_BYTES))
    speeds = struct.unpack("=II", state[-8:])
    tolerance = 0.03 * baud if crossed.real else 0
    assert all(abs(speed - baud) <= tolerance for speed in speeds)


def test_port_when_already_open_then_the_second_is_refused(
    crossed: Crossed, opened: Callable[..., Port]
) -> None:
    first = opened(crossed.a)
    with pytest.raises(OSError) as refused:
        opened(crossed.a)
    assert refused.value.errno == errno.EBUSY
    first.close()
    assert opened(crossed.a).fileno() >= 0


def test_read_when_nothing_came_then_empty_at_once(
    crossed: Crossed, opened: Callable[..., Port]
) -> None:
    assert opened(crossed.a).read() == b""


def test_flush_when_bytes_wait_then_only_later_ones_are_read(
    crossed: Crossed, opened: Callable[..., Port]
) -> None:
    a, b = opened(crossed.a), opened(crossed.b)
    send(a, b"late answer")
    receive(b, len("late answer") - 1)
    assert select.select([b], [], [], WAIT_S)[0], "the last byte did not come"
    b.flush()
    send(a, b"\x01")
    assert receive(b, 1) == b"\x01"


def test_counters_when_asked_then_counted_on_adapters_and_none_on_a_terminal(
    crossed: Crossed, opened: Callable[..., Port], terminal: Terminal
) -> None:
    assert opened(terminal.path).counters() is None
    counted = opened(crossed.a).counters()
    if crossed.real and counted is not None:  # some adapters' drivers don't count
        assert set(counted) == {"frame", "parity", "overrun", "breaks"}


def test_low_latency_when_the_kernel_has_none_then_said(
    opened: Callable[..., Port], terminal: Terminal
) -> None:
    assert opened(terminal.path).low_latency is False


def test_rs485_when_the_kernel_cannot_switch_then_refused(
    opened: Callable[..., Port], terminal: Terminal
) -> None:
    """Never silently without: two transmitters on one pair of wires would follow."""
    with pytest.raises(OSError) as refused:
        opened(terminal.path, rs485=True)
    assert refused.value.errno in {errno.ENOTTY, errno.EINVAL, errno.EOPNOTSUPP}
    assert opened(terminal.path).fileno() >= 0, "the refused port must be free again"


def test_close_when_bytes_are_unsent_then_returns(
    opened: Callable[..., Port], terminal: Terminal
) -> None:
    """Nobody reads the far end: what was written stays in the kernel."""
    port = opened(terminal.path, baud=1200)
    while port.write(bytes(4096)):
        pass
    closing = threading.Thread(target=port.close, daemon=True)
    closing.start()
    closing.join(WAIT_S)
    assert not closing.is_alive()
    assert port.fileno() == -1


def test_close_when_called_twice_then_the_second_does_nothing(
    opened: Callable[..., Port], terminal: Terminal
) -> None:
    port = opened(terminal.path)
    port.close()
    with os.fdopen(os.dup(0)) as taken:  # likely the number that the port had
        port.close()
        os.fstat(taken.fileno())


def test_unplugged_when_read_or_written_then_an_error_not_silence(
    opened: Callable[..., Port], terminal: Terminal
) -> None:
    port = opened(terminal.path)
    poll = select.poll()
    poll.register(port, select.POLLIN)
    terminal.unplug()
    ((_, events),) = poll.poll(WAIT_S * 1000)
    assert events & (select.POLLHUP | select.POLLERR)
    with pytest.raises(OSError) as gone:
        port.write(b"\x00")
    assert gone.value.errno == errno.EIO
    port.close()
    with pytest.raises(OSError) as missing:
        opened(terminal.path)
    assert missing.value.errno in {errno.ENOENT, errno.EIO}


def test_path_when_there_is_no_such_port_then_enoent(opened: Callable[..., Port]) -> None:
    with pytest.raises(FileNotFoundError):
        opened("/dev/jiahe/no-such-port")


@pytest.mark.parametrize("path", ["", "/dev/" + 300 * "x"])
def test_path_when_it_cannot_be_one_then_value_error(path: str) -> None:
    with pytest.raises(ValueError, match="no path of a serial port"):
        Port(LinkSpec("test", "serial", port=path))
