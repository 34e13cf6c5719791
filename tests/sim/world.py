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
from ingest import session
from native.bundle import bundle
from tests.kit.blocks import SETS_BYTES, block, no_zstd, put_catalog
from tests.kit.fake_channel import FakeChannel
from tests.kit.fake_disk import FakeDisk
from tests.kit.virtual_time import VirtualClock, inline
from tests.sim.real_platform import GATEWAY, Peer, Receiver

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
        self.platform_clock = VirtualClock()
        self.platform = Receiver(self.rng.choice([500, 2000, 1 << 20]), self.platform_clock.utc_ns)
        self.platform.hang_up = self._hang_up
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

    def _accept(self, reply: Callable[[bytes], None]) -> Peer:
        return self.platform.accept(reply)

    def _hang_up(self, peer: Peer) -> None:
        if self.channel.stream is not None and self.channel.stream.peer is peer:
            self.channel.cut()

    def _carry(self, size: int) -> None:
        self.carried += message_bytes(size)

    # ---- the box ---------------------------------------------------------------------------

    async def start(self) -> None:
        self.boots += 1
        self.clock = VirtualClock(f"boot-{self.boots}")
        config = BufferConfig(GATEWAY, free_bytes_min=0, **self.limits)  # type: ignore[arg-type]
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
            UplinkConfig(
                GATEWAY, "fake", "sim", send_every_ns=self.send_every_ns, machine=b"box" * 5 + b"."
            ),
            clock=self.clock,
            channel=self.channel,
            buffer=self.buffer,
            uniform=self.rng.uniform,
            platform_time=lambda utc, asked, answered: None,
            join=bundle,
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
            begin=buffer.begin(0) if buffer.last_seq == 0 else None,
            needs=sorted(buffer.features & {int(pb.FEATURE_PLAIN_FLOATS)}),
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
        self.platform.features, self.platform.software = session.FEATURES, "receiver 9"
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
        """The platform is replaced by a newer one, or by an older, which lacks features."""
        known = [frozenset[int](), frozenset({int(pb.FEATURE_BUNDLES)}), session.FEATURES]
        self.platform.features = self.rng.choice(known)
        self.platform.software = f"receiver {self.rng.random()}"
        self.channel.cut()

    async def clone(self) -> None:
        """Another machine tries to speak under the box's id, and is gone."""
        said: list[bytes] = []
        peer = self.platform.accept(said.append)
        hello = pb.Hello(
            protocol_min=1, protocol_max=1, gateway=GATEWAY, epoch=self.buffer.epoch ^ 1,
            boot_id="its boot", installation=b"i" * 16, machine=b"another machine.",
        )  # fmt: skip
        peer.receive(pb.StreamRequest(hello=hello).SerializeToString())

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

    async def back_up(self) -> None:
        self.platform.back_up()

    async def restore(self) -> None:
        """The platform goes back to its backup."""
        if self.platform.restore():
            self.channel.cut()


FAULTS = [
    World.crash, World.crash, World.kill, World.restart, World.cut, World.outage, World.outage,
    World.half_open, World.hold_acks, World.bad_disk, World.bad_sync, World.rot, World.back_up,
    World.back_up, World.restore, World.restore, World.upgrade, World.upgrade, World.clone,
]  # fmt: skip
