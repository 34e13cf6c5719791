"""The whole chain in virtual time: row stores, sealer, buffer, uplink, bundles; sessions and store.

Replaced are the clock, the box's disk, the wire, and the plant that is scanned (`plant`). One seed
is one history. Three books: what the plant showed, what the box sealed, and what lies in the store,
read by SQL and by the short reader of proto/, not by the code under test (`promise`).
"""

from __future__ import annotations

import asyncio
import random

from gateway.buffer import Buffer
from gateway.sealing import Sealing
from ingest.session import FEATURES
from native.block.bundle import bundle
from tests.kit import virtual_time
from tests.sim.box import Box
from tests.sim.faults import FAULTS, SILENT_S, nothing
from tests.sim.plant import SECOND
from tests.sim.receiver import Receiver

DRAIN_S_MAX = 3600


class NeverDrainedError(AssertionError):
    """All is mended, and blocks are kept on the box for ever."""


class World:
    """A receiver and its boxes, and what happens to them."""

    buffer_class: type[Buffer] = Buffer
    sealing_class: type[Sealing] = Sealing
    receiver_class: type[Receiver] = Receiver
    join = staticmethod(bundle)

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        window_bytes = self.rng.choice([500, 2000, 1 << 20])
        self.receiver = self.receiver_class(self.utc_now_ns, window_bytes)
        self.up = True
        self.backup = self.receiver.backup()  # of an empty store
        self.boxes = [Box(f"gw-{n}", self) for n in range(self.rng.choice([1, 1, 1, 1, 1, 2]))]
        self.clones: list[Box] = []
        self.faults: list[str] = []
        self.taken_back: set[tuple[str, int, int]] = set()  # from the platform; no box recalls
        self.restores = 0  # of the platform

    @staticmethod
    def utc_now_ns() -> int:
        return 1_790_000_000 * SECOND + round(asyncio.get_running_loop().time() * 1e9)

    @staticmethod
    async def wait(seconds: float) -> None:
        await virtual_time.passed(round(seconds * 1e9))

    async def silence(self, seconds: float) -> None:
        """Nothing is scanned for a while."""
        for box in self.boxes:
            box.scanning = False
        await self.wait(seconds)
        for box in self.boxes:
            box.scanning = True

    async def run(self, events: int) -> None:
        """The history, then everything is mended and drained. What fails in a callback, where no
        task would see it, is wrong too.
        """
        asyncio.get_running_loop().set_exception_handler(
            lambda loop, context: self.receiver.wrong.append(str(context))
        )
        for box in self.boxes:
            await box.boot()
        for _ in range(events):
            await self.wait(self.rng.expovariate(0.7))
            await self._fault()
        self.up, self.receiver.holding, self.receiver.features = True, False, FEATURES
        self.receiver.software = "real, mended"
        if self.clones:  # the last of them was heard; it is off for ever
            await self.silence(SILENT_S)
        for box in self.boxes:
            box.disk.fail, box.disk.capacity_bytes = nothing, 1 << 40
            # A clone may have sent what the present run did not: the box does not believe that, and
            # wants its run ended.
            cloned = any(clone.name == box.name for clone in self.clones)
            await self.rng.choice([box.power_cut, box.power_cut if cloned else box.cut])()
            box.scanning = False
        await self._drain()
        again = [box for box in self.boxes if box.forgotten]
        while again:  # what an old image does not know is told by a run above the newest number
            for box in again:
                await box.power_cut()
                box.scanning = False
            await self._drain()
            again = [box for box in again if box.epoch >> 32 <= max(box.forgotten) >> 32]

    async def _drain(self) -> None:
        for _ in range(DRAIN_S_MAX // 5):
            await self.wait(5)
            for stream in self.receiver.streams:
                stream.acknowledge()
            if not any(b.buffer.live_blocks or b.buffer.gaps_pending for b in self.boxes):
                return
        left = [box.buffer.live_blocks for box in self.boxes]
        raise NeverDrainedError(f"{left} blocks are left; {self.receiver.wrong[-3:]}")

    async def stop(self) -> None:
        for box in self.boxes:
            await box.stop()
        self.receiver.sql.close()

    async def _fault(self) -> None:
        box, fault = self.rng.choice(self.boxes), self.rng.choice(FAULTS)
        self.faults.append(f"{fault.__name__} {box.name}")
        await fault(self, box)
