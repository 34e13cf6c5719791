"""What STEP 7 packs in ways of its own, against the simulator's encoder, which shares nothing with
native/, and against values worked out by hand.
"""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.s7.address import parse
from drivers.s7.simulator.values import STEPS, SimTag, encode, value
from drivers.s7.types import FIXES
from native.s7.shape import reshaped

_1970 = datetime.datetime(1970, 1, 1)


def ns(at: datetime.datetime) -> bytes:
    whole = (at - _1970) // datetime.timedelta(microseconds=1) * 1000
    return whole.to_bytes(8, "big", signed=True)


@pytest.mark.parametrize("type_", ["string", "wstring", "s5time", "date_time", "dtl", "ldt"])
def test_value_when_the_simulator_packs_it_then_the_same_comes_out(type_: str) -> None:
    tag = SimTag("a tag", parse("DB1.DBB0"), type_, 20 if type_.endswith("string") else 0)
    for counter in range(STEPS):
        shown, found = value(tag, counter), reshaped(FIXES[type_].code, encode(tag, counter), 20)
        if isinstance(shown, bytes):
            assert found == shown.ljust(60 if type_ == "wstring" else 20, b"\0")
        elif isinstance(shown, datetime.datetime):
            assert found == ns(shown)
        else:
            assert found == int(shown).to_bytes(4, "big")


@pytest.mark.parametrize(
    ("raw", "milliseconds"),
    [("0000", 0), ("0127", 1270), ("1999", 99_900), ("2127", 127_000), ("3999", 9_990_000),
     ("C127", 1270)],
)  # fmt: skip
def test_s5time_when_of_each_base_then_milliseconds(raw: str, milliseconds: int) -> None:
    assert reshaped(2, bytes.fromhex(raw)) == milliseconds.to_bytes(4, "big")


@pytest.mark.parametrize(
    ("raw", "at"),
    [
        ("9002280000000007", datetime.datetime(1990, 2, 28)),
        ("2402292359599995", datetime.datetime(2024, 2, 29, 23, 59, 59, 999000)),
        ("8912310102030047", datetime.datetime(2089, 12, 31, 1, 2, 3, 4000)),
    ],
)
def test_date_and_time_when_read_then_of_its_century(raw: str, at: datetime.datetime) -> None:
    assert reshaped(3, bytes.fromhex(raw)) == ns(at)


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        (1, "0405" + "41" * 4),  # a length over the maximum
        (1, "0A05" + "41" * 4),  # over what the tag has room for
        (2, "0A00"), (2, "009F"),
        (3, "9013010000000001"), (3, "9002290000000001"), (3, "9001012400000001"),
        (3, "90010100600000F1"), (3, "90010100000000A1"), (3, "9A01010000000001"),
        (3, "0000000000000000"),
        (4, "07E9021D0100000000000000"), (4, "07E9010101180000" + "00000000"),
        (4, "07E90101010000003B9ACA00"), (4, "000000000000000000000000"),
        (5, "00040005" + "0041" * 4), (5, "000A0005" + "0041" * 4),
        (5, "00040001D83D" + "0041" * 3),  # half a pair at the end
        (5, "00040002D83D00410000" + "0000"), (5, "00040001DE000041" + "0000" * 2),
        (6, "FFFFFFFFFFFFFFFF"), (6, "8000000000000000"),
    ],
)  # fmt: skip
def test_value_when_its_bytes_are_impossible_then_none(kind: int, raw: str) -> None:
    assert reshaped(kind, bytes.fromhex(raw), 4 if kind in (1, 5) else 0) is None


@given(st.text(max_size=42))
def test_wstring_when_of_any_text_then_the_same_in_utf8(text: str) -> None:
    wide = text.encode("utf-16-be")
    raw = (85).to_bytes(2, "big") + (len(wide) // 2).to_bytes(2, "big") + wide.ljust(170, b"\xd8")
    assert reshaped(5, raw, 85) == text.encode("utf-8").ljust(255, b"\0")


@pytest.mark.parametrize(
    ("kind", "raw", "encoding"),
    [
        (1, "0806" + "D6F7D6E1A1E3" + "7E7E", "gb18030"),
        (1, "080681308130D6F77E7E", "gb18030"),  # four bytes of one character
        (1, "0806E4B8BBE8BDB47E7E", "utf-8"),
        (5, "000800034E3B8F743002" + "007E" * 5, "utf-8"),
        (5, "00080003D83DDE004E3B" + "007E" * 5, "utf-8"),  # a pair beyond the 16 bits
    ],
)
def test_text_when_chinese_then_its_characters_and_nothing_of_what_lay_there_before(
    kind: int, raw: str, encoding: str
) -> None:
    """Row 6.15 of the field reports."""
    found = reshaped(kind, bytes.fromhex(raw), 8)
    assert found is not None
    shown = found.rstrip(b"\0").decode(encoding)
    assert "主" in shown and "~" not in shown


@given(st.integers(1, 6), st.binary(min_size=24, max_size=24), st.integers(0, 10))
def test_value_when_of_any_bytes_then_of_its_length_or_none(
    kind: int, data: bytes, text: int
) -> None:
    found = reshaped(kind, data[: (0, 2 + text, 2, 8, 12, 4 + 2 * text, 8)[kind]], text)
    assert found is None or len(found) == (0, text, 4, 8, 8, 3 * text, 8)[kind]


@given(st.datetimes(datetime.datetime(1970, 1, 1), datetime.datetime(2261, 12, 31)))
def test_dtl_when_of_any_time_then_its_nanoseconds(at: datetime.datetime) -> None:
    raw = at.year.to_bytes(2, "big") + bytes(
        [at.month, at.day, at.isoweekday() % 7 + 1, at.hour, at.minute, at.second]
    ) + (1000 * at.microsecond).to_bytes(4, "big")  # fmt: skip
    assert reshaped(4, raw) == ns(at)
