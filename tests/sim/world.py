"""One seed, one history: the real buffer and uplink in a world that fails, and its three books.

Sampled: what the simulated scanner made. On the box: what the buffer called durable. Stored: what
the platform holds. `check` compares them as the delivery promise says.
"""

from __future__ import annotations

import asyncio
import errno
import random
from collections.abc import Callable

from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer import Buffer, BufferConfig, SealedBlock
from gateway.config.units import Rate
from gateway.uplink import Uplink, UplinkConfig
from gateway.uplink.budget import message_bytes
from gateway.uplink.plan import DataPlan
from tests.kit.blocks import SETS_BYTES, block, join, no_zstd, put_catalog
from tests.kit.fake_channel import FakeChannel
from tests.kit.fake_disk import FakeDisk
from tests.kit.fake_platform import FakePlatform, PlatformPeer
from tests.kit.virtual_time import VirtualClock, inline

SECOND = 10**9
SEAL_NS = SECOND // 2
#: While draining only gaps are sealed, and rarely, so that the slowest link gets through.
DRAIN_SEAL_NS = 10 * SECOND
DRAIN_S_MAX = 3600
#: Never used up in a history; its count must outlive everything but a failed disk.
DATA_BUDGET = Rate(1 << 40, "month")


class World:
    """A box, a platform, and what happens to them."""

    def __init__(self, seed: int, buffer_class: type[Buffer] = Buffer) -> None:
        self.rng = random.Random(seed)
        self.buffer_class = buffer_class
        self.disk = FakeDisk()
        self.platform = FakePlatform(window_blocks=self.rng.choice([1, 2, 4, 16]))
        self.channel = FakeChannel(
            self._accept, self.rng, delay_s=self.rng.choice([0.01, 0.4, 1.5])
        )
        self.limits = {
            "max_bytes": 2 * SETS_BYTES + self.rng.choice([4000, 20_000, 1 << 30]),
            "segment_bytes": self.rng.choice([300, 2000, 1 << 20]),
            "memory_bytes_max": self.rng.choice([1500, 1 << 20]),
            "when_full": self.rng.choice(["drop_oldest", "drop_oldest", "drop_newest"]),
        }
        self.send_every_ns = self.rng.choice([0, SECOND, 5 * SECOND])
        self.sealed: dict[tuple[int, int], SealedBlock] = {}
        self.durable: set[tuple[int, int]] = set()  # what a crash must not take
        self.boots = 0
        self.scanning = True
        self.carried = 0  # over the SIM card, as the plan should count it
        self.disk_failed = False
        self.channel.carry = self._carry
        self.rotten = 0  # bits that flipped
        self.faults: list[str] = []
        self._tasks: list[asyncio.Task[None]] = []

    def _accept(self, reply: Callable[[bytes], None]) -> PlatformPeer:
        return self.platform.accept(reply)

    def _carry(self, size: int) -> None:
        self.carried += message_bytes(size)

    # ---- the box ---------------------------------------------------------------------------

    async def start(self) -> None:
        self.boots += 1
        self.clock = VirtualClock(f"boot-{self.boots}")
        self.platform.utc_ns = self.clock.utc_ns
        config = BufferConfig("gw-1", free_bytes_min=0, **self.limits)  # type: ignore[arg-type]
        clock = self.clock
        self.buffer = await self.buffer_class.open(
            self.disk, clock, inline, config, no_zstd, lambda now_ns: clock.utc_at_boot_ns + now_ns
        )
        self.buffer.open_epoch(self.clock.boot_id, self.clock.now_ns(), self.rng.getrandbits)
        put_catalog(self.buffer, f"site {self.boots // 3}")  # the file changes now and then
        utc_ns = self.clock.utc_at_boot_ns
        plan = await DataPlan.open(
            DATA_BUDGET, self.disk, inline, self.clock, lambda now_ns: utc_ns + now_ns
        )
        counted = plan.snapshot()["used_bytes"]
        assert self.disk_failed or counted >= self.carried, f"{counted} of {self.carried} counted"
        self.uplink = Uplink(
            UplinkConfig("gw-1", "fake", "sim", send_every_ns=self.send_every_ns),
            clock=self.clock,
            channel=self.channel,
            buffer=self.buffer,
            uniform=self.rng.uniform,
            platform_time=lambda utc, asked, answered: None,
            join=join,
            run_blocking=inline,
            plan=plan,
        )
        self._tick = self._sampled = 0
        parts = (self.buffer.run(), self.uplink.run(), self._scan())
        self._tasks = [asyncio.ensure_future(part) for part in parts]

    async def stop(self) -> None:
        """The process is no more, wherever it was."""
        self.durable |= {
            (number, seq)
            for number, epoch in self.buffer.index.epochs.items()
            for seq in epoch.live.numbers()
            if seq not in epoch.ram
        }
        for task in self._tasks:
            task.cancel()
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        for error in ended:
            if isinstance(error, BaseException) and not isinstance(error, asyncio.CancelledError):
                raise error

    def seal(self, *, last: bool = False) -> None:
        ticks = self.rng.randint(1, 5)
        buffer = self.buffer
        made = block(
            buffer.epoch,
            buffer.last_seq + 1,
            first_tick=self._tick,
            ticks=ticks,
            oldest_ns=self.clock.now_ns() - SEAL_NS,
            gaps=buffer.take_gaps(),
            end_of_epoch=last,
        )
        self._tick += ticks
        self._sampled += ticks
        self.sealed.setdefault((made.epoch, made.seq), made)
        buffer.put(made)
        self.uplink.wake()

    async def _scan(self) -> None:
        while True:
            await self.clock.sleep_until(
                self.clock.now_ns() + (SEAL_NS if self.scanning else DRAIN_SEAL_NS)
            )
            if self.scanning or self.buffer.gaps_pending:
                self.seal()
            books = self.buffer.books()
            told = books.acked_scans + books.buffered_scans + books.memory_scans + books.lost_scans
            assert told == self._sampled, f"the books: {books}, {self._sampled} sampled"

    # ---- what happens ----------------------------------------------------------------------

    async def run(self, events: int) -> None:
        await self.start()
        for _ in range(events):
            await self.wait(self.rng.expovariate(0.5))
            fault = self.rng.choice(FAULTS)
            self.faults.append(fault.__name__)
            await fault(self)
        self.disk.fail = lambda operation: None
        self.platform.holding = False
        if self.platform.reason != pb.REJECT_REASON_CONFLICT:
            self.platform.reject, self.platform.software = (lambda block: False), "fake 2"
        self.channel.up = True
        self.channel.cut()
        await self.crash()
        self.scanning = False
        for step in range(1, DRAIN_S_MAX // 5):
            await self.wait(5)
            if step % 60 == 0 and self.buffer.live_blocks:
                self.seal()  # what is taken beside it shows whose fault a conflict is
            if not self.buffer.live_blocks and not self.buffer.gaps_pending:
                return
        raise AssertionError(f"{self.buffer.live_blocks} blocks never drained")

    async def wait(self, seconds: float) -> None:
        await self.clock.sleep_until(self.clock.now_ns() + round(seconds * 1e9))

    async def crash(self) -> None:
        """A power cut."""
        await self.stop()
        self.channel.cut()
        self.disk = self.disk.crash(self.rng)
        await self.start()

    async def kill(self) -> None:
        """The process dies, the kernel lives: what was written is there."""
        await self.stop()
        self.channel.cut()
        self.disk = self.disk.copy()
        await self.start()

    async def restart(self) -> None:
        """A clean stop."""
        self.seal(last=True)
        await self.buffer.flush()
        await self.stop()
        self.channel.cut()
        await self.start()

    async def upgrade(self) -> None:
        """The platform's software changes, and what it knows."""
        bundles = [[], [int(pb.FEATURE_BUNDLES)]]
        self.platform.features = self.rng.choice(bundles)
        self.platform.software = f"fake {self.rng.random()}"
        self.channel.cut()

    async def cut(self) -> None:
        self.channel.cut()

    async def outage(self) -> None:
        self.channel.up = False
        self.channel.cut()
        await self.wait(self.rng.expovariate(0.1))
        self.channel.up = True

    async def half_open(self) -> None:
        if self.channel.stream is not None:
            self.channel.stream.stalled = True

    async def hold_acks(self) -> None:
        self.platform.holding = not self.platform.holding

    async def bad_disk(self) -> None:
        """Every write fails for a while."""
        self.disk_failed = True

        def fail(operation: str) -> None:
            if operation != "read":
                raise OSError(errno.EIO, "Input/output error")

        self.disk.fail = fail
        await self.wait(self.rng.expovariate(0.1))
        self.disk.fail = lambda operation: None

    async def bad_sync(self) -> None:
        """The next sync fails, and what it was for is gone."""
        self.disk_failed = True
        failures = iter([OSError(errno.EIO, "Input/output error")])

        def fail(operation: str) -> None:
            if operation == "sync" and (error := next(failures, None)):
                raise error

        self.disk.fail = fail

    async def reject(self) -> None:
        """The platform refuses one block: for good, or until it is another one."""
        reasons = [pb.REJECT_REASON_CONFLICT, pb.REJECT_REASON_UNSUPPORTED]
        self.platform.reason = self.rng.choice(reasons)
        victims: list[tuple[int, int]] = []

        def refuse(offered: pb.Block) -> bool:
            key = (offered.epoch, offered.seq)
            if not victims and key not in self.platform.blocks:
                victims.append(key)
            return key in victims

        self.platform.reject = refuse

    async def rot(self) -> None:
        """A power cut, and one bit of one file flips."""
        self.rotten += 1
        await self.stop()
        self.channel.cut()
        self.disk = self.disk.crash(self.rng)
        files = [(name, data) for name, data in sorted(self.disk.contents().items()) if data]
        if files:
            name, data = self.rng.choice(files)
            at = self.rng.randrange(len(data))
            flipped = bytes([data[at] ^ 1 << self.rng.randrange(8)])
            self.disk.replace(name, data[:at] + flipped + data[at + 1 :])
        await self.start()

    async def restore(self) -> None:
        """The platform goes back to a backup without some blocks of this run.

        Not those that carried gaps: what a settled gap said is known to the platform alone.
        """
        self.channel.cut()
        for epoch, seq in list(self.platform.blocks):
            carried = pb.BlockPayload.FromString(self.platform.blocks[epoch, seq].payload)
            plain = not carried.gaps and not carried.end_of_epoch
            if epoch == self.buffer.epoch and plain and self.rng.random() < 0.3:
                del self.platform.blocks[epoch, seq]


FAULTS = [
    World.crash, World.crash, World.kill, World.restart, World.cut, World.outage, World.outage,
    World.half_open, World.hold_acks, World.bad_disk, World.bad_sync, World.reject,
    World.rot, World.restore, World.upgrade,
]  # fmt: skip
