"""Raw values by which a device says that it has none: `no_value`, from the file to the block."""

from __future__ import annotations

from pathlib import Path

import pytest
from jiahe.ingest.v1 import ingest_pb2 as pb

from drivers.raw import TYPES, bits_of, number_of
from gateway.config import load
from native.block.latest import latest, qualities
from tests.kit.scans import Box, plan, registers, tag
from tests.unit.test_config import DEVICE, HEAD, write

NONE, ANOTHER_ASKER, DAMAGED = (
    pb.QUALITY_BAD_NO_VALUE, pb.QUALITY_UNCERTAIN_ANOTHER_ASKER, pb.QUALITY_BAD_DAMAGED
)  # fmt: skip
TAG = HEAD + DEVICE + 'tags = {{ t = {{ address = "holding:1", {} }} }}\n'


def said(folder: Path, keys: str) -> list[tuple[str, object]]:
    found = load(write(folder, TAG.format(keys))).problems
    return [(problem.id, problem.args.get("value")) for problem in found]


@pytest.mark.parametrize(
    ("kind", "text", "bits", "number"),
    [
        ("uint16", "0xFFFF", 0xFFFF, "65535"), ("uint16", "65535", 0xFFFF, "65535"),
        ("int16", "0x8000", 0x8000, "-32768"), ("int16", "-32768", 0x8000, "-32768"),
        ("int16", "65535", 0xFFFF, "-1"), ("int32", "-1", 0xFFFFFFFF, "-1"),
        ("uint64", "0xFFFFFFFFFFFFFFFF", (1 << 64) - 1, "18446744073709551615"),
        ("float32", "-9999", 0xC61C3C00, "-9999"), ("float32", "0xFFC00000", 0xFFC00000, ""),
        ("float64", "1e3", 0x408F400000000000, "1000.0"), ("bcd16", "9999", 0x9999, "9999"),
        ("bcd32", "0xFFFFFFFF", 0xFFFFFFFF, ""), ("int8", "0x80", 0x80, "-128"),
    ],
)  # fmt: skip
def test_raw_value_when_written_as_in_manuals_then_its_bits(
    kind: str, text: str, bits: int, number: str
) -> None:
    assert bits_of(text, kind) == bits
    assert number_of(bits, kind).removesuffix(".0") == number.removesuffix(".0")


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize(
    "text",
    ["", "none", "0x", "nan", "inf", "1e309", "1e999999999", "0x1" + "0" * 16, "-1" + "9" * 20],
)
def test_raw_value_when_none_of_its_type_then_refused(kind: str, text: str) -> None:
    if kind in ("float32", "float64") and text.startswith("-1"):
        return
    with pytest.raises(ValueError):
        bits_of(text, kind, 4)


@pytest.mark.parametrize("order", ["ABCD", "CDAB", "BADC", "DCBA"])
@pytest.mark.parametrize(
    ("kind", "marker", "other", "shown"),
    [
        ("uint16", "0xFFFF", 65534, "65534"), ("int16", "0x8000", -32767, "-32767"),
        ("uint32", "0xFFFFFFFF", 4294967294, "4294967294"),
        ("int32", "0x80000000", -2147483647, "-2147483647"),
        ("int64", "0x8000000000000000", 1, "1"), ("float32", "0xFFC00000", 0.5, "0.5"),
        ("float64", "-9999", -9998.0, "-9998"), ("bcd16", "0xFFFF", 9999, "9999"),
        ("bcd32", "99999999", 12345678, "12345678"),
    ],
)  # fmt: skip
def test_marker_when_read_in_any_order_then_no_value_and_its_neighbours_are_read(
    kind: str, marker: str, other: float, shown: str, order: str
) -> None:
    bits = bits_of(marker, kind)
    wide = {"16": 2, "32": 4, "64": 8}[kind[-2:]]
    made = plan([tag("t", kind, order=order, no_value=(bits,), scale=1, min=-(10**20))])
    box = Box([made])
    none = registers(kind, order, bits.to_bytes(wide))
    for tick, raw in enumerate([none, registers(kind, order, other), none]):
        box.push(0, tick, raw)
    newest = latest(box.groups[0])
    assert newest is not None and newest[1] == [(None, NONE)]
    assert qualities(box.groups[0]) == {NONE: 1}
    assert [(entry.value, entry.quality) for entry in box.seal()] == [
        (None, NONE), (shown, 1), (None, NONE)
    ]  # fmt: skip
    (told,) = box.tags(made)
    assert list(told.no_value) == ([number_of(bits, kind)] if number_of(bits, kind) else [])


def test_marker_when_the_row_is_uncertain_then_no_value_and_when_bad_then_its_own_cause() -> None:
    box = Box([plan([tag("t", "uint16", no_value=(0xFFFF, 0x7FFF))])])
    for tick, quality in enumerate([ANOTHER_ASKER, DAMAGED]):
        box.push(0, tick, b"\x7f\xff", status=[quality])
    assert [entry.quality for entry in box.seal()] == [NONE, DAMAGED]


def test_float_when_uncertain_and_no_number_then_bad() -> None:
    box = Box([plan([tag("t", "float32")])])
    box.push(0, 0, bytes.fromhex("7fc00000"), status=[ANOTHER_ASKER])
    assert [(entry.value, entry.quality) for entry in box.seal()] == [
        (None, pb.QUALITY_BAD_NOT_A_VALUE)
    ]


@pytest.mark.parametrize(
    "keys",
    [
        'type = "uint16", no_value = ["0xFFFF"]', 'type = "int16", no_value = [0x8000, -1]',
        'type = "float32", no_value = [-9999.0, "0xFFC00000"]',
        'type = "uint16", no_value = "0xFF"',
        'type = "bcd", length = 4, no_value = ["0xFFFFFFFF"]',
    ],
)  # fmt: skip
def test_no_value_when_right_then_taken(tmp_path: Path, keys: str) -> None:
    assert said(tmp_path, keys) == []
    loaded = load(write(tmp_path, TAG.format(keys)))
    assert loaded.config is not None and loaded.config.devices[0].tags[0].no_value


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ('type = "uint16", no_value = ["0x1FFFF"]', ("config.not_raw", "0x1FFFF")),
        ('type = "uint16", no_value = ["FFFF"]', ("config.not_raw", "FFFF")),
        ('type = "uint16", no_value = ["-1"]', ("config.not_raw", "-1")),
        ('type = "bool", no_value = ["1"]', ("config.tag_key_needs", None)),
        ('type = "int16", no_value = [true]', ("config.wrong_type", None)),
        (f'type = "int16", no_value = {list(range(17))}', ("config.too_many_raws", None)),
    ],
)
def test_no_value_when_no_raw_value_of_its_type_then_said(
    tmp_path: Path, keys: str, found: tuple[str, object]
) -> None:
    assert said(tmp_path, keys) == [found]


def test_no_value_when_in_a_table_then_taken(tmp_path: Path) -> None:
    write(tmp_path, "名称,地址,类型,无效值\nt,holding:1,uint16,0xFFFF;0xFFFE\n", "t.csv")
    loaded = load(write(tmp_path, HEAD + DEVICE + 'tags_file = "t.csv"\n'))
    assert loaded.config is not None
    assert loaded.config.devices[0].tags[0].no_value == (0xFFFF, 0xFFFE)
