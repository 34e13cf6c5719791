"""Keeping the promise `durable`: flushing what is due, making room, surviving a failing disk.

Coroutines here run one at a time, under the buffer's lock; the disk's calls run in its thread.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Collection, Sequence
from functools import partial

from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer import log
from gateway.buffer.announcements import Announcements
from gateway.buffer.block import BlockKey, BufferConfig, SealedBlock
from gateway.buffer.disk import DiskThread
from gateway.buffer.expiry import LOOK_EVERY_NS, Expiry
from gateway.buffer.gaps import Decompress, GapSet
from gateway.buffer.index import Index, Segment
from gateway.buffer.losses import (
    BlockLoss,
    block_loss,
    by_epoch,
    gaps_of,
    intact_blocks,
    read_losses,
    unread_loss,
)
from gateway.buffer.recovery import Recovered
from gateway.buffer.sets import Sets
from gateway.buffer.troubles import write_failed
from gateway.clock import Alarm
from gateway.ports import Clock, Disk, RunBlocking
from gateway.report.snapshot import Said

RETRY_NS = 10 * 10**9


class Writer:
    """The buffer's hands. `cause` says why it keeps blocks in RAM only; None: the disk works."""

    def __init__(
        self,
        disk: Disk,
        clock: Clock,
        run_blocking: RunBlocking,
        config: BufferConfig,
        decompress: Decompress,
        found: Recovered,
        announcements: Announcements,
        alarm: Alarm,
        utc_ns: Callable[[int], int | None],
    ) -> None:
        """`utc_ns`: UTC at a boot time; None while nothing vouches for it. Any thread."""
        self._disk, self._clock, self.disk_thread = disk, clock, DiskThread(run_blocking, clock)
        self._config, self._decompress, self._alarm = config, decompress, alarm
        self._index: Index = found.index
        self._to_tell, self._utc_ns = announcements, utc_ns
        self._expiry = Expiry(config.keep_for_ns)
        self._log = log.Log(
            disk, config.gateway, self.known_utc_ns, config.segment_bytes_used, found.next_segment
        )
        self.epoch = 0
        self.sets = Sets(disk, clock, self.disk_thread, found.sets, found.names)
        self.cause: Said | None = None
        self.dirty = False
        self.damaged_records, self._newer_bytes = found.damaged, found.newer_bytes
        self.written_bytes = self.flushes = self.rounds = 0
        self.for_space_blocks = 0  # dropped because others filled the file system
        self.short_of_space: int | None = None  # bytes that were free when that happened last
        self._lag_ns = 0
        self._retry_ns = 0
        self._expire_ns = 0
        self._writing: frozenset[int] = frozenset()
        #: On its way on the present stream: its answer decides, no gap is said before.
        self.on_way: Collection[BlockKey] = ()
        self._refused: set[int] = set()  # of those, what the full buffer has no room for

    @property
    def disk_bytes(self) -> int:
        """What all files take that `max_bytes` bounds; those of a later version, too."""
        return self._newer_bytes + self._index.segment_bytes + self.sets.disk_bytes

    # ---- when ------------------------------------------------------------------------------

    def next_due_ns(self) -> int:
        """When `work` has something to do, on the boot clock."""
        if self.cause is not None:
            return self._retry_ns
        return min([self._expire_ns, *(self._due_ns(b) for b in self._waiting())])

    def _due_ns(self, block: SealedBlock) -> int:
        return block.oldest_ns + self._config.flush_every_ns - self._config.flush_margin_ns

    def ram(self) -> dict[int, SealedBlock]:
        current = self._index.epochs.get(self.epoch)
        return current.ram if current else {}

    def _carried(self, block: SealedBlock) -> bool:
        return BlockKey(block.epoch, block.seq) in self.on_way

    def _waiting(self) -> list[SealedBlock]:
        """What is in RAM and has a place to go."""
        ram = self.ram().values()
        return [b for b in ram if not (b.seq in self._refused and self._carried(b))]

    def flush_lag_ns(self) -> int:
        """How late the newest flush was, or the one that is overdue now is."""
        oldest = min((b.oldest_ns for b in self.ram().values()), default=None)
        if oldest is None:
            return self._lag_ns
        overdue = self._clock.now_ns() - oldest - self._config.flush_every_ns
        return max(overdue, self._lag_ns, 0)

    def known_utc_ns(self) -> int:
        """UTC now; 0 while nothing vouches for it."""
        return self._utc_ns(self._clock.now_ns()) or 0

    # ---- what is done ----------------------------------------------------------------------

    async def work(self) -> None:
        """Whatever is due."""
        self.rounds += 1
        now = self._clock.now_ns()
        if self.cause is not None and now < self._retry_ns:
            return
        await self.flush(everything=self.cause is not None)
        if now >= self._expire_ns:
            self._expire_ns = now + LOOK_EVERY_NS
            await self._expire()
        await self.save()
        if self.cause is None:
            try:
                await self._unlink_dead()
                await self.sets.collect()
            except OSError as error:
                self._fail(error)

    async def flush(self, *, everything: bool) -> None:
        """Make durable what is due, or all that is in RAM. A failing disk is a state, no error."""
        ram, now = self.ram(), self._clock.now_ns()
        due = [b.seq for b in self._waiting() if everything or self._due_ns(b) <= now]
        if not due:
            if self.cause is not None:
                self.dirty = True  # the state file is the probe
            return
        last = max(due)
        batch = [block for seq, block in ram.items() if seq <= last]
        self._writing = frozenset(block.seq for block in batch)
        try:
            await self._store(batch)
        finally:
            self._writing = frozenset()

    async def close(self) -> None:
        """The active segment's file is closed; what was not flushed is not written."""
        await self.disk_thread(self._log.abandon)

    async def _store(self, batch: Sequence[SealedBlock]) -> None:
        """Append and sync; after one failure verify, and once more in a new segment."""
        error: OSError | None = None
        oldest_ns = min(block.oldest_ns for block in batch)
        for _ in range(2):
            done = log.Appended()
            try:
                if error is not None and error.errno == errno.ENOSPC:
                    await self._evict_for_space(0)
                size = sum(len(block.data) + 128 for block in batch)
                if not await self._make_room(size + self.sets.missing_bytes(self.epoch)):
                    self._refused = {block.seq for block in batch if self._carried(block)}
                    going = [block for block in batch if block.seq not in self._refused]
                    self.lose(going, pb.GAP_REASON_REFUSED_NEWEST)
                    return
                self.written_bytes += await self.disk_thread(partial(self.sets.store, self.epoch))
                await self.disk_thread(partial(self._log.append, batch, self.sets.names, done))
            except OSError as failed:
                error = failed
                self._confirm(done)
                await self._give_up_segment()
                batch = [block for block in batch if block.seq in self.ram()]
                continue
            self._confirm(done)
            self.flushes += 1
            self._lag_ns = max(0, self._clock.now_ns() - oldest_ns - self._config.flush_every_ns)
            self.cause = None
            return
        assert error is not None
        self._fail(error)

    def _confirm(self, done: log.Appended) -> None:
        for number, size in done.sizes.items():
            if number not in self._index.segments:
                utc, now = done.created_utc_ns.get(number, 0), self._clock.now_ns()
                self._index.segments[number] = Segment(0, utc, created_ns=now)
            self._index.segments[number].size = size
        for key, location in done.blocks:
            self._index.stored(key, location)
        self.written_bytes += done.written_bytes

    def _fail(self, error: OSError) -> None:
        self.cause = write_failed(error, self._config.path)
        self._retry_ns = self._clock.now_ns() + RETRY_NS
        self.bound_memory()

    async def _give_up_segment(self) -> None:
        """After an error: nothing of the segment is trusted before it was read again."""
        number = self._log.active
        await self.disk_thread(self._log.abandon)
        if number is None or number not in self._index.segments:
            return
        try:
            intact = await self.disk_thread(partial(intact_blocks, self._disk, number))
        except OSError:  # each block is verified when it is sent
            return
        for key, location in list(self._index.live_in(number)):
            if (key, location.offset) not in intact:
                self.damaged_records += 1
                self._drop(pb.GAP_REASON_DAMAGED, [unread_loss(key)])
                self.dirty = True

    # ---- room ------------------------------------------------------------------------------

    async def _make_room(self, size: int) -> bool:
        """Room for `size` bytes by the policy; False: refuse the newest.

        Where others have filled the file system, each flush gives up one segment but the newest,
        so the buffer grows no further; it is never emptied for their sake.
        """
        free = await self.disk_thread(self._disk.free_bytes)
        enough = self._config.free_bytes_min + size
        if free < enough and len(self._index.segments) > 1:
            await self._evict_for_space(free)
        elif free >= enough + 2 * self._config.segment_bytes_used:  # not by what was given up alone
            self.short_of_space = None
        while self.disk_bytes + size > self._config.max_bytes:
            await self._unlink_dead(active_too=True)
            await self.sets.collect()
            if self.disk_bytes + size <= self._config.max_bytes:
                break
            if self.dirty:  # what was announced must be durable before it goes
                await self._save(GapSet())
            elif not await self._evict_oldest():
                return self._config.when_full != "drop_newest"
        return True

    async def _evict_oldest(self) -> bool:
        if not self._index.segments or self._config.when_full == "drop_newest":
            return False
        carried = {
            location.segment for key in self.on_way if (location := self._index.location(key))
        }
        number = min(self._index.segments.keys() - carried, default=min(self._index.segments))
        await self.give_up(number, pb.GAP_REASON_EVICTED_OLDEST)
        return True

    async def _evict_for_space(self, free: int) -> None:
        """Give files up because others took the space: dead ones, or a segment whose blocks are
        counted apart.
        """
        size = self.disk_bytes
        await self._unlink_dead(active_too=True)
        await self.sets.collect()
        if self.disk_bytes < size:
            return
        before = self._to_tell.lost_by_reason.get("evicted_oldest", 0)
        await self._evict_oldest()
        dropped = self._to_tell.lost_by_reason.get("evicted_oldest", 0) - before
        if dropped:
            self.for_space_blocks += dropped
            self.short_of_space = free

    async def give_up(self, number: int, reason: pb.GapReason.ValueType) -> None:
        """Drop a segment: announced durably, then unlinked; OSError: nothing is dropped.

        Blocks may be acknowledged, or be live again, while this waits for the disk: what is
        announced is what was live after the last wait, neither more nor less.
        """
        read: dict[BlockKey, BlockLoss] = {}
        saved: list[BlockLoss] | None = None
        while True:
            locations = list(self._index.live_in(number))
            unread = [(key, location) for key, location in locations if key not in read]
            if unread:
                losses = await self.disk_thread(
                    partial(read_losses, self._disk, unread, self._decompress, self.sets.periods)
                )
                read.update((loss.key, loss) for loss in losses)
                continue
            losses = [read[key] for key, _ in locations]
            if losses == saved:
                break
            await self._save(gaps_of(reason, losses))
            saved = losses
        self._drop(reason, losses)
        await self._unlink(number)

    async def _expire(self) -> None:
        now = self._clock.now_ns()
        for number in self._expiry.expired(self._index.segments, now, self._utc_ns(now)):
            try:
                await self.give_up(number, pb.GAP_REASON_EXPIRED)
            except OSError as error:
                self._fail(error)
                return

    def bound_memory(self) -> None:
        """Blocks in RAM above their bound are dropped, oldest or newest by the policy."""
        epoch = self._index.epoch(self.epoch)
        newest_first = self._config.when_full == "drop_newest"
        while epoch.ram_bytes > self._config.memory_bytes_max:
            free = [seq for seq in epoch.ram if seq not in self._writing]
            if not free:
                return
            free = [seq for seq in free if not self._carried(epoch.ram[seq])] or free
            victim = max(free) if newest_first else min(free)
            self.lose([epoch.ram[victim]], pb.GAP_REASON_MEMORY_FULL)

    def lose(self, blocks: Sequence[SealedBlock], reason: pb.GapReason.ValueType) -> None:
        """Blocks at hand will never be sent: announce their ticks and what they carried.

        One that was acknowledged meanwhile is not lost.
        """
        live = [b for b in blocks if self._index.is_live(BlockKey(b.epoch, b.seq))]
        self._drop(
            reason, [block_loss(block, self._decompress, self.sets.periods) for block in live]
        )
        self.dirty = True

    def _drop(self, reason: pb.GapReason.ValueType, losses: Sequence[BlockLoss]) -> None:
        """These blocks, all of them live, are live no more; announce them."""
        for key, _, _ in losses:
            self._index.drop(key, acked=False)
        for number, loss in by_epoch(losses).items():
            self._to_tell.lose(reason, number, loss)
            known = self._index.epochs.get(number)
            if known is not None and self._to_tell.conclude(number, known):
                self.dirty = True
        for _, _, carried in losses:
            self._to_tell.inherit(carried)

    # ---- files that go, state that stays ---------------------------------------------------

    async def _unlink_dead(self, *, active_too: bool = False) -> None:
        """Remove segments of which every block is acknowledged or announced.

        The one that is being written stays until it is full: a new file a flush would wear the
        flash for nothing; and so do those with announced blocks until `state` has that. Raises
        OSError.
        """
        for number in list(self._index.segments):  # each anew: unlinking waits, and some may revive
            is_active = number == self._log.active and not active_too
            is_needed = is_active or self._index.segments[number].live > 0
            if not is_needed and not (self.dirty and self._index.has_gone(number)):
                await self._unlink(number)

    async def _unlink(self, number: int) -> None:
        info = self._index.segments[number]
        info.going = True
        try:
            await self.disk_thread(partial(self._log.unlink, number))
        except OSError:
            info.going = False
            raise
        self._index.forget_segment(number)
        for epoch in info.spans:
            if epoch != self.epoch and not self._index.has_segment(epoch):
                self.sets.forget(epoch)
            known = self._index.epochs.get(epoch)
            settled = epoch != self.epoch and epoch not in self._to_tell.state.epochs
            if known is not None and settled and not known.live:
                self._index.forget_epoch(epoch)

    async def save(self) -> None:
        """Write the state file if it is behind; a failure is a state, no error."""
        if self.dirty:
            try:
                await self._save(GapSet())
            except OSError as error:
                self._fail(error)
            else:
                if not self._waiting():  # what else is in RAM waits for its answer
                    self.cause = None

    async def _save(self, announced: GapSet) -> None:
        self.dirty = False
        try:
            await self.disk_thread(self._to_tell.written_to(self._disk, announced))
        except OSError:
            self.dirty = True
            raise

    def save_now(self) -> None:
        """As `save`, but at once, before the first block of a run; earlier runs are saved first."""
        try:
            self._to_tell.write_runs(self._disk)
            self._to_tell.written_to(self._disk, GapSet())()
        except OSError as error:
            self.dirty = True
            self._fail(error)
