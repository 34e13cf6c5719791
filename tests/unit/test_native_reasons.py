"""The numbers that the scan loop writes are those of the contract."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
from jiahe.ingest.v1 import ingest_pb2 as pb

from drivers import quality
from drivers.api import RowType, ValueType
from gateway import catalog
from native.rows.group import GAP_NAMES
from native.rows.shape import TYPES

_LINE = re.compile(r"^\s+([A-Z][A-Z0-9_]*) = (\d+)", re.MULTILINE)


@pytest.fixture(scope="module")
def numbers() -> dict[str, int]:
    """The enums of native/reasons.pxd, and nothing that this test would not understand."""
    text = Path(__file__).parents[2].joinpath("native/reasons.pxd").read_text(encoding="utf-8")
    found = {name: int(number) for name, number in _LINE.findall(text)}
    assert len(found) == text.count(" = ")
    return found


def starting(numbers: dict[str, int], prefix: str) -> dict[str, int]:
    return {name: number for name, number in numbers.items() if name.startswith(prefix)}


def test_qualities_when_native_are_all_of_the_contract(numbers: dict[str, int]) -> None:
    told = {"GOOD": numbers["GOOD"], "UNSPECIFIED": 0}
    told |= starting(numbers, "UNCERTAIN") | starting(numbers, "BAD")
    assert told == {name.removeprefix("QUALITY_"): number for name, number in pb.Quality.items()}


def test_qualities_and_gap_reasons_when_drivers_name_them_then_are_those_of_native(
    numbers: dict[str, int],
) -> None:
    told = {name: number for name, number in vars(quality).items() if name.isupper()}
    wanted = {"GOOD": numbers["GOOD"]}
    for prefix in ("UNCERTAIN", "BAD", "GAP_"):
        wanted |= starting(numbers, prefix)
    del wanted["GAP_REASONS"]
    assert told == wanted


def test_gap_reasons_when_native_are_the_first_of_the_contract(numbers: dict[str, int]) -> None:
    gaps = starting(numbers, "GAP_")
    count = gaps.pop("GAP_REASONS")
    assert gaps == {
        name.replace("GAP_REASON_", "GAP_"): number
        for name, number in pb.GapReason.items()
        if 0 < number < count
    }
    assert {number: name.removeprefix("GAP_").lower() for name, number in gaps.items()} == GAP_NAMES


@pytest.mark.parametrize(
    ("prefix", "ours", "enum"),
    [
        ("VALUE_ENCODING_", "ENCODING_", pb.ValueEncoding),
        ("COMPRESSION_", "COMPRESSION_", pb.Compression),
    ],
)
def test_encodings_when_native_are_of_the_contract(
    numbers: dict[str, int], prefix: str, ours: str, enum: type[pb.Compression]
) -> None:
    told = starting(numbers, ours)
    integer = told.pop("ENCODING_INTEGER", 0)
    assert integer == pb.VALUE_ENCODING_UNSPECIFIED
    assert told
    for name, number in told.items():
        assert enum.Value(name.replace(ours, prefix, 1)) == number


def test_features_when_native_are_of_the_contract(numbers: dict[str, int]) -> None:
    told = starting(numbers, "FEATURE_")
    assert told and told.items() <= dict(pb.Feature.items()).items()


def test_value_types_when_native_are_those_of_drivers_and_catalogs() -> None:
    assert set(TYPES) == set(get_args(RowType))
    assert set(get_args(ValueType)) == set(catalog.TYPES)
