"""From row stores to the buffer: seals on a steady beat, numbers the blocks, adds anchors and gaps.

The beat is `send_every`, or half of `flush_every` if that is shorter, on absolute deadlines; a row
store that is half full rings earlier. Each seal is one native call without the GIL; nothing here
touches a sample.

After a loss within the run the next block says again what stood in the lost ones and holds on: tags
that are reported on change, and the anchor.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from typing import Any

from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer.block import SealedBlock
from gateway.buffer.store import Buffer
from gateway.clock import Anchors
from gateway.ports import Clock
from native.block.seal import Sealer

REVISION = 1  # of the only catalog of an epoch: a changed configuration starts a new run


class Sealing:
    """The numbered stream of one epoch. Every method belongs to the event loop's thread."""

    def __init__(
        self,
        groups: Sequence[Any],
        epoch: int,
        every_ns: int,
        buffer: Buffer,
        anchors: Anchors,
        clock: Clock,
        wake: Callable[[], None],
    ) -> None:
        self._sealer = Sealer(groups)
        self._epoch, self._every_ns = epoch, every_ns
        self._buffer, self._anchors, self._clock, self._wake = buffer, anchors, clock, wake
        self._early = asyncio.Event()
        self.blocks = self.scans = self.samples = self.samples_bad = 0
        self._began_ns = clock.now_ns()
        self._due_ns = 0
        #: Seals that were begun and that ended, for the watchdog.
        self.begun = self.ended = 0

    def begin(self) -> None:
        """Sampling begins."""
        self._began_ns = self._clock.now_ns()

    async def run(self) -> None:
        """Seal until cancelled; the last block is `finish`'s."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._sealer.wake_fd, self._ring)
        try:
            self._due_ns = self._clock.now_ns() + self._every_ns
            while True:
                await self._beat(self._due_ns)
                self.seal()
                now_ns = self._clock.now_ns()
                if now_ns >= self._due_ns:
                    self._due_ns = max(self._due_ns + self._every_ns, now_ns)
        finally:
            loop.remove_reader(self._sealer.wake_fd)

    def _ring(self) -> None:
        os.read(self._sealer.wake_fd, 8)
        self._early.set()

    async def _beat(self, due_ns: int) -> None:
        """Until the beat, or until a row store rings."""
        self._early.clear()
        left_s = max(0.0, (due_ns - self._clock.now_ns()) / 1e9)
        beat = asyncio.get_running_loop().call_later(left_s, self._early.set)
        try:
            await self._early.wait()
        finally:
            beat.cancel()

    def mark_seal(self) -> object:
        """Changes as seals end; None: none is under way. Any thread."""
        begun, ended = self.begun, self.ended
        return ended if begun != ended else None

    def mark_beat(self) -> object:
        """Changes with each seal; None: none is due."""
        return self.ended if self._clock.now_ns() >= self._due_ns else None

    def finish(self) -> None:
        """After the last scan: what is left, then the block that says that the epoch ended
        cleanly.
        """
        self.seal()
        self.seal(end=True)

    def seal(self, *, end: bool = False) -> None:
        """One seal: everything scanned so far becomes the buffer's."""
        now_ns = self._clock.now_ns()
        if self._buffer.take_loss():
            self._sealer.restate()
            self._anchors.restate()
        self._sealer.features = self._buffer.features
        extra = pb.BlockPayload(gaps=self._buffer.take_gaps(), end_of_epoch=end)
        if self._buffer.last_seq == 0:
            extra.begin.CopyFrom(self._buffer.begin(self._began_ns))
        anchor = self._anchors.due(now_ns)
        if anchor is not None:
            extra.anchors.append(anchor)
        self.begun += 1
        blocks = self._sealer.seal(
            self._epoch, self._buffer.last_seq + 1, REVISION, extra.SerializeToString(), end
        )
        self.ended += 1
        for block in blocks:
            self._buffer.put(
                SealedBlock(
                    epoch=block.epoch,
                    seq=block.seq,
                    catalog_revision=REVISION,
                    data=block.data,
                    oldest_ns=block.oldest_ns or now_ns,
                    scans=block.scans,
                    samples=block.samples,
                    end_of_epoch=end,
                )
            )
            self.blocks += 1
            self.scans += block.scans
            self.samples += block.samples
            self.samples_bad += block.bad
        if blocks:
            self._wake()
