"""Boot time to UTC: the anchor that is worth most wins, whenever it came."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest.clock import Anchor, BootClock

UNKNOWN, SYSTEM, PLATFORM, LAST_KNOWN = (
    pb.ANCHOR_SOURCE_UNKNOWN, pb.ANCHOR_SOURCE_SYSTEM, pb.ANCHOR_SOURCE_PLATFORM,
    pb.ANCHOR_SOURCE_LAST_KNOWN,
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
    st.integers(0, 10**18) | st.integers(10**18, 10**18 + 10**9),
    st.sampled_from([UNKNOWN, SYSTEM, PLATFORM, LAST_KNOWN, 99]),
    st.integers(0, 10**8),
    st.booleans(),
)


def contradict(one: Anchor, other: Anchor) -> bool:
    apart = abs((one.utc_ns - one.boot_time_ns) - (other.utc_ns - other.boot_time_ns))
    errors = one.error_ns + other.error_ns
    return 10_000 * apart > 10_000 * errors + abs(one.boot_time_ns - other.boot_time_ns)


@given(st.lists(_ANCHORS, min_size=1, max_size=8, unique=True), st.integers(-(10**12), 10**12))
def test_clock_of_any_anchors_agrees_with_the_rule_tried_on_each(
    anchors: list[Anchor], boot_ns: int
) -> None:
    """proto/README.md section 8, word by word."""
    ordered = sorted(anchors)
    left = [
        one
        for place, one in enumerate(ordered)
        if not any(later.voids_earlier and contradict(one, later) for later in ordered[place + 1 :])
    ]
    vouched = [one for one in left if one.source in (SYSTEM, PLATFORM)]
    usable = vouched or [one for one in left if one.source == LAST_KNOWN] or left
    worth = {a: a.error_ns * 10_000 + abs(boot_ns - a.boot_time_ns) for a in usable}
    best = [one for one in usable if worth[one] == min(worth.values())]
    allowed = {
        (
            boot_ns - one.boot_time_ns + one.utc_ns,
            not vouched or any(contradict(one, other) for other in vouched),
        )
        for one in best
    }
    assert tuple(BootClock(anchors).moment(boot_ns)) in allowed


def test_receiver_whose_clock_was_a_day_ahead_makes_times_uncertain_until_it_is_voided() -> None:
    """field.md 5.15: two anchors of one boot, each "within 0.5 ms", a day apart."""
    day = 86_400 * SECOND
    wrong = Anchor(0, 10**18 + day, PLATFORM, 500_000)
    right = Anchor(60 * SECOND, 10**18 + 60 * SECOND, PLATFORM, 500_000)
    clock = BootClock([wrong, right])
    assert clock.moment(1).uncertain and clock.moment(70 * SECOND).uncertain
    mended = BootClock([wrong, right._replace(voids_earlier=True)])
    assert mended.moment(1) == (10**18 + 1, False)
