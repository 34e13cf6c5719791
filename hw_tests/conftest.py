"""Two serial ports whose wires are crossed: what one writes, the other reads.

`JIAHE_HW_PORTS="/dev/ttyUSB0,/dev/ttyUSB1"` names real ones (TX to RX, RX to TX, ground to ground).
Left out, the suite crosses two pseudo-terminals itself: everything but pace, line errors and the
adapter's own latency is then tested all the same.
"""

from __future__ import annotations

import os
import pty
import selectors
import threading
import tty
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest

_CHUNK_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Crossed:
    """Paths of the two ports. `real`: they are adapters, with pace and counters."""

    a: str
    b: str
    real: bool


class PseudoTerminal:
    """A serial port whose far end the test holds. `unplug` is what pulling the adapter does."""

    def __init__(self) -> None:
        self.master, slave = pty.openpty()
        tty.setraw(slave)
        self.path = os.ttyname(slave)
        os.close(slave)

    def unplug(self) -> None:
        if self.master >= 0:
            os.close(self.master)
            self.master = -1


@contextmanager
def _pumped(ends: tuple[int, int]) -> Iterator[None]:
    """Carries bytes between two masters, in a thread, until the context ends."""
    stop_read, stop_write = os.pipe()

    def pump() -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(stop_read, selectors.EVENT_READ)
            for near, far in (ends, ends[::-1]):
                selector.register(near, selectors.EVENT_READ, far)
            while all(key.fd != stop_read and _carry(key) for key, _ in selector.select()):
                pass

    thread = threading.Thread(target=pump, name="wire")
    thread.start()
    try:
        yield
    finally:
        os.close(stop_write)
        thread.join()
        os.close(stop_read)


def _carry(key: selectors.SelectorKey) -> bool:
    data = os.read(key.fd, _CHUNK_BYTES)
    while data:
        data = data[os.write(key.data, data) :]
    return True


@pytest.fixture
def crossed() -> Iterator[Crossed]:
    """The two ports; fails at once, and says why, when JIAHE_HW_PORTS names no two ports."""
    if named := os.environ.get("JIAHE_HW_PORTS"):
        paths = [path.strip() for path in named.split(",")]
        assert len(paths) == 2, f"JIAHE_HW_PORTS={named!r}: two paths with a comma between them"
        yield Crossed(paths[0], paths[1], real=True)
        return
    with ExitStack() as stack:
        ends = PseudoTerminal(), PseudoTerminal()
        # Held open, so that a port which closes does not hang the far end's master up.
        held = [os.open(end.path, os.O_RDWR | os.O_NOCTTY) for end in ends]
        for descriptor in held:
            stack.callback(os.close, descriptor)
        for end in ends:
            stack.callback(end.unplug)
        stack.enter_context(_pumped((ends[0].master, ends[1].master)))
        yield Crossed(ends[0].path, ends[1].path, real=False)


@pytest.fixture
def terminal() -> Iterator[PseudoTerminal]:
    """One pseudo-terminal, also beside real ports: it can be unplugged, and left unread."""
    end = PseudoTerminal()
    yield end
    end.unplug()
