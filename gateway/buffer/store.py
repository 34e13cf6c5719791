"""The buffer as the supervisor and the uplink see it. The theory is in the package's docstring."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from jiahe.ingest import limits
from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer import recovery, runs, state
from gateway.buffer.announcements import Announcements
from gateway.buffer.block import BlockKey, BufferConfig, ScanCounts, SealedBlock
from gateway.buffer.gaps import Decompress, Loss
from gateway.buffer.ranges import RangeSet
from gateway.buffer.reader import Reader
from gateway.buffer.refused import Refused
from gateway.buffer.told import mark, snapshot
from gateway.buffer.troubles import unclean_end, wrong_at_opening
from gateway.buffer.writer import Writer
from gateway.clock import Alarm
from gateway.ports import Clock, Disk, RunBlocking
from gateway.report.snapshot import BufferSnapshot


class Buffer:
    """Durable blocks. Made by `open`; every method belongs to the event loop's thread."""

    def __init__(
        self,
        disk: Disk,
        clock: Clock,
        run_blocking: RunBlocking,
        config: BufferConfig,
        decompress: Decompress,
        found: recovery.Recovered,
        known: state.State,
        utc_ns: Callable[[int], int | None],
    ) -> None:
        self.config, self.index = config, found.index
        known.installation = known.installation or secrets.token_bytes(limits.ID_BYTES)
        self.to_tell = Announcements(known, found.runs, found.index.is_live, bool(found.newer))
        self._clock = clock
        self._is_new = found.is_new
        self._previous_end = unclean_end(found.last_write_utc_ns, config.flush_every_ns)
        self._found_wrong = wrong_at_opening(found.state_lost, found.newer)
        self._alarm = Alarm(clock)
        self._lock = asyncio.Lock()
        self._epoch = 0
        self._last_seq = 0
        self._writer = Writer(
            disk, clock, run_blocking, config, decompress, found, self.to_tell, self._alarm, utc_ns
        )
        thread = self.disk_thread = self._writer.disk_thread
        self._reader = Reader(disk, clock, thread, found.index, self._damaged)
        self._refused = Refused(disk, thread, self._reader, decompress, self._set_aside)
        self._refused.again(key for key in found.set_aside if found.index.is_live(key))

    @classmethod
    async def open(
        cls,
        disk: Disk,
        clock: Clock,
        run_blocking: RunBlocking,
        config: BufferConfig,
        decompress: Decompress,
        utc_ns: Callable[[int], int | None] = lambda now_ns: None,
    ) -> Buffer:
        """Recover what the directory holds.

        `utc_ns`: UTC at a boot time, None while nothing vouches for it: nothing expires then. Any
        thread may ask it. Raises BufferUnusableError if the directory holds another gateway's files
        or a newer format, OSError if it can't be read at all.
        """
        found: list[tuple[recovery.Recovered, state.State]] = []
        await run_blocking(lambda: found.append(recovery.recover(disk, config.gateway)))
        return cls(disk, clock, run_blocking, config, decompress, *found[0], utc_ns)

    # ---- what the supervisor calls ---------------------------------------------------------

    def open_epoch(
        self, boot_id: str, now_ns: int, random_bits: Callable[[int], int] = secrets.randbits
    ) -> int:
        """Begin a run: a number never used before, durable before the first block. Once.

        On a disk that refuses it is still unused, by its random bits; `snapshot` tells. Raises
        BufferUnusableError when the run counter is at its end.
        """
        assert self._epoch == 0, "one epoch a run"
        taken = {*self.index.epochs, self.to_tell.runs.highest}
        known = self.to_tell.state
        epoch = runs.next_epoch(known.run, known.highest, taken, random_bits)
        self.to_tell.open_epoch(epoch, boot_id, now_ns, self.index.epochs)
        self._epoch = epoch
        self.index.epoch(epoch)
        self._writer.epoch = epoch
        self._writer.save_now()
        return epoch

    def put_catalog(self, revision: int, content: bytes, tag_sets: Mapping[bytes, bytes]) -> None:
        """A serialized CatalogContent of this run, and the serialized TagSetContents that its
        groups name, by their names; before the first block that needs it.
        """
        known = len(self.catalogs(self._epoch))
        assert self._epoch and revision == known + 1, f"revision {revision} after {known}"
        self._writer.sets.put(self._epoch, content, tag_sets)

    def begin(self, began_ns: int) -> pb.Begin:
        """For the first block: the run before, and when this one began to sample."""
        said = runs.begin(self.to_tell.before, first=self._is_new)
        said.began_ns = began_ns
        return said

    def put(self, block: SealedBlock) -> None:
        """Take a fresh block. It is durable within `flush_every`, or acknowledged, or announced."""
        assert block.epoch == self._epoch, f"a block of epoch {block.epoch} in {self._epoch}"
        assert block.seq == self._last_seq + 1, f"block {block.seq} after {self._last_seq}"
        self._last_seq = block.seq
        self.index.put(block)
        self.to_tell.sealed(block.seq, self._clock.now_ns())
        if self.to_tell.bind(BlockKey(block.epoch, block.seq)):
            self._writer.dirty = True
        self._writer.bound_memory()
        self._alarm.ring()

    def take_gaps(self) -> list[pb.Gap]:
        """Gaps for the block that is sealed next: the next `put` brings the block with them."""
        return self.to_tell.take()

    @property
    def gaps_pending(self) -> bool:
        """Something waits for `take_gaps`."""
        return bool(self.to_tell.pending)

    def take_loss(self) -> bool:
        """Whether blocks of this run were lost since the last call: what stood in them must be said
        again in the next one.
        """
        return self.to_tell.take_loss()

    async def flush(self) -> bool:
        """Write everything that is in RAM, now; True if all of it is durable."""
        async with self._lock:
            await self._writer.flush(everything=True)
            await self._writer.save()
        return not self.index.epoch(self._epoch).ram

    async def give_up(self, reason: pb.GapReason.ValueType) -> None:
        """Drop every block on disk, to be announced by the next run. Raises OSError."""
        async with self._lock:
            for number in sorted(self.index.segments):
                await self._writer.give_up(number, reason)

    async def close(self) -> None:
        """Close the files, after `flush` and once `run` has ended. The disk stays open."""
        async with self._lock:
            epoch = self.index.epochs.get(self._epoch)
            if epoch is not None and epoch.end_seq and not epoch.ram:
                self.to_tell.ended(epoch.end_seq)
                self._writer.dirty = True
                await self._writer.save()
            await self._writer.close()

    async def run(self) -> None:
        """Flush what is due, expire, set aside, unlink: until cancelled."""
        while True:
            await self._alarm.wait(self._writer.next_due_ns())
            async with self._lock:
                await self._refused.judge()
                await self._writer.work()

    # ---- what the uplink calls -------------------------------------------------------------

    @property
    def epoch(self) -> int:
        return self._epoch

    @property
    def last_seq(self) -> int:
        """Number of the newest block of this run; 0 before the first."""
        return self._last_seq

    @property
    def installation(self) -> bytes:
        """16 random bytes, made with the buffer."""
        return self.to_tell.state.installation

    @property
    def features(self) -> frozenset[int]:
        """What the platform knows beyond the baseline, by its last Welcome (numbers of Feature)."""
        return self.to_tell.state.features

    def earlier(self) -> Iterator[pb.EpochKept]:
        """For Hello: earlier epochs with live blocks; then those whose end must still be told, of
        which the box knows nothing last.
        """
        has_live, knows_nothing_of = self.index.has_live, self.to_tell.knows_nothing_of
        numbers = (self.index.epochs.keys() | self.to_tell.state.epochs.keys()) - {self._epoch}
        for number in sorted(numbers, key=lambda n: (not has_live(n), knows_nothing_of(n), n)):
            kept = pb.EpochKept(epoch=number)
            if has_live(number):
                for first, last in self.index.epochs[number].live:
                    kept.kept.add(first=first, last=last)
                kept.catalogs.extend(self.catalogs(number))
            if kept.kept or number in self.to_tell.state.epochs:
                yield kept

    def next_live(self, after: BlockKey) -> BlockKey | None:
        """The first block after `after` that is kept and not acknowledged."""
        key = self.index.next_live(after)
        while key is not None and key in self._refused:
            key = self.index.next_live(key)
        return key

    def size(self, key: BlockKey) -> int:
        """Bytes of a live block as it is kept, give or take its frame."""
        epoch = self.index.epochs[key.epoch]
        if key.seq in epoch.ram:
            return len(epoch.ram[key.seq].data)
        location = epoch.location(key.seq)
        assert location is not None, f"block {key} is live and nowhere"
        return location.size

    def oldest_ns(self, key: BlockKey) -> int | None:
        """Boot time of the oldest sample of a live block in RAM; None of one on disk."""
        block = self.index.epochs[key.epoch].ram.get(key.seq)
        return None if block is None else block.oldest_ns

    @property
    def live_blocks(self) -> int:
        """Blocks that are kept and not acknowledged."""
        return self.index.live_blocks

    async def read(self, key: BlockKey) -> SealedBlock | None:
        """The block, verified; None if it is live no more, damaged (then a gap), or unreadable."""
        return (await self._reader.read([key]))[0]

    async def read_many(self, keys: Sequence[BlockKey]) -> list[SealedBlock | None]:
        """`read` of each, with one turn of the disk's thread for all."""
        return await self._reader.read(keys)

    def carries(self, keys: Collection[BlockKey]) -> None:
        """What the present stream carries unanswered, as it changes: not given up for room."""
        self._writer.on_way = keys

    def catalogs(self, epoch: int) -> Sequence[bytes]:
        """The names of the epoch's catalogs, of revisions 1, 2, ..."""
        return self._writer.sets.names.get(epoch, ())

    async def catalog(self, epoch: int, revision: int) -> bytes | None:
        """A serialized CatalogContent; None if it is gone. OSError: it can't be read now."""
        names = self.catalogs(epoch)
        return await self._writer.sets.read(names[revision - 1]) if revision <= len(names) else None

    async def tag_set(self, name: bytes) -> bytes | None:
        """A serialized TagSetContent; None if it is gone. OSError: it can't be read now."""
        return await self._writer.sets.read(name)

    def undecodable(self, block: SealedBlock) -> None:
        """A block's catalog, or a tag set of it, is gone, here and at the platform: announced."""
        self._writer.damaged_records += 1
        self._writer.lose([block], pb.GAP_REASON_DAMAGED)
        self._alarm.ring()

    def acked(self, epoch: int, first: int, last: int) -> None:
        """The platform has made these blocks durable. What the box does not have is ignored."""
        found = self.index.epochs.get(epoch)
        if found is None:
            return
        for seq in found.live.within(first, last).numbers():
            self._drop_acked(BlockKey(epoch, seq))
        self._conclude(epoch)

    def welcome(self, epoch: int, held: RangeSet, closed: bool) -> None:
        """What the platform holds of an epoch, on a new stream.

        Trims what it holds; sends again what it acknowledged once and lost, as far as the box
        still has it; announces the rest.
        """
        found = self.index.epoch(epoch) if epoch in self.index.epochs else None
        self.to_tell.welcome(epoch, closed)
        if found is None:
            if epoch not in self.to_tell.state.epochs:
                return
            found = self.index.epoch(epoch)
        lost = found.acked.minus(held)
        spans = (s.spans[epoch] for s in self.index.segments.values() if epoch in s.spans)
        for seq in (seq for span in spans for seq in lost.within(*span).numbers()):
            if self.index.revive(BlockKey(epoch, seq)):
                lost.remove(seq, seq)
        if lost:
            found.acked = found.acked.minus(lost)
            found.gone.update(lost)
            self.to_tell.lose(pb.GAP_REASON_PLATFORM_LOST, epoch, Loss(lost))
            self._writer.dirty = True
        for first, last in held:
            for seq in found.live.within(first, last).numbers():
                self._drop_acked(BlockKey(epoch, seq))
        if epoch != self._epoch:
            found.acked.update(held)
        self._conclude(epoch)
        self._alarm.ring()

    def reject(self, reject: pb.Reject) -> None:
        """The platform refuses a block. Where it holds another content, or the box's own check of
        the block fails, it is set aside, announced, never sent again; else it is kept.
        """
        key = BlockKey(reject.epoch, reject.seq)
        if self.index.is_live(key):
            self._refused.add(key, reject)
            self._alarm.ring()

    def ends_lacking(self, epoch: int, held: RangeSet) -> None:
        """The platform holds this of an earlier epoch that Hello did not name, and not its end."""
        if self.index.has_live(epoch):
            return  # too many for one Hello: it is named when it is its turn
        began = self.to_tell.state.now
        assert began is not None
        if self.to_tell.lacking(epoch, began.boot_id, began.began_ns):
            self.index.epoch(epoch)
            self.welcome(epoch, held, closed=False)

    def platform_back(self, highest: int) -> None:
        """The platform was put back: it knows of no epoch above `highest` before this Hello."""
        for run in self.to_tell.runs.after(highest):
            self.ends_lacking(run.epoch, RangeSet())

    def platform_features(self, features: frozenset[int]) -> None:
        """What the platform says that it knows beyond the baseline."""
        if features != self.features:
            self.to_tell.state.features = features
            self._changed()

    def platform_highest(self, epoch: int) -> None:
        """The highest epoch of this gateway that the platform ever saw; the next run goes above."""
        if self.to_tell.state.platform_named(epoch):
            self._changed()

    # ---- what status shows -----------------------------------------------------------------

    def books(self) -> ScanCounts:
        """Where the scans of this run are: sampled = acked + buffered + memory + lost, at any
        moment.
        """
        epoch = self.index.epoch(self._epoch)
        return ScanCounts(epoch.acked_scans, epoch.disk_scans, epoch.ram_scans, epoch.lost_scans)

    def mark(self) -> object:
        """For the watchdog: changes as the buffer works; None while it may rest."""
        return mark(self.config, self._clock, self._writer, self.index)

    def snapshot(self) -> BufferSnapshot:
        unclean = self._previous_end if self.to_tell.after_unclean_end else None
        return snapshot(
            self.config, self._clock, self._writer, self.index, self.to_tell, self._found_wrong,
            unclean,
        )  # fmt: skip

    # ---- within ----------------------------------------------------------------------------

    def _drop_acked(self, key: BlockKey) -> None:
        self._refused.forget(key)
        epoch = self.index.epochs[key.epoch]
        if key.seq == epoch.end_seq:
            self.to_tell.end_acked(key.epoch)
        if self.index.drop(key, acked=True) is not None:
            self._alarm.ring()
        if self.to_tell.carrier_acked(key):
            self._forget_settled()
            self._changed()

    def _forget_settled(self) -> None:
        """Earlier epochs of which nothing is kept and nothing is owed."""
        kept = {self._epoch, *self.to_tell.state.epochs}
        kept.update(number for info in self.index.segments.values() for number in info.spans)
        for number in [n for n in self.index.epochs if n not in kept]:
            if not self.index.epochs[number].live:
                self.index.forget_epoch(number)

    def _changed(self) -> None:
        """The state file is behind."""
        self._writer.dirty = True
        self._alarm.ring()

    def _conclude(self, epoch: int) -> None:
        if self.to_tell.conclude(epoch, self.index.epochs[epoch]):
            self._changed()

    def _damaged(self, key: BlockKey) -> None:
        """A block whose ticks can't be read is gone."""
        self._writer.damaged_records += 1
        self.index.drop(key, acked=False)
        self.to_tell.lose(pb.GAP_REASON_DAMAGED, key.epoch, Loss(RangeSet([(key.seq, key.seq)])))
        self._conclude(key.epoch)
        self._changed()

    def _set_aside(self, block: SealedBlock) -> None:
        self._writer.lose([block], pb.GAP_REASON_REJECTED)
        self._conclude(block.epoch)
