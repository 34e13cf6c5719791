"""Addresses as ranges, against a set of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.address import FUNCTION, Range
from drivers.modbus.stretches import Stretches

RANGES = st.builds(
    lambda space, first, more: Range(space, first, first + more),
    st.sampled_from(["holding", "coil"]),
    st.integers(0, 30),
    st.integers(0, 8),
)


def spelled(one: Range) -> set[tuple[int, int]]:
    return {(FUNCTION[one.space], address) for address in range(one.first, one.last + 1)}


@given(st.lists(st.tuples(st.booleans(), RANGES)), RANGES)
def test_stretches_hold_what_was_added_and_not_removed_since(
    changes: list[tuple[bool, Range]], asked: Range
) -> None:
    stretches, known = Stretches(), set[tuple[int, int]]()
    for is_added, one in changes:
        if is_added:
            stretches.add(one)
            known |= spelled(one)
        else:
            stretches.remove(one)
            known -= spelled(one)
    assert stretches.hold(asked) == (spelled(asked) <= known)
    missing = stretches.missing(asked)
    assert missing == sorted(missing)
    assert [each for one in missing for each in sorted(spelled(one))] == sorted(
        spelled(asked) - known
    )
