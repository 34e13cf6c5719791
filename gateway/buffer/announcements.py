"""What the platform must still be told: gaps that wait, gaps that travel, epochs without an end.

A gap waits (`pending`) until the supervisor takes it for the block it is about to seal; from `put`
on that block carries it. It is settled when its carrier is acknowledged, and waits again when the
carrier is lost, here or by the platform. Until it is settled the state file knows it and its
carrier, so a restart announces it again only where the carrier did not survive.
The event loop's thread only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer import state
from gateway.buffer.block import BlockKey
from gateway.buffer.gaps import GapSet, Loss
from gateway.buffer.index import Epoch
from gateway.buffer.ranges import RangeSet
from gateway.buffer.runs import NAME, Run, Runs, how_ended
from gateway.buffer.state import CarriedGap, OpenEpoch, State
from gateway.ports import Disk

#: Carriers that the state file names one by one; gaps of older ones are joined there, to bound it.
CARRIERS_NAMED_MAX = 16
#: Runs that the platform named and the box knows nothing of, whose end is owed. It names the others
#: again once these are settled.
UNKNOWN_RUNS_MAX = 256
#: The most bytes of delivered gaps that the state file keeps: some 700 gaps of a usual size.
DELIVERED_BYTES_MAX = 64 << 10


class Announcements:
    """`state` is what the file says, or will say when it is next saved."""

    def __init__(
        self,
        known: State,
        runs: Runs,
        is_live: Callable[[BlockKey], bool],
        keeps_unread: bool = False,
    ) -> None:
        """`keeps_unread`: files of a later version are there, so no block may be called lost."""
        self._keeps_unread = keeps_unread
        self.state, self.runs = known, runs
        #: The run before this one; None: there is none, or the box has no memory of it.
        self.before: Run | None = None
        #: Something of this run was lost since `take_loss`.
        self.lost_here = False
        self.pending = GapSet()
        self.current = 0
        self.lost_by_reason: dict[str, int] = {}
        self._carried: dict[BlockKey, GapSet] = {}
        self._delivered = Delivered(known.delivered)
        for epoch, seq, gap in known.gaps:
            if is_live(BlockKey(epoch, seq)):
                self._carried.setdefault(BlockKey(epoch, seq), GapSet()).add(gap)
            elif not gap.count_unknown:  # else its epoch is open, and says the same
                self.pending.add(gap)
            entry = known.epochs.get(gap.epoch)
            if entry is not None and not gap.count_unknown:
                entry.gone.update(RangeSet((r.first, r.last) for r in gap.blocks))
                if gap.end_of_epoch:
                    entry.end_seq = gap.blocks[-1].last
        self._taken = GapSet()
        self.after_unclean_end = False
        self._settled: set[int] = set()
        self._closed: set[int] = set()

    def open_epoch(self, epoch: int, boot_id: str, now_ns: int, found: Mapping[int, Epoch]) -> None:
        """A new run begins, so every earlier one has ended. `found`: epochs that have files."""
        self.current = epoch
        for other, blocks in found.items():
            entry = self.state.epochs.setdefault(other, OpenEpoch(other, "", 0))
            entry.end_seq = blocks.end_seq or entry.end_seq
        for entry in self.state.epochs.values():
            if not entry.until_boot_id:
                self.after_unclean_end = entry.end_seq == 0
                entry.until_boot_id, entry.until_ns = boot_id, now_ns
        self.state.epochs[epoch] = OpenEpoch(epoch, boot_id, now_ns)
        self.state.run = epoch >> 32
        self.before = self._run_before(found, boot_id)
        if self.before is not None:
            self.runs.add(self.before)
        self.runs.installation = self.state.installation
        self.state.now = Run(epoch, boot_id, now_ns, now_ns)

    def _run_before(self, found: Mapping[int, Epoch], boot_id: str) -> Run | None:
        """Work out the run before this one from what the state file said last and from the blocks
        found.
        """
        before = self.state.now
        newest = max(found, default=0)
        if before is None or newest > before.epoch:  # the state file is lost, or was never written
            before = Run(newest) if newest else None
        if before is None:
            return None
        blocks = found.get(before.epoch)
        if blocks is not None:
            before.sampled_until_ns = max(before.sampled_until_ns, blocks.newest_ns)
            before.last_seq = max(before.last_seq, blocks.live.highest, blocks.gone.highest)
        entry = self.state.epochs.get(before.epoch)
        if entry is not None and entry.end_seq:
            before.ended, before.last_seq = pb.RUN_END_STOPPED, entry.end_seq
        elif before.ended != pb.RUN_END_STOPPED:
            before.ended = how_ended(before, boot_id)
        return before

    def sealed(self, seq: int, now_ns: int) -> None:
        """The newest block of this run; durable when the state file is next written."""
        assert self.state.now is not None
        self.state.now.last_seq, self.state.now.sampled_until_ns = seq, now_ns

    def ended(self, end_seq: int) -> None:
        """This run ended cleanly with that block, which may be acknowledged and gone by now."""
        self.state.epochs[self.current].end_seq = end_seq
        assert self.state.now is not None
        self.state.now.last_seq, self.state.now.ended = end_seq, pb.RUN_END_STOPPED

    def lacking(self, epoch: int, boot_id: str, now_ns: int) -> bool:
        """The platform does not know how this earlier epoch ended, and the box had told it: owed
        again, from what is remembered of the run. True if that is new, and not one too many, or if
        no Welcome said yet what the platform holds of it.
        """
        if epoch >> 32 >= self.current >> 32:
            return False
        if epoch in self.state.epochs:
            return epoch not in self._settled
        run = self.runs.get(epoch)
        if run is None and sum(map(self.knows_nothing_of, self.state.epochs)) >= UNKNOWN_RUNS_MAX:
            return False
        entry = OpenEpoch(epoch, "", 0, boot_id, now_ns, reason=pb.GAP_REASON_BOX_FORGOT)
        if run is not None:
            entry.reason = pb.GAP_REASON_PLATFORM_LOST
            entry.boot_id, entry.start_ns = run.boot_id, run.began_ns
            if run.ended == pb.RUN_END_STOPPED:
                entry.end_seq = run.last_seq
        for later in self.runs.after(epoch)[:1]:
            if later.boot_id:
                entry.until_boot_id, entry.until_ns = later.boot_id, later.began_ns
        self.state.epochs[epoch] = entry
        self._closed.discard(epoch)
        return True

    def knows_nothing_of(self, epoch: int) -> bool:
        """An end of this run is owed because the platform named it, for no other reason."""
        entry = self.state.epochs.get(epoch)
        return entry is not None and entry.reason == pb.GAP_REASON_BOX_FORGOT

    def take_loss(self) -> bool:
        """Whether a block of this run was given up since the last call."""
        lost, self.lost_here = self.lost_here, False
        return lost

    def lose(self, reason: pb.GapReason.ValueType, epoch: int, loss: Loss) -> None:
        """Blocks that will never be sent: put a gap that names them, and the gaps that they were to
        bring, into a later block. If one of them is the last of its run, the gap says so too: else
        the platform would wait for the end of that run for ever.
        """
        entry = self.state.epochs.get(epoch)
        if entry is not None:
            entry.gone.update(loss.blocks)
            if loss.end_of_epoch:
                entry.end_seq = loss.blocks.highest
            elif entry.end_seq in loss.blocks:
                loss.end_of_epoch = True
        self.lost_here |= epoch == self.current
        self.pending.lose(reason, epoch, loss)
        lost = 0
        for first, last in loss.blocks:
            lost += last - first + 1
            for key in [k for k in self._carried if k.epoch == epoch and first <= k.seq <= last]:
                self.pending.update(self._carried.pop(key))
        self._owe_again(self._delivered.lost(epoch, loss.blocks.__contains__))
        name = pb.GapReason.Name(reason).removeprefix("GAP_REASON_").lower()
        self.lost_by_reason[name] = self.lost_by_reason.get(name, 0) + lost

    def _owe_again(self, gaps: Sequence[pb.Gap]) -> None:
        """The platform had taken these, and has them no more. The end of an epoch is told anew, by
        what it then says that it holds.
        """
        for gap in gaps:
            if not gap.count_unknown:
                self.pending.add(gap)
            elif gap.epoch not in self.state.epochs:
                self.state.epochs[gap.epoch] = OpenEpoch(
                    gap.epoch, "", 0, gap.until_boot_id, gap.until_ns, reason=gap.reason
                )

    def inherit(self, gaps: Iterable[pb.Gap]) -> None:
        """Gaps that a lost block carried; an end of an epoch that is open is told again anyway."""
        for gap in gaps:
            if not (gap.count_unknown and gap.epoch in self.state.epochs):
                self.pending.add(gap)

    def take(self) -> list[pb.Gap]:
        """Gaps for the next sealed block; `bind` names it."""
        gaps = self.pending.take()
        for gap in gaps:
            self._taken.add(gap)
        return gaps

    def bind(self, key: BlockKey) -> bool:
        """The block carries what was taken since the last one; True if that is anything."""
        if not self._taken:
            return False
        self._carried[key], self._taken = self._taken, GapSet()
        return True

    def carrier_acked(self, key: BlockKey) -> bool:
        """Settle what the block carried; True if the state changed."""
        carried = self._carried.pop(key, None)
        if carried is None:
            return False
        self._delivered.add(key, carried)
        for epoch in carried.ends() - self._announced():  # else a piece of its end still waits
            self._end_told(epoch)
        return True

    def _end_told(self, epoch: int) -> None:
        self.state.epochs.pop(epoch, None)
        self._settled.discard(epoch)
        self._closed.discard(epoch)

    def unsettled(self, more: GapSet) -> list[CarriedGap]:
        """Every gap that is not settled, and `more`, for the state file.

        Ends of epochs that no block carries are left out: an open epoch in the file says the same.
        """
        carriers = sorted(self._carried)
        old, named = carriers[:-CARRIERS_NAMED_MAX], carriers[-CARRIERS_NAMED_MAX:]
        loose = GapSet()
        for part in (self.pending, self._taken, more, *(self._carried[key] for key in old)):
            loose.update(part)
        unsettled = [CarriedGap(0, 0, gap) for gap in loose.messages() if not gap.count_unknown]
        for key in named:
            unsettled += [CarriedGap(*key, gap) for gap in self._carried[key].messages()]
        return unsettled

    def written_to(self, disk: Disk, more: GapSet) -> Callable[[], None]:
        """What writes the state file as it is now, with `more` gaps; to be called in the disk's
        thread. That raises OSError.
        """
        self.state.gaps, self.state.delivered = self.unsettled(more), self._delivered.kept
        return partial(state.write, disk, state.encode(self.state))

    def write_runs(self, disk: Disk) -> None:
        """The runs before this one. Raises OSError."""
        state.write(disk, state.sealed(self.runs.encode()), NAME)

    def welcome(self, epoch: int, closed: bool) -> None:
        """The platform has said what it holds of `epoch`, and whether it knows its end."""
        self._settled.add(epoch)
        if closed:
            self._closed.add(epoch)

    def end_acked(self, epoch: int) -> None:
        """The platform holds the block that ends `epoch`."""
        self._closed.add(epoch)

    def conclude(self, number: int, epoch: Epoch) -> bool:
        """Announce what is missing of an earlier epoch of which nothing is left to send.

        Where its last block is known (the platform holds its end, or the box once had it on disk)
        all that was never announced was damaged, and the count is exact; else that, and all that
        follows, went with the crash. True if the state changed.
        """
        entry = self.state.epochs.get(number)
        if self._keeps_unread:
            return False
        if entry is None or number == self.current or epoch.live or number not in self._settled:
            return False
        known = RangeSet(epoch.acked)
        known.update(epoch.gone)
        known.update(entry.gone)
        if number in self._announced():
            return self._lost_since(number, known)
        holes = RangeSet([(1, max(known.highest, entry.end_seq))]).minus(known)
        if number in self._closed or entry.end_seq:
            if holes:
                told_before = entry.reason == pb.GAP_REASON_PLATFORM_LOST
                reason = entry.reason if told_before else pb.GAP_REASON_DAMAGED
                self.lose(reason, number, Loss(holes))
            self._end_told(number)
            return True
        self.pending.add(
            pb.Gap(
                reason=entry.reason,
                epoch=number,
                blocks=[pb.SeqRange(first=a, last=b) for a, b in holes],
                count_unknown=True,
                after_seq=known.prefix_end(),
                until_ns=entry.until_ns,
                until_boot_id=entry.until_boot_id,
            )
        )
        lost = self._delivered.lost(number, lambda seq: seq not in known)
        self._owe_again(lost)
        return bool(lost)

    def _lost_since(self, number: int, known: RangeSet) -> bool:
        """The end of an epoch is on its way, and says what the platform held when it was announced:
        what it lost since is announced apart. True if there is any.
        """
        told = RangeSet()
        for gaps in (self.pending, self._taken, *self._carried.values()):
            end = gaps.end(number)
            if end is not None:
                told.add(1, end.after_seq)
                known.update(RangeSet((r.first, r.last) for r in end.blocks))
        lost = told.minus(known)
        if lost:
            self.lose(pb.GAP_REASON_PLATFORM_LOST, number, Loss(lost))
        return bool(lost)

    def _announced(self) -> set[int]:
        ends = self.pending.ends() | self._taken.ends()
        for carried in self._carried.values():
            ends |= carried.ends()
        return ends


class Delivered:
    """Gaps that the platform has taken, and the blocks that carried them.

    A platform that is put back to before such a block lacks its gaps too, and what they name is
    neither held nor announced: then they are owed again. The newest are kept, to a bound, over
    restarts too. `kept`: what the state file is to know, the oldest first.
    """

    def __init__(self, kept: Iterable[CarriedGap]) -> None:
        self.kept = list(kept)
        self._bytes = sum(map(_kept_size, self.kept))

    def add(self, carrier: BlockKey, gaps: GapSet) -> None:
        """The platform holds the block, and so these. Runs that it named itself, it names again."""
        for gap in gaps.messages():
            if not (gap.count_unknown and gap.reason == pb.GAP_REASON_BOX_FORGOT):
                self.kept.append(CarriedGap(*carrier, gap))
                self._bytes += _kept_size(self.kept[-1])
        while self._bytes > DELIVERED_BYTES_MAX:
            self._bytes -= _kept_size(self.kept.pop(0))

    def lost(self, epoch: int, is_lost: Callable[[int], bool]) -> list[pb.Gap]:
        """The gaps of those blocks of `epoch` that the platform holds no more; kept no longer."""
        kept, gaps = [], []
        for entry in self.kept:
            if entry.epoch == epoch and is_lost(entry.seq):
                gaps.append(entry.gap)
                self._bytes -= _kept_size(entry)
            else:
                kept.append(entry)
        self.kept = kept
        return gaps


def _kept_size(entry: CarriedGap) -> int:
    return 64 + entry.gap.ByteSize()
