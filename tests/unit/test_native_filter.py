"""Reports on change, dead bands and resolutions, against plain decimal arithmetic."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jiahe.ingest.v1 import ingest_pb2 as pb

from native.block.latest import latest, qualities
from tests.kit.scans import GOOD, PERIOD_NS, START_NS, Box, plan, registers, tag

UNCERTAIN, BAD, BAD_NO_ANSWER, BAD_DAMAGED = 64, 128, 129, 131
UNCERTAIN_OUT_OF_RANGE = 65
#: After so many rows an unchanged value is said again, whatever the tag says.
HOUR_ROWS = 3600 * 10**9 // PERIOD_NS

Row = tuple[int, int]  # raw value, quality

rows_of_int16 = st.lists(
    st.tuples(
        st.integers(-40, 40) | st.integers(-(1 << 15), (1 << 15) - 1),
        st.sampled_from([GOOD] * 6 + [UNCERTAIN] * 3 + [BAD_NO_ANSWER, BAD_DAMAGED]),
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
            or row - last_row >= (at_least or HOUR_ROWS)
            or (quality < BAD and moved > allowed)
        ):
            found.append((row, text(value) if quality < BAD else None, quality))
            last_row, last_quality = row, quality
            last_value = value if quality < BAD else last_value
    return found


@given(rows_of_int16, seals, scales, offsets, st.integers(0, 9))
def test_tag_when_reported_on_change_has_an_entry_where_it_changed(
    rows: list[Row], seal_after: set[int], scale: Decimal, offset: Decimal, at_least: int
) -> None:
    made = tag("t", report="change", scale=scale, offset=offset, at_least_ns=at_least * PERIOD_NS)
    got = reported(Box([plan([made])]), rows, seal_after)
    assert got == expected(rows, scale, offset, Decimal(0), False, at_least)


edges = st.none() | st.integers(-80, 80)


@given(rows_of_int16, seals, scales, offsets, edges, edges)
def test_value_when_outside_min_and_max_then_uncertain_and_kept(
    rows: list[Row],
    seal_after: set[int],
    scale: Decimal,
    offset: Decimal,
    low: int | None,
    high: int | None,
) -> None:
    """Limits on the value's own grid, where equality decides, and off it."""
    step = Decimal("0.5") * abs(scale)
    least, most = (None if edge is None else edge * step + offset for edge in (low, high))
    box = Box([plan([tag("t", scale=scale, offset=offset, min=least, max=most)])])

    def judged(raw: int, quality: int) -> int:
        value = raw * scale + offset
        outside = (least is not None and value < least) or (most is not None and value > most)
        return UNCERTAIN_OUT_OF_RANGE if outside and quality == GOOD else quality

    wanted = [
        (row, text(raw * scale + offset) if quality < BAD else None, judged(raw, quality))
        for row, (raw, quality) in enumerate(rows)
    ]
    assert reported(box, rows, seal_after) == wanted
    (group,) = box.groups
    (_, ((_, newest),)) = latest(group)
    assert newest == wanted[-1][2]
    assert qualities(group) == {newest: 1}


@pytest.mark.parametrize("kind", ["float32", "float64"])
@pytest.mark.parametrize("scale", ["1", "0.001"])
def test_float_when_it_is_the_limit_itself_then_good(kind: Any, scale: str) -> None:
    """0.1 as a float32 is above 0.1: a limit is taken as the type has it."""
    limit = Decimal("0.1") * Decimal(scale)
    box = Box([plan([tag("t", kind, scale=Decimal(scale), min=limit, max=limit)])])
    for tick, value in enumerate((0.1, 0.1 * (1 - 1e-6), 0.1 * (1 + 1e-6))):
        box.push(0, tick, registers(kind, "ABCD", value))
    assert [entry.quality for entry in box.seal()] == [GOOD, *[UNCERTAIN_OUT_OF_RANGE] * 2]


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
        at_the_end = value / scale in (-(2**31), 2**31 - 1)  # the multiple is outside the type
        assert value % resolution == 0 or at_the_end
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


@pytest.mark.parametrize(
    ("kind", "raw", "kept"),
    [
        ("uint16", 65535, 65535), ("int16", 32767, 32767), ("int16", -32768, -32768),
        ("uint32", 2**32 - 1, 2**32 - 1), ("int32", -(2**31), -(2**31)), ("bcd16", 9999, 9999),
        ("int64", 2**63 - 1, 2**63 - 1), ("int64", -(2**63), -(2**63)),
        ("uint64", 2**64 - 1, 2**64 - 1),
    ],
)  # fmt: skip
def test_rounding_at_the_end_of_a_type_stays_inside_it(kind: str, raw: int, kept: int) -> None:
    """The next multiple is a value that the type does not have."""
    box = Box([plan([tag("t", kind, resolution=Decimal(1000))])])
    box.push(0, 0, registers(kind, "ABCD", raw))
    (entry,) = box.seal()
    assert entry.value == str(kept) or abs(int(entry.value or 0) - raw) <= 500


def test_a_float_at_the_end_of_its_type_stays_a_number() -> None:
    box = Box([plan([tag("t", "float32", resolution=Decimal("1e38"))])])
    box.push(0, 0, registers("float32", "ABCD", 3.4e38))
    (entry,) = box.seal()
    assert entry.quality == GOOD and entry.value is not None and "inf" not in entry.value


def test_an_unchanged_value_is_said_again_within_an_hour() -> None:
    box = Box([plan([tag("t", report="change")])])
    for tick in (0, 1, HOUR_ROWS - 1, HOUR_ROWS, 2 * HOUR_ROWS - 1, 2 * HOUR_ROWS):
        box.groups[0].skip(tick, pb.GAP_REASON_OVERRUN)
        box.push(0, tick, registers("int16", "ABCD", 7))
    ticks = [(entry.boot_ns - START_NS) // PERIOD_NS for entry in box.seal()]
    assert ticks == [0, HOUR_ROWS, 2 * HOUR_ROWS]


def test_tags_on_change_are_said_again_after_a_loss() -> None:
    box = Box([plan([tag("a", report="change"), tag("b", report="change"), tag("c")])])
    word = registers("int16", "ABCD", 7)
    box.push(0, 0, word * 3)
    assert len(box.seal()) == 3
    box.push(0, 1, word * 3)
    assert [entry.tag for entry in box.seal()] == ["c"]
    box.sealer.restate()
    box.push(0, 2, word * 3)
    box.push(0, 3, word * 3)
    assert [entry.tag for entry in box.seal()] == ["a", "b", "c", "c"]
