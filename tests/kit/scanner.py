"""The native loop on one link, its blocks read back, and the books that it must keep.

    with TcpSlave() as slave:
        scanner = Scanner(slave, (0, 100))
        with scanner.running():
            scanner.until(lambda: scanner.good() >= 20)
        scanner.check()

`check` is the whole promise at once: no value that another request brought, each tick of each
group exactly once as a row or in a gap, no tick forgotten at the end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any, NamedTuple

from drivers.api import DeviceSpec, Field, GroupPlan, LinkSpec, TagSpec
from drivers.modbus.request import Read, request_of
from drivers.modbus.station import station_of
from native.engine.link import Link
from native.engine.loop import Loop
from tests.kit.dtu import Dtu
from tests.kit.scans import GOOD, Box
from tests.kit.short import short_reader
from tests.kit.slave import Asked, SerialSlave, TcpSlave, UdpSlave

PERIOD_NS = 20_000_000
TIMEOUT_NS = 100_000_000
BAUD = 115_200
LOOKS, LOOK_S = 1500, 0.02
#: How long before a tick another master may have asked for what its row holds.
EARLY_NS = 100_000_000


class Row(NamedTuple):
    """One tag's entry, with the tick it belongs to."""

    device: str
    tag: str
    tick: int
    due_ns: int
    mid_ns: int
    value: str | None
    quality: int
    half_span_ns: int  # how far `mid_ns` may be off; what the run leaves out is under 1 ms


class NeverError(AssertionError):
    """What a test waited for did not come; says what came instead."""


def pairs(
    addresses: Sequence[int], *, period_ns: int = PERIOD_NS, device: str = "d1", count: int = 2
) -> GroupPlan:
    """A request of `count` registers for each address, and a tag for its first two: a value that
    tells its address and its request. With `count` 1 a value tells the address alone.
    """
    kind: Any = "uint32" if count > 1 else "uint16"
    tags = tuple(TagSpec(str(a), f"holding:{a}", kind, period_ns) for a in addresses)
    requests = tuple(request_of(Read(3, a, count)) for a in addresses)
    length = min(4, 2 * count)
    fields = tuple(Field(i, 0, kind, "ABCD", length, -1) for i in range(len(addresses)))
    return GroupPlan(device, period_ns, tags, requests, fields, scan_ns=0)


class Scanned:
    """What a link has read of devices whose values tell: its rows, and the promise held to them."""

    def __init__(
        self, plans: Sequence[GroupPlan], asked: Sequence[Asked], early_ns: int = 2_000
    ) -> None:
        """`asked`: every request that a device got, in order. `early_ns`: how long before its tick
        one may have been sent; times are in us.
        """
        self.box = Box(plans)
        self.rows: list[Row] = []
        self._asked, self._early_ns = asked, early_ns
        self._runs = 0
        self.types = {tag.name: tag.type for group in self.box.groups for tag in group.plan.tags}

    def collect(self) -> None:
        """Seal what was scanned into `rows`."""
        self.box.seal()
        for run in self.box.runs[self._runs :]:
            plan = self.box.groups[run.group - 1].plan
            ticks = short_reader().present(run.first_tick, run.ticks, run.skipped)
            late_us = short_reader().integrate(run.late_us, run.late_order, len(ticks))
            spans = run.half_span_us or [999] * len(ticks)
            tags = self.box.tags(plan)
            for tag, column in zip(tags, run.columns, strict=bool(ticks)):
                for at, _, value, quality in short_reader().entries(tag, column, len(ticks), ()):
                    due = run.first_due_ns + ticks[at] * plan.period_ns
                    when = (run.first_tick + ticks[at], due, due + late_us[at] * 1000)
                    told = (value, quality, spans[at] * 1000)
                    self.rows.append(Row(plan.device, tag.name, *when, *told))
        self._runs = len(self.box.runs)

    def good(self, *, after_ns: int = 0, tag: str = "", device: str = "") -> int:
        """How many good entries there are, due at `after_ns` or later."""
        return sum(
            row.quality == GOOD and row.due_ns >= after_ns
            for row in self.rows
            if (not tag or row.tag == tag) and (not device or row.device == device)
        )

    def qualities(self) -> Counter[int]:
        return Counter(row.quality for row in self.rows)

    def gaps(self, group: int = 1) -> Counter[int]:
        """Ticks without a row, by reason."""
        return Counter(reason for _, reason in self.box.accounted(group) if reason)

    def check(self) -> None:
        """No wrong value, no old one as new, every tick once. After its end."""
        for row in self.rows:
            if row.quality == GOOD:
                self._check_value(row)
            else:
                assert row.value is None or row.quality < 128, row
        for number, group in enumerate(self.box.groups, 1):
            due, accounted = group.scanned()
            assert due == accounted
            assert [tick for tick, _ in self.box.accounted(number)] == list(range(due))

    def _check_value(self, row: Row) -> None:
        assert row.value is not None
        number = int(row.value)
        if self.types[row.tag] == "uint16":  # its address is all that one register tells
            assert number == int(row.tag), f"{row} holds the value of {number}"
            return
        address, serial = divmod(number, 1 << 16)
        assert address == int(row.tag), f"{row} holds the value of {address}"
        asked: Asked = self._asked[serial - 1]
        assert row.device == f"d{asked.unit}", f"{row} is of {asked}"
        assert asked.address <= address < asked.address + asked.count, f"{row} is of {asked}"
        until_ns = row.mid_ns + row.half_span_ns + 3_000  # rounded three times
        assert row.due_ns - self._early_ns <= asked.at_ns <= until_ns, f"{row} is of {asked}: old"


class Scanner(Scanned):
    """One link to one slave, with one device a unit."""

    def __init__(
        self,
        slave: SerialSlave | TcpSlave | UdpSlave | Dtu,
        addresses: Sequence[int] = (0, 100),
        *,
        devices: Mapping[int, Sequence[GroupPlan]] | None = None,
        **more: Any,
    ) -> None:
        """Unit 1 with one group of `pairs(addresses)`, or `devices`: the plans of each unit, the
        unit's device named d and its number. `more` as LinkSpec has it.
        """
        plans = devices or {1: [pairs(addresses, device="d1")]}
        told: dict[str, Any] = {"timeout_ns": TIMEOUT_NS}
        if isinstance(slave, SerialSlave):
            told |= {"type": "serial", "port": str(slave.path), "baud": BAUD}
        elif isinstance(slave, Dtu):
            told |= {"type": "listen", "host": "127.0.0.1", "tcp_port": slave.port}
            told |= {"register": slave.register, "heartbeat": slave.heartbeat}
        else:
            kind = "udp" if isinstance(slave, UdpSlave) else "tcp"
            told |= {"type": kind, "host": "127.0.0.1", "tcp_port": slave.port}
        self.slave = slave
        asked_early_ns = EARLY_NS if more.get("listen_only") else 2_000
        super().__init__(
            [plan for own in plans.values() for plan in own], slave.asked, asked_early_ns
        )
        self.spec = spec = LinkSpec("l", **told | more)
        groups = iter(self.box.groups)
        framing: Any = slave.framing
        self._devices = [
            (
                DeviceSpec(f"d{unit}", spec, "modbus", own[0].tags, unit, framing),
                [next(groups) for _ in own],
            )
            for unit, own in plans.items()
        ]
        self.link_anew()
        self.peers: list[str] = []  # of the connections that were offered

    def link_anew(self) -> None:
        """Another link with the same groups; before `running`."""
        self.link = Link(self.spec, [(station_of(d), groups) for d, groups in self._devices])
        self.loop = Loop([self.link])

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = Thread(target=self.loop.run, name="scan")
        thread.start()
        try:
            yield
        finally:
            self.loop.stop()
            thread.join()
            self.collect()

    def until(self, enough: Callable[[], bool]) -> None:
        """Look again and again. Raises NeverError."""
        pause = Event()
        for _ in range(LOOKS):
            self.collect()
            if enough():
                return
            pause.wait(LOOK_S)
        raise NeverError(f"{self.qualities()} {self.book}")

    @property
    def book(self) -> dict[str, Any]:
        """The link's counters."""
        return self.link.snapshot()
