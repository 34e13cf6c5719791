"""What a block says beside its runs: anchors, gaps, the end of an epoch, the run before."""

from __future__ import annotations

from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest import limits
from ingest.refusal import malformed, too_large


def is_absurd(*times_ns: int) -> bool:
    """Whether one of them is beyond a hundred years."""
    return max(map(abs, times_ns)) > limits.SPAN_NS_MAX


def check_extra(payload: pb.BlockPayload, seq: int) -> None:
    """Raises RefusedError."""
    too_large("anchors", len(payload.anchors), limits.ANCHORS_MAX)
    too_large("gaps", len(payload.gaps), limits.GAPS_MAX)
    for anchor in payload.anchors:
        _check_boot("an anchor's", anchor.boot_id)
        malformed(anchor.error_ns >= limits.INT64_END, f"anchor: error_ns {anchor.error_ns}")
        malformed(
            is_absurd(anchor.boot_time_ns),
            f"anchor: boot_time_ns {anchor.boot_time_ns} is beyond a hundred years",
        )
    ranges = 0
    for gap in payload.gaps:
        ranges += len(gap.blocks) + len(gap.ticks) + len(gap.events)
        too_large("ranges of gaps", ranges, limits.GAP_RANGES_MAX)
        _check_gap(gap)
    if payload.HasField("begin"):
        malformed(seq != 1, "begin outside of block 1")
        _check_begin(payload.begin)


def _check_boot(whose: str, boot_id: str) -> None:
    malformed(
        not 0 < len(boot_id) <= limits.BOOT_ID_CHARS_MAX or not boot_id.isprintable(),
        f"{whose} boot_id is empty, too long or unprintable",
    )


def _check_begin(begin: pb.Begin) -> None:
    malformed(begin.previous_epoch >= limits.EPOCH_END, f"begin: epoch {begin.previous_epoch}")
    malformed(begin.previous_last_seq >= limits.SEQ_END, f"begin: seq {begin.previous_last_seq}")
    malformed(
        is_absurd(begin.sampled_until_ns, begin.began_ns), "begin: times beyond a hundred years"
    )
    if begin.previous_boot_id:
        _check_boot("begin: the", begin.previous_boot_id)


def _check_gap(gap: pb.Gap) -> None:
    malformed(not 0 < gap.epoch < limits.EPOCH_END, f"gap: epoch {gap.epoch} is not in 1..2^53-1")
    malformed(gap.reason <= 0, f"gap of reason {int(gap.reason)}")
    malformed(
        not (gap.count_unknown or gap.blocks or gap.ticks or gap.events), "a gap without contents"
    )
    malformed(gap.end_of_epoch and not gap.blocks, "gap: the end of an epoch without its block")
    malformed(gap.after_seq >= limits.SEQ_END, f"gap: after_seq {gap.after_seq}")
    malformed(is_absurd(gap.until_ns), f"gap: until_ns {gap.until_ns}")
    if gap.until_boot_id:
        _check_boot("gap: the", gap.until_boot_id)
    for seqs in gap.blocks:
        malformed(
            not 0 < seqs.first <= seqs.last < limits.SEQ_END,
            f"gap: blocks {seqs.first}..{seqs.last}",
        )
    for ticks in gap.ticks:
        _check_gap_ticks(ticks)
    for events in gap.events:
        malformed(
            events.count == 0 or events.first + events.count >= limits.INT64_END,
            f"gap: events {events.first}+{events.count} of group {events.group}",
        )


def _check_gap_ticks(ticks: pb.GapTicks) -> None:
    where = f"gap: ticks {ticks.first_tick}+{ticks.count} of group {ticks.group}"
    malformed(ticks.count == 0, where)
    end = ticks.first_tick + ticks.count
    between_ns = ticks.last_due_ns - ticks.first_due_ns
    malformed(
        between_ns < ticks.count - 1,
        f"{where}, due from {ticks.first_due_ns} to {ticks.last_due_ns}: less than 1 ns apart",
    )
    malformed(
        # end x period, where the due times tell the period: those of a single tick do not.
        end * between_ns > limits.SPAN_NS_MAX * (ticks.count - 1)
        or end > limits.SPAN_NS_MAX
        or is_absurd(ticks.first_due_ns, ticks.last_due_ns),
        f"{where} reach beyond a hundred years",
    )
