"""The whole chain in virtual time: row stores, sealer, buffer, uplink, bundles; sessions and store.

Replaced are the clock, the box's disk, the wire, and the plant that is scanned (`plant`). One seed
is one history. Three books: what the plant showed, what the box sealed, and what lies in the store,
read by SQL and by the short reader of proto/, not by the code under test.
"""

from __future__ import annotations

import asyncio
import errno
import random
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from gateway.buffer import Buffer, BufferConfig
from gateway.buffer.sets import file_bytes
from gateway.clock import Anchors
from gateway.sealing import REVISION, Sealing
from gateway.uplink import Uplink, UplinkConfig
from ingest.session import FEATURES
from native.block import decompress
from native.bundle import bundle
from tests.kit.fake_channel import FakeChannel
from tests.kit.fake_disk import FakeDisk
from tests.kit.virtual_time import VirtualClock, inline
from tests.sim.plant import Plant
from tests.sim.receiver import Receiver, Reply, Stream

SECOND = 10**9
SEAL_NS = SECOND // 2
DRAIN_SEAL_NS = 10 * SECOND
DRAIN_S_MAX = 3600


class TrueClock(VirtualClock):
    """A virtual clock that the kernel vouches for."""

    def utc_error_ns(self) -> int | None:
        return 10_000_000


@dataclass
class Books:
    """Of one run: the plant that it scanned; of each block the ticks that it took, by group; and
    the blocks that were the first after a loss.
    """

    plant: Plant
    blocks: dict[int, list[tuple[int, int, int]]] = field(default_factory=dict)
    after_loss: set[int] = field(default_factory=set)


class Box:
    """One gateway: its disk outlives its runs."""

    def __init__(self, name: str, whole: Whole) -> None:
        rng = whole.rng
        self.name, self.whole, self.rng = name, whole, rng
        self.disk = FakeDisk()
        self.channel = FakeChannel(self._accept, rng, delay_s=rng.choice([0.01, 0.4, 1.5]))
        self.devices = rng.choice([1, 2, 4])
        self.limits = {
            "max_bytes": self._sets_bytes() + rng.choice([0, 4000, 1 << 30]),
            "segment_bytes": rng.choice([2000, 1 << 20]),
            "when_full": rng.choice(["drop_oldest", "drop_newest"]),
        }
        self.send_every_ns = rng.choice([0, SECOND, 5 * SECOND])
        self.machine = b"machine of " + name.encode().ljust(5)
        self.runs: dict[int, Books] = {}
        self.boots = 0
        self.scanning = True
        self._tasks: list[asyncio.Task[None]] = []

    def _sets_bytes(self) -> int:
        """What the catalogs of two sites take of the buffer's room."""
        made = Plant(self.rng, 0, self.devices).catalog("site 0")
        sizes = [len(made.content), *map(len, made.tag_sets.values())]
        return 2 * sum(map(file_bytes, sizes))

    def _accept(self, reply: Reply) -> Stream | None:
        return self.whole.receiver.accept(reply, f"{self.name}:1") if self.whole.up else None

    async def start(self) -> None:
        whole = self.whole
        self.boots += 1
        self.clock = TrueClock(f"{self.name}-{self.boots}", utc_at_boot_ns=whole.utc_now_ns())
        anchors = Anchors(self.clock)
        config = BufferConfig(self.name, free_bytes_min=0, **self.limits)  # type: ignore[arg-type]
        self.buffer = await whole.buffer_class.open(
            self.disk, self.clock, inline, config, decompress, anchors.utc_ns
        )
        now_ns = self.clock.now_ns()
        epoch = self.buffer.open_epoch(self.clock.boot_id, now_ns, self.rng.getrandbits)
        plant = Plant(self.rng, now_ns + SECOND, self.devices)
        self.books = self.runs[epoch] = Books(plant)
        made = plant.catalog(f"site {self.boots // 3}")  # the file changes now and then
        self.buffer.put_catalog(REVISION, made.content, made.tag_sets)
        self.uplink = Uplink(
            UplinkConfig(self.name, "sim", "sim", self.send_every_ns, self.machine),
            clock=self.clock, channel=self.channel, buffer=self.buffer, uniform=self.rng.uniform,
            platform_time=anchors.platform_said, join=whole.join, run_blocking=inline,
        )  # fmt: skip
        self.sealing = whole.sealing_class(
            plant.groups, epoch, SEAL_NS, self.buffer, anchors, self.clock, self.uplink.wake
        )
        self.sealing.begin()
        parts = (self.buffer.run(), self.uplink.run(), self._scan())
        self._tasks = [asyncio.ensure_future(part) for part in parts]

    def seal(self, *, end: bool = False) -> None:
        before, last = [*self.books.plant.sealed], self.buffer.last_seq
        if self.buffer.ledger.lost_here:
            self.books.after_loss.add(last + 1)
        self.sealing.seal(end=end)
        taken = [
            (group, first, until)
            for group, (first, until) in enumerate(
                zip(before, self.books.plant.next_tick, strict=True), 1
            )
        ]
        self.books.plant.sealed = [*self.books.plant.next_tick]
        for seq in range(last + 1, self.buffer.last_seq + 1):
            self.books.blocks[seq] = taken if seq == last + 1 else []

    async def _scan(self) -> None:
        while True:
            now_ns = self.clock.now_ns()
            await self.clock.sleep_until(now_ns + (SEAL_NS if self.scanning else DRAIN_SEAL_NS))
            if self.scanning:
                self.books.plant.scan(self.clock.now_ns())
            if self.scanning or self.buffer.gaps_pending:
                self.seal()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        for error in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(error, BaseException) and not isinstance(error, asyncio.CancelledError):
                raise error
        self.channel.cut()

    # ---- what happens to it ----------------------------------------------------------------

    async def power_cut(self) -> None:
        await self.stop()
        self.disk = self.disk.crash(self.rng)
        await self.start()

    async def kill(self) -> None:
        await self.stop()
        self.disk = self.disk.copy()
        await self.start()

    async def restart(self) -> None:
        self.books.plant.scan(self.clock.now_ns())
        self.seal()
        self.seal(end=True)
        await self.buffer.flush()
        await self.stop()
        await self.buffer.close()
        await self.start()

    async def cut(self) -> None:
        self.channel.cut()

    async def half_open(self) -> None:
        if self.channel.stream is not None:
            self.channel.stream.stalled = True

    async def bad_disk(self) -> None:
        def fail(operation: str) -> None:
            if operation != "read":
                raise OSError(errno.EIO, "Input/output error")

        self.disk.fail = fail
        await self.whole.wait(self.rng.expovariate(0.1))
        self.disk.fail = lambda operation: None


def held(sql: sqlite3.Connection) -> set[tuple[str, int, int]]:
    return set(sql.execute("SELECT gateway, epoch, seq FROM blocks"))


class Whole:
    """A receiver and its boxes."""

    buffer_class: type[Buffer] = Buffer
    sealing_class: type[Sealing] = Sealing
    receiver_class: type[Receiver] = Receiver
    join = staticmethod(bundle)

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.receiver = self.receiver_class()
        self.receiver.utc_ns = self.utc_now_ns
        self.up = True
        self.backup: sqlite3.Connection | None = None
        self.boxes = [Box(f"gw-{n}", self) for n in range(self.rng.choice([1, 1, 2]))]
        self.faults: list[str] = []
        self.taken_back: set[tuple[str, int, int]] = set()  # from the platform; no box recalls

    @staticmethod
    def utc_now_ns() -> int:
        return 1_790_000_000 * SECOND + round(asyncio.get_running_loop().time() * 1e9)

    async def wait(self, seconds: float) -> None:
        clock = self.boxes[0].clock
        await clock.sleep_until(clock.now_ns() + round(seconds * 1e9))

    async def run(self, events: int) -> None:
        """The history, then everything is mended and drained."""
        for box in self.boxes:
            await box.start()
        for _ in range(events):
            await self.wait(self.rng.expovariate(0.5))
            name, fault = self.rng.choice(self._faults())
            self.faults.append(name)
            await fault()
        self.up, self.receiver.holding, self.receiver.features = True, False, FEATURES
        self.receiver.software = "real, mended"
        for box in self.boxes:
            box.disk.fail = lambda operation: None
            box.scanning = False
            await box.power_cut()
        for _ in range(DRAIN_S_MAX // 5):
            await self.wait(5)
            for stream in self.receiver.streams:
                stream.acknowledge()
            if not any(b.buffer.live_blocks or b.buffer.gaps_pending for b in self.boxes):
                return
        left = [box.buffer.live_blocks for box in self.boxes]
        raise AssertionError(f"{left} blocks never drained; {self.receiver.refused[-3:]}")

    async def stop(self) -> None:
        for box in self.boxes:
            await box.stop()

    def _faults(self) -> list[tuple[str, Callable[[], Awaitable[None]]]]:
        box = self.rng.choice(self.boxes)
        of_box = [
            box.power_cut, box.power_cut, box.kill, box.restart, box.cut, box.half_open,
            box.bad_disk,
        ]  # fmt: skip
        ours = [
            self.outage,
            self.hold,
            self.other_version,
            self.reboot,
            self.back_up,
            self.put_back,
        ]
        return [(f"{one.__name__} {box.name}", one) for one in of_box] + [
            (one.__name__, one) for one in ours
        ]

    async def outage(self) -> None:
        self.up = False
        for box in self.boxes:
            box.channel.cut()
        await self.wait(self.rng.expovariate(0.02))
        self.up = True

    async def hold(self) -> None:
        """The store is slow, or no more."""
        self.receiver.holding = not self.receiver.holding
        for stream in self.receiver.streams:
            stream.acknowledge()

    async def other_version(self) -> None:
        """The platform is upgraded, or put back to an older version."""
        some = self.rng.sample(sorted(FEATURES), self.rng.randint(0, len(FEATURES)))
        self.receiver.features = frozenset(some)
        self.receiver.software = f"real {self.rng.random()}"
        await self.reboot()

    async def reboot(self) -> None:
        self.receiver.restarted()
        for box in self.boxes:
            box.channel.cut()

    async def back_up(self) -> None:
        self.backup = self.receiver.backup()

    async def put_back(self) -> None:
        """The platform's store is put back to an older state."""
        if self.backup is not None:
            before = held(self.receiver.sql)
            self.receiver.restore(self.backup)
            remembered = {(box.name, run) for box in self.boxes for run in box.buffer.index.epochs}
            self.taken_back |= {
                (name, run, seq)
                for name, run, seq in before - held(self.receiver.sql)
                if (name, run) not in remembered
            }
            self.backup = None
            for box in self.boxes:
                box.channel.cut()
