"""One gateway of a simulated world: the real sealing, buffer, uplink and data plan on a fake disk.

Its disk outlives its runs; a run's books say what the plant showed and which block took it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer import BufferConfig
from gateway.buffer.sets import file_bytes
from gateway.catalog import CatalogMade
from gateway.clock import Anchors
from gateway.config.units import Rate
from gateway.sealing import REVISION
from gateway.uplink import Uplink, UplinkConfig
from gateway.uplink.budget import message_bytes
from gateway.uplink.keptbudget import KeptBudget
from gateway.uplink.ways import Way
from native.block.seal import Sealed, Sealer, decompress
from tests.kit.fake_channel import FakeChannel
from tests.kit.fake_disk import FakeDisk
from tests.kit.virtual_time import VirtualClock
from tests.sim import plant
from tests.sim.plant import SECOND, Layout, Plant
from tests.sim.receiver import Reply, Stream

if TYPE_CHECKING:
    from tests.sim.world import World

SEAL_NS = SECOND // 2
#: While draining only gaps are sealed, and rarely, so that the slowest link gets through.
DRAIN_SEAL_NS = 10 * SECOND
#: Never used up in a history; its count must outlive everything but a failed disk.
DATA_BUDGET = Rate(1 << 40, "month")


class TrueClock(VirtualClock):
    """A virtual clock that the kernel vouches for."""

    def utc_error_ns(self) -> int | None:
        return 10_000_000


@dataclass
class Books:
    """Of one run: its plant; the block that took each tick of a group, and each pushed value; of
    each block the ticks of each group, the values, and its bytes; and the blocks that were the
    first after a loss. Ranges end before their second number.
    """

    plant: Plant
    ticks: dict[int, list[int]]
    events: list[int] = field(default_factory=list)
    blocks: dict[int, dict[int, tuple[int, int]]] = field(default_factory=dict)
    of_events: dict[int, tuple[int, int]] = field(default_factory=dict)
    sealed: dict[int, bytes] = field(default_factory=dict)
    after_loss: set[int] = field(default_factory=set)


class EventSealer(Sealer):
    """The sealer, with the pushed values that a driver of a later protocol will bring: the first
    block of a seal has them beside its rows, and says so in its head. What is in the row stores was
    scanned just now, whatever this machine's own clock says.
    """

    books: Books
    now_ns: Callable[[], int]

    def seal(
        self, epoch: int, seq: int, revision: int, extra: bytes = b"", always: bool = False
    ) -> list[Sealed]:
        books = self.books
        first, until = len(books.events), len(books.plant.events)
        if first < until:
            run = books.plant.event_run(first)
            extra += pb.BlockPayload(runs=[run]).SerializeToString()
        blocks = super().seal(epoch, seq, revision, extra, always)
        assert len(blocks) <= 1, "so little never fills a block"
        for block in blocks:
            block.oldest_ns = self.now_ns()
        if first < until:
            head = pb.Block.FromString(blocks[0].data)
            taken = sum(one is not None for one in books.plant.events[first:])
            head.samples += taken
            head.needs.append(pb.FEATURE_EVENTS)
            blocks[0].data = head.SerializeToString()
            blocks[0].samples += taken
            books.events.extend([seq] * (until - first))
            books.of_events[seq] = (first, until)
        books.sealed.update((block.seq, block.data) for block in blocks)
        return blocks


class Box:
    """`start` begins a run, `stop` ends it wherever it is; `on` says which of them was last."""

    def __init__(self, name: str, world: World) -> None:
        rng = world.rng
        self.name, self.world, self.rng = name, world, rng
        self.address, self.machine = f"{name}:1", b"machine of " + name.encode().ljust(5)
        self.disk = FakeDisk()
        self.layout = Layout(
            devices=rng.choice([1, 1, 2, 4]),
            pushes=rng.random() < 0.5,
            meter=rng.random() < 0.05,
            large=rng.random() < 0.01,
        )
        self.limits = {
            "max_bytes": 2 * self._sets_bytes() + rng.choice([0, 4000, 10_000, 1 << 30]),
            "segment_bytes": rng.choice([300, 2000, 1 << 20]),
            "memory_bytes_max": rng.choice([1500, 1 << 20]),
            "when_full": rng.choice(["drop_oldest", "drop_oldest", "drop_newest"]),
        }
        self.is_metered = rng.random() < 0.3
        self.send_every_ns = rng.choice([0, SECOND, 5 * SECOND])
        self.delay_s = rng.choice([0.01, 0.4, 1.5])
        self.runs: dict[int, Books] = {}
        self.durable: set[tuple[int, int]] = set()  # what a crash must not take
        self.forgotten: set[int] = set()  # runs that an older image of the disk knows nothing of
        self.image: tuple[FakeDisk, set[int]] | None = None
        self.disk_failed = self.scanning = False
        self.rotten = 0  # bits that flipped
        self.boots = self.carried = 0  # carried: bytes over the SIM card, as the plan should count
        self._tasks: list[asyncio.Task[None]] = []
        self.on = False
        self._connect()

    def _connect(self) -> None:
        self.channel = FakeChannel(self._accept, self.rng, delay_s=self.delay_s)
        self.channel.carry = self._carry

    def clone(self) -> Box:
        """The same card in another box, which names its hardware or, by turns, does not."""
        other = Box.__new__(Box)
        other.__dict__.update(self.__dict__)
        other.address, other.machine = f"{self.name}:2", b"another machine " * (self.boots % 2)
        other.disk = self.disk.copy()
        other.runs, other.durable, other.forgotten = {}, set(), set()
        other.carried, other.boots, other.on, other._tasks = 0, 1000, False, []
        other._connect()
        return other

    def _catalog(self) -> CatalogMade:
        """The configuration changes now and then."""
        return plant.catalog(self.layout, f"site {self.boots // 3 % 2}")

    def _sets_bytes(self) -> int:
        """What a catalog takes of the buffer's room."""
        made = plant.catalog(self.layout, "site 0")
        return sum(file_bytes(len(one)) for one in (made.content, *made.tag_sets.values()))

    def _accept(self, reply: Reply) -> Stream | None:
        if not self.world.up:
            return None
        stream = self.world.receiver.accept(reply, self.address)
        channel = self.channel

        def is_open() -> bool:
            now = channel.stream
            return now is not None and now.peer is stream and not now.is_broken

        def hang_up() -> None:
            if is_open():
                channel.cut()

        stream.is_open, stream.hang_up = is_open, hang_up
        return stream

    def _carry(self, size: int) -> None:
        self.carried += message_bytes(size)

    def _on_disk(self, function: Callable[[], object]) -> asyncio.Future[object]:
        """RunBlocking without a thread: done at once, now and then only after a while."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[object] = loop.create_future()

        def work() -> None:
            try:
                result = function()
            except (OSError, ValueError) as error:
                if not done.cancelled():
                    done.set_exception(error)
            else:
                if not done.cancelled():
                    done.set_result(result)

        if self.on and self.rng.random() < 0.1:
            loop.call_later(self.rng.random() * 0.05, work)
        else:
            work()
        return done

    async def boot(self) -> None:
        """Power comes."""
        self.boots += 1
        self.clock = TrueClock(f"{self.address}-{self.boots}", self.world.utc_now_ns())
        await self.start()

    async def start(self) -> None:
        world, clock, rng = self.world, self.clock, self.rng
        anchors = Anchors(clock)
        config = BufferConfig(self.name, free_bytes_min=0, **self.limits)  # type: ignore[arg-type]
        self.buffer = await world.buffer_class.open(
            self.disk, clock, self._on_disk, config, decompress, anchors.utc_ns
        )
        self.epoch = self.buffer.open_epoch(clock.boot_id, clock.now_ns(), rng.getrandbits)
        made = self._catalog()
        self.buffer.put_catalog(REVISION, made.content, made.tag_sets)
        way = Way(self.channel)
        if self.is_metered:
            data_plan = await KeptBudget.open(
                DATA_BUDGET, self.disk, self._on_disk, clock, anchors.utc_ns
            )
            way = Way(self.channel, data_plan)
            counted = data_plan.snapshot()["used_bytes"]
            assert self.disk_failed or counted >= self.carried, f"{counted} of {self.carried}"
        self.uplink = Uplink(
            UplinkConfig(self.name, "sim", "sim", self.send_every_ns, self.machine),
            clock=clock, ways=[way], buffer=self.buffer, uniform=rng.uniform,
            platform_time=anchors.platform_said, join=world.join, run_blocking=self._on_disk,
            wants_time=lambda: anchors.wants_platform(clock.now_ns()),
        )  # fmt: skip
        shown = Plant(rng, clock.now_ns() + SECOND, self.layout)
        self.books = self.runs[self.epoch] = Books(shown, {n: [] for n in shown.plans})
        self.sealing = world.sealing_class(
            shown.groups, self.epoch, SEAL_NS, self.buffer, anchors, clock, self.uplink.wake
        )
        sealer = EventSealer(shown.groups)
        sealer.books, sealer.now_ns = self.books, clock.now_ns
        self.sealing._sealer = sealer
        self.sealing.begin()
        self.scanning = self.on = True
        parts = (self.buffer.run(), self.uplink.run(), self._scan())
        self._tasks = [asyncio.ensure_future(part) for part in parts]

    def seal(self, *, end: bool = False) -> None:
        books, buffer = self.books, self.buffer
        last = buffer.last_seq
        if buffer.to_tell.lost_here:
            books.after_loss.add(last + 1)
        self.sealing.seal(end=end)
        for seq in range(last + 1, buffer.last_seq + 1):
            books.blocks[seq] = {}
        for group, rows in books.plant.rows.items():
            took = books.ticks[group]
            if len(took) < len(rows):
                books.blocks[last + 1][group] = (len(took), len(rows))
                took.extend([last + 1] * (len(rows) - len(took)))
        self._audit()

    def _audit(self) -> None:
        """The box's own books come out even at any moment."""
        said = self.buffer.books()
        told = said.acked_scans + said.buffered_scans + said.memory_scans + said.lost_scans
        assert told == self.sealing.scans, f"the books: {said}, {self.sealing.scans} sampled"

    async def _scan(self) -> None:
        while True:
            now_ns = self.clock.now_ns()
            await self.clock.sleep_until(now_ns + (SEAL_NS if self.scanning else DRAIN_SEAL_NS))
            if self.scanning:
                self.books.plant.scan(self.clock.now_ns())
            if self.scanning or self.buffer.gaps_pending:
                self.seal()

    async def stop(self) -> None:
        """The process is no more, wherever it was."""
        if not self.on:
            return
        self.on = False
        self.durable |= {
            (number, seq)
            for number, epoch in self.buffer.index.epochs.items()
            for seq in epoch.live.numbers()
            if seq not in epoch.ram
        }
        for task in self._tasks:
            task.cancel()
        for error in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(error, BaseException) and not isinstance(error, asyncio.CancelledError):
                raise error
        self.channel.cut()

    # ---- what happens to it ----------------------------------------------------------------

    async def cut(self) -> None:
        """The stream breaks."""
        self.channel.cut()

    async def power_cut(self) -> None:
        await self.stop()
        self.disk = self.disk.crash(self.rng)
        await self.boot()

    async def kill(self) -> None:
        """The process dies, the kernel lives: what was written is there."""
        await self.stop()
        self.disk = self.disk.copy()
        await self.start()

    async def restart(self) -> None:
        """A clean stop."""
        self._tasks.pop().cancel()  # no scan comes any more
        self.books.plant.scan(self.clock.now_ns())
        self.seal()
        self.seal(end=True)
        await self.buffer.flush()
        await self.stop()
        await self.buffer.close()
        await self.uplink.close()
        await self.start()
