"""What is absurd is refused in few words and at little cost, and what is only unusual is not."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest import limits
from ingest.decode import integrate
from ingest.refusal import RefusedError
from tests.contract import checking, encode, examples
from tests.contract.examples import EPOCH

DAY_NS = 86_400 * 10**9
CENTURY_NS = limits.SPAN_NS_MAX


def reason(
    payload: pb.BlockPayload, period_ns: int = examples.PERIOD_NS
) -> pb.RejectReason.ValueType | None:
    """Why the block is refused; None: it is taken."""
    block = encode.block(EPOCH, 1, payload)
    try:
        checking.check(block, checking.layout(period_ns=period_ns))
    except RefusedError as error:
        return error.reason
    return None


def long_run(rows: int) -> pb.GroupRun:
    """Constant columns: a few bytes, however many rows."""
    columns = [pb.Column(values=[7], order=1), pb.Column()]
    return encode.run(1, 0, rows, columns, late_us=[3, 2], late_order=2)


def test_long_run_of_few_bytes_is_taken_and_none_of_its_rows_is_built() -> None:
    payload = pb.BlockPayload(runs=[long_run(limits.ROWS_MAX)])
    block = encode.block(EPOCH, 1, payload)
    layout = checking.layout()
    tracemalloc.start()
    try:
        checking.check(block, layout)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


_LATE = st.one_of(
    st.integers(-50, 50),
    st.integers(-(1 << 41), 1 << 41),
    st.integers(-(1 << 63), (1 << 63) - 1),
)


@given(st.lists(_LATE, max_size=4), st.integers(0, 2), st.integers(0, 40))
@example([1 << 40, -(1 << 41)], 2, 3)
@example([1 << 62], 2, 5)
def test_rows_too_far_from_their_due_time_are_found_as_if_each_had_been_looked_at(
    late_us: list[int], order: int, more: int
) -> None:
    rows = len(late_us) + more
    columns = [pb.Column(), pb.Column()]
    run = encode.run(1, 0, rows + 1, columns, skipped=[(rows, 1, pb.GAP_REASON_OVERRUN)])
    run.late_order = order
    run.late_us.extend(late_us)
    far = max(map(abs, integrate(late_us, order, rows)), default=0) > limits.LATE_US_MAX
    assert (reason(pb.BlockPayload(runs=[run])) is not None) == far


def _last_tick(end_ns: int) -> pb.BlockPayload:
    """A run of one tick of a group with a day's period, whose tick 0 was due at 0."""
    tick = end_ns // DAY_NS - 1
    run = encode.run(1, tick, 1, [pb.Column(), pb.Column()], first_due_ns=tick * DAY_NS)
    return pb.BlockPayload(runs=[run])


def _skipped_ticks(end_ns: int) -> pb.BlockPayload:
    ticks = end_ns // examples.PERIOD_NS
    run = encode.run(1, 0, ticks, [], first_due_ns=0, skipped=[(0, ticks, 2)])
    return pb.BlockPayload(runs=[run])


def _due(end_ns: int) -> pb.BlockPayload:
    return pb.BlockPayload(runs=[encode.run(1, 0, 1, [pb.Column()] * 2, first_due_ns=end_ns)])


def _due_before(end_ns: int) -> pb.BlockPayload:
    return pb.BlockPayload(runs=[encode.run(1, 0, 1, [pb.Column()] * 2, first_due_ns=-end_ns)])


def _gap(first: int, count: int, first_due_ns: int, last_due_ns: int) -> pb.BlockPayload:
    ticks = pb.GapTicks(
        group=1, first_tick=first, count=count, first_due_ns=first_due_ns, last_due_ns=last_due_ns
    )
    gap = pb.Gap(reason=pb.GAP_REASON_EVICTED_OLDEST, epoch=EPOCH, ticks=[ticks])
    return pb.BlockPayload(gaps=[gap])


def _gap_ticks(end_ns: int) -> pb.BlockPayload:
    count = end_ns // DAY_NS
    return _gap(0, count, 0, (count - 1) * DAY_NS)


def _late_gap(end_ns: int) -> pb.BlockPayload:
    return _gap(end_ns // DAY_NS - 2, 2, 0, DAY_NS)


def _boot(end_ns: int) -> pb.BlockPayload:
    anchor = pb.Anchor(boot_id="b", boot_time_ns=end_ns, source=pb.ANCHOR_SOURCE_SYSTEM)
    return pb.BlockPayload(anchors=[anchor])


@pytest.mark.parametrize(
    "ending",
    [_skipped_ticks, _due, _due_before, _gap_ticks, _late_gap, _boot],
)
def test_ticks_and_times_end_at_a_hundred_years(ending: Callable[[int], pb.BlockPayload]) -> None:
    assert reason(ending(CENTURY_NS)) is None
    assert reason(ending(CENTURY_NS + 2 * DAY_NS)) == pb.REJECT_REASON_MALFORMED


def test_ticks_of_a_long_period_end_at_a_hundred_years() -> None:
    assert reason(_last_tick(CENTURY_NS), DAY_NS) is None
    assert reason(_last_tick(CENTURY_NS + 2 * DAY_NS), DAY_NS) == pb.REJECT_REASON_MALFORMED


@pytest.mark.parametrize("due", [(5, 5), (5, 4), (0, -(10**9))])
def test_gap_whose_ticks_were_all_due_at_once_or_backwards_is_refused(due: tuple[int, int]) -> None:
    assert reason(_gap(0, 3, *due)) == pb.REJECT_REASON_MALFORMED
    assert reason(_gap(0, 1, 5, 5)) is None


@pytest.mark.parametrize("last", [limits.SEQ_END, (1 << 63) - 1, (1 << 64) - 1])
def test_gap_of_blocks_that_no_box_can_number_is_refused(last: int) -> None:
    gap = pb.Gap(reason=pb.GAP_REASON_EXPIRED, epoch=1, blocks=[pb.SeqRange(first=1, last=last)])
    assert reason(pb.BlockPayload(gaps=[gap])) == pb.REJECT_REASON_MALFORMED
    gap.blocks[0].last = limits.SEQ_END - 1
    assert reason(pb.BlockPayload(gaps=[gap])) is None
    crash = pb.Gap(reason=pb.GAP_REASON_CRASH, epoch=1, count_unknown=True, after_seq=last)
    assert reason(pb.BlockPayload(gaps=[crash])) == pb.REJECT_REASON_MALFORMED


@pytest.mark.parametrize("field", ["name", "scale", "offset", "text_encoding", "unit", "address"])
def test_catalog_with_a_text_of_megabytes_is_refused_in_few_words_and_little_memory(
    field: str,
) -> None:
    content = examples.tags()
    setattr(content.tags[0], field, "\x01" * 2_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(RefusedError) as caught:
            checking.tag_set(content)
        assert tracemalloc.get_traced_memory()[1] < 12_000_000  # the bytes and the text
    finally:
        tracemalloc.stop()
    assert len(caught.value.detail) < 400


def test_refusal_of_any_length_is_cut() -> None:
    error = RefusedError(pb.REJECT_REASON_MALFORMED, "x" * 10_000)
    assert len(error.detail) == len(str(error)) == limits.DETAIL_CHARS_MAX
    assert error.detail.endswith("…")
