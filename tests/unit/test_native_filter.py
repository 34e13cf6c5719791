"""Reports on change, dead bands and resolutions, against plain decimal arithmetic."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.kit.scans import GOOD, PERIOD_NS, START_NS, Box, plan, registers, tag

BAD_NO_ANSWER, BAD_DAMAGED = 129, 131

Row = tuple[int, int]  # raw value, quality

rows_of_int16 = st.lists(
    st.tuples(
        st.integers(-40, 40) | st.integers(-(1 << 15), (1 << 15) - 1),
        st.sampled_from([GOOD] * 6 + [BAD_NO_ANSWER, BAD_DAMAGED]),
    ),
    min_size=1,
    max_size=60,
)
seals = st.sets(st.integers(0, 59), max_size=5)
scales = st.sampled_from([Decimal(text) for text in ("1", "0.1", "0.001", "-0.25", "7")])
offsets = st.sampled_from([Decimal(text) for text in ("0", "-40", "1.5")])


def reported(
    box: Box, rows: list[Row], seal_after: set[int], encode: Any = None
) -> list[tuple[int, str | None, int]]:
    """(row, value, quality) of the entries after a push of each row, with seals in between."""
    found = []
    for tick, (raw, quality) in enumerate(rows):
        data = encode(raw) if encode else registers("int16", "ABCD", raw)
        box.push(0, tick, data, status=[quality])
        if tick in seal_after or tick == len(rows) - 1:
            found += box.seal()
    return [((e.boot_ns - START_NS) // PERIOD_NS, e.value, e.quality) for e in found]


def text(number: Decimal) -> str:
    return f"{number.normalize():f}" if number else "0"


def expected(
    rows: list[Row], scale: Decimal, offset: Decimal, band: Decimal, percent: bool, at_least: int
) -> list[tuple[int, str | None, int]]:
    """The contract's words, row by row: report = "change", deadband, at_least (in rows)."""
    found: list[tuple[int, str | None, int]] = []
    last_row = last_quality = -1
    last_value = Decimal(0)
    for row, (raw, quality) in enumerate(rows):
        value = raw * scale + offset
        moved = abs(value - last_value)
        allowed = abs(last_value) * band / 100 if percent else band
        if (
            not found
            or quality != last_quality
            or (at_least and row - last_row >= at_least)
            or (quality == GOOD and moved > allowed)
        ):
            found.append((row, text(value) if quality == GOOD else None, quality))
            last_row, last_quality = row, quality
            last_value = value if quality == GOOD else last_value
    return found


@given(rows_of_int16, seals, scales, offsets, st.integers(0, 9))
def test_tag_when_reported_on_change_has_an_entry_where_it_changed(
    rows: list[Row], seal_after: set[int], scale: Decimal, offset: Decimal, at_least: int
) -> None:
    made = tag("t", report="change", scale=scale, offset=offset, at_least_ns=at_least * PERIOD_NS)
    got = reported(Box([plan([made])]), rows, seal_after)
    assert got == expected(rows, scale, offset, Decimal(0), False, at_least)


@given(rows_of_int16, seals, scales, offsets, st.integers(1, 30), st.booleans())
@example([(0, GOOD), (3, GOOD), (7, GOOD)], set(), Decimal("0.1"), Decimal(0), 3, True)
def test_tag_when_it_has_a_dead_band_has_an_entry_beyond_it_only(
    rows: list[Row], seal_after: set[int], scale: Decimal, offset: Decimal, steps: int, on: bool
) -> None:
    """Bands on the value's own grid, where "more than" is decided by equality, and off it."""
    band = steps * abs(scale) if on else (steps + Decimal("0.5")) * abs(scale)
    made = tag("t", report="change", scale=scale, offset=offset, deadband=band)
    got = reported(Box([plan([made])]), rows, seal_after)
    assert got == expected(rows, scale, offset, band, False, 0)


@given(rows_of_int16, seals, st.sampled_from([Decimal(1), Decimal("12.5"), Decimal(50)]))
def test_tag_when_its_dead_band_is_in_percent_is_held_against_the_last_value(
    rows: list[Row], seal_after: set[int], band: Decimal
) -> None:
    offset = Decimal("0.5")  # keeps every value off the band's edge but for doublings
    made = tag("t", report="change", offset=offset, deadband=band, deadband_percent=True)
    got = reported(Box([plan([made])]), rows, seal_after)
    assert got == expected(rows, Decimal(1), offset, band, True, 0)


@given(
    st.lists(st.sampled_from([b"", b"O1234", b"O1234 ", b"\xff", b"a"]), min_size=1, max_size=30),
    seals,
)
def test_text_when_reported_on_change_has_an_entry_where_it_changed(
    texts: list[bytes], seal_after: set[int]
) -> None:
    box = Box([plan([tag("t", "string", length=6, report="change")])])
    got = reported(
        box,
        [(index, GOOD) for index in range(len(texts))],
        seal_after,
        encode=lambda index: texts[index].ljust(6, b"\0"),
    )
    changes = [i for i in range(len(texts)) if i == 0 or texts[i] != texts[i - 1]]
    assert got == [
        (i, None, 137) if texts[i] == b"\xff" else (i, texts[i].decode(), GOOD) for i in changes
    ]


@given(
    st.lists(st.integers(-(1 << 31), (1 << 31) - 1), min_size=1, max_size=20),
    st.sampled_from([Decimal("0.001"), Decimal("0.1"), Decimal(1)]),
    st.integers(2, 5000),
)
def test_integer_when_it_has_a_resolution_is_the_nearest_multiple(
    raws: list[int], scale: Decimal, multiple: int
) -> None:
    resolution = multiple * scale
    box = Box([plan([tag("t", "int32", scale=scale, resolution=resolution)])])
    for tick, raw in enumerate(raws):
        box.push(0, tick, registers("int32", "ABCD", raw))
    for raw, entry in zip(raws, box.seal(), strict=True):
        assert entry.value is not None
        value = Decimal(entry.value)
        assert value % resolution == 0
        assert abs(value - raw * scale) <= resolution / 2


@given(
    st.sampled_from(["float32", "float64"]),
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=20),
    st.sampled_from([Decimal(text) for text in ("0.01", "0.1", "0.25", "0.003", "1", "50")]),
)
def test_float_when_it_has_a_resolution_is_the_multiple_in_decimal(
    kind: str, raws: list[float], resolution: Decimal
) -> None:
    """Its text too: 0.3, never 0.30000000000000004, or few bytes become many."""
    box = Box([plan([tag("t", kind, resolution=resolution)])])
    for tick, raw in enumerate(raws):
        box.push(0, tick, registers(kind, "ABCD", raw))
    for raw, entry in zip(raws, box.seal(), strict=True):
        assert entry.value is not None
        value, exact = Decimal(entry.value), Decimal(raw)
        nearest = (value / resolution).to_integral_value(ROUND_HALF_EVEN) * resolution
        slack = abs(exact) * Decimal(2) ** -23 if kind == "float32" else Decimal(0)
        assert abs(value - nearest) <= slack
        assert abs(value - exact) <= resolution / 2 + slack + abs(exact) * Decimal(2) ** -52


@pytest.mark.parametrize("raw", [float("nan"), float("inf"), 1e300, 5e-324])
def test_float_when_beyond_any_resolution_is_left_as_it_is(raw: float) -> None:
    box = Box([plan([tag("t", "float64", resolution=Decimal("0.01"))])])
    box.push(0, 0, registers("float64", "ABCD", raw))
    (entry,) = box.seal()
    if raw == 1e300:
        assert entry.value is not None and float(entry.value) == raw
    elif raw == 5e-324:
        assert entry.value == "0"
    else:
        assert (entry.value, entry.quality) == (None, 137)


@pytest.mark.parametrize("raw", [0, 1, (1 << 64) - 1, 1 << 63])
def test_uint64_when_it_has_a_resolution_survives_at_its_ends(raw: int) -> None:
    box = Box([plan([tag("t", "uint64", resolution=Decimal(10))])])
    box.push(0, 0, registers("uint64", "ABCD", raw))
    (entry,) = box.seal()
    assert entry.value is not None
    assert abs(int(entry.value) - raw) <= 5
