"""The link to a simulated S7 CPU in virtual time, with the driver in it.

    cpu = Cpu([SimTag("speed", parse("DB12.DBD4"), "float32")], every_ms=200)
    cpu.run(10_000)
    cpu.rows()

The CPU is drivers/s7/simulator's; what becomes of its answers on their way is said here.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping, Sequence
from heapq import heappop, heappush
from itertools import count
from typing import Any, NamedTuple

from drivers.api import DeviceSpec, LinkSpec, TagSpec
from drivers.s7.planner import plan_device
from drivers.s7.simulator import Plc, SimTag
from drivers.scan import NativeRunner, open_links
from native.engine.rig import Rig
from tests.kit.scans import Box

MS = 1_000_000
SEAL_MS = 250
_SETUP = 0xF0
_CONFIRM = bytes([3, 0, 0, 11, 6, 0xD0, 0, 1, 0, 1, 0])


class Row(NamedTuple):
    """One tag's entry: when its scan was, its value as the platform has it or None, its quality."""

    tag: str
    at_ms: float
    value: str | None
    quality: int


def tpkt(payload: bytes, last: bool = True) -> bytes:
    """One TPKT with a COTP data head."""
    head = bytes([2, 0xF0, 0x80 if last else 0])
    return b"\x03\0" + (7 + len(payload)).to_bytes(2, "big") + head + payload


class Cpu:
    """`link`: more of the link's specification; `own`: the device's own keys."""

    def __init__(
        self,
        tags: Sequence[SimTag],
        every_ms: int = 200,
        *,
        link: Mapping[str, Any] | None = None,
        own: Mapping[str, Any] | None = None,
    ) -> None:
        self.plc = Plc(tags)
        #: What an answer takes, in ms; None: it never comes.
        self.takes: Callable[[], float | None] = lambda: 1.0
        #: Whether a called TSAP is hung up on.
        self.refuses: Callable[[int], bool] = lambda _: False
        #: What comes behind each fragment but the last.
        self.broken_by = b""
        #: What comes in front of each answer of the handshake, at once.
        self.led_by = b""
        #: Of everything that was sent, connection by connection: the references of its requests.
        self.references: list[int] = []
        spec = LinkSpec("cell4", "tcp", host="127.0.0.1", tcp_port=102, **(link or {}))
        told: Any = (
            TagSpec(t.name, str(t.address), t.type, every_ms * MS, length=t.length)  # type: ignore[arg-type]
            for t in tags
        )
        device = DeviceSpec("plc", spec, "s7", tuple(told), own=tuple((own or {}).items()))
        plan = plan_device(device)
        opened = open_links([(spec, [plan])], 1, {})
        (runner,) = opened.runners
        assert isinstance(runner, NativeRunner)
        self.runner = runner
        self.box = Box(plan.groups, groups=opened.groups)
        self.native = runner.buses[0].link
        self.rig = Rig(self.native)
        self.start_ns = self.rig.now
        self._events: list[tuple[int, int, int, Callable[[], None]]] = []
        self._order = count()
        self._sent = b""
        self._connections = 0
        self._found: list[Row] = []
        self.at(SEAL_MS, self._seal)
        self.rig.open()

    @property
    def now_ms(self) -> float:
        """Since the first tick."""
        return (self.rig.now - self.start_ns) / MS

    @property
    def connections(self) -> int:
        """How many were begun."""
        return self.rig.opened

    def at(self, ms: float, act: Callable[[], None]) -> None:
        """Call `act` then, since the first tick."""
        self._at_ns(self.start_ns + round(ms * MS), act, -1)

    def run(self, until_ms: float) -> None:
        """Until then, since the first tick."""
        until = self.start_ns + round(until_ms * MS)
        while self.rig.now < until:
            first = min(until, self._events[0][0])
            sent = self.rig.wait(max(first, self.rig.now))
            if self.rig.opened != self._connections:
                self._connections, self._sent = self.rig.opened, b""
            self._sent += sent
            while len(self._sent) >= 4 and len(self._sent) >= (size := self._size()):
                frame, self._sent = self._sent[:size], self._sent[size:]
                self._heard(frame)
            while self._events and self._events[0][0] <= self.rig.now:
                _, _, connection, act = heappop(self._events)
                if connection in (-1, self.rig.opened):
                    act()

    def rows(self, since_ms: float = 0) -> list[Row]:
        """Of scans since then."""
        self._take()
        return [row for row in self._found if row.at_ms >= since_ms]

    def hang_up(self) -> None:
        """The CPU ends the connection."""
        self.rig.hang_up(errno.ECONNRESET)

    def finish(self) -> None:
        """End as a loop does: each tick is a row or in a gap."""
        self.rig.finish()
        self._take()
        for number, group in enumerate(self.box.groups):
            due, accounted = group.scanned()
            assert due == accounted
            assert [tick for tick, _ in self.box.accounted(number + 1)] == list(range(due))

    def _size(self) -> int:
        return int.from_bytes(self._sent[2:4], "big")

    def _at_ns(self, ns: int, act: Callable[[], None], connection: int) -> None:
        heappush(self._events, (ns, next(self._order), connection, act))

    def _heard(self, frame: bytes) -> None:
        if frame[5] == 0xE0:
            if self.refuses(int.from_bytes(frame[20:22], "big")):
                self._at_ns(self.rig.now + MS, self.hang_up, self.rig.opened)
            else:
                self._reply(_CONFIRM, at_once=True)
            return
        self.references.append(int.from_bytes(frame[11:13], "big"))
        pdu, size = self.plc.answer(frame[7:]), self.plc.faults.fragment or 1 << 16
        pieces = [pdu[n : n + size] for n in range(0, len(pdu), size)]
        last = len(pieces) - 1
        data = self.broken_by.join(tpkt(each, n == last) for n, each in enumerate(pieces))
        self._reply(data, at_once=frame[17] == _SETUP)

    def _reply(self, data: bytes, *, at_once: bool) -> None:
        """`at_once`: of a handshake, which no answer time of the CPU's reads is of."""
        takes_ms = self.takes()
        data = self.led_by + data if at_once else data
        if takes_ms is not None:
            there = self.rig.now + round((1 if at_once else takes_ms) * MS)
            self._at_ns(there, lambda: self.rig.feed(data), self.rig.opened)

    def _seal(self) -> None:
        self._take()
        self.runner.buses[0].learn(self.rig.now)
        self.at(self.now_ms + SEAL_MS, self._seal)

    def _take(self) -> None:
        for one in self.box.seal():
            at_ms = (one.boot_ns - self.start_ns) / MS
            self._found.append(Row(one.tag, at_ms, one.value, one.quality))
