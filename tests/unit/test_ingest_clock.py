"""Boot time to UTC: the anchor that is worth most wins, whenever it came."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest.clock import Anchor, BootClock

UNKNOWN, SYSTEM, PLATFORM = (
    pb.ANCHOR_SOURCE_UNKNOWN, pb.ANCHOR_SOURCE_SYSTEM, pb.ANCHOR_SOURCE_PLATFORM,
)  # fmt: skip
SECOND = 1_000_000_000


def test_anchor_that_came_later_mends_a_box_that_started_in_1970() -> None:
    clock = BootClock(
        [Anchor(5 * SECOND, 0, UNKNOWN, 0), Anchor(60 * SECOND, 10**18, SYSTEM, 1000)]
    )
    assert clock.utc_ns(5 * SECOND) == 10**18 - 55 * SECOND
    assert not clock.uncertain


def test_boot_with_unknown_anchors_only_is_uncertain() -> None:
    clock = BootClock([Anchor(0, 7, UNKNOWN, 0)])
    assert clock.uncertain
    assert clock.utc_ns(3) == 10


def test_anchor_nearby_beats_a_better_one_once_drift_outweighs_its_error() -> None:
    far, near = (
        Anchor(0, 0, SYSTEM, 0),
        Anchor(3600 * SECOND, 3600 * SECOND + 5, PLATFORM, SECOND // 100),
    )
    clock = BootClock([far, near])
    assert clock.utc_ns(100 * SECOND) == 100 * SECOND
    assert clock.utc_ns(3600 * SECOND) == 3600 * SECOND + 5


_ANCHORS = st.builds(
    Anchor,
    st.integers(-(10**12), 10**12),
    st.integers(0, 10**18),
    st.sampled_from([UNKNOWN, SYSTEM, PLATFORM]),
    st.integers(0, 10**8),
)


@given(st.lists(_ANCHORS, min_size=1, max_size=8), st.integers(-(10**12), 10**12))
def test_clock_of_any_anchors_agrees_with_the_rule_tried_on_each(
    anchors: list[Anchor], boot_ns: int
) -> None:
    usable = [anchor for anchor in anchors if anchor.source != UNKNOWN] or anchors
    worth = [a.error_ns * 10_000 + abs(boot_ns - a.boot_time_ns) for a in usable]
    allowed = {
        boot_ns - a.boot_time_ns + a.utc_ns
        for a, w in zip(usable, worth, strict=True)
        if w == min(worth)
    }
    assert BootClock(anchors).utc_ns(boot_ns) in allowed
