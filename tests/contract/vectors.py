"""Makes proto/vectors: blocks with every encoding, and the rows that each reader must give.

    python -m tests.contract.vectors      writes the files anew

The values that are expected are written here by hand, next to the numbers that carry them.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jiahe.ingest.v1 import ingest_pb2 as pb

from tests.contract import encode

DIRECTORY = Path(__file__).parents[2] / "proto" / "vectors"
EPOCH = (1 << 32) + 1
DUE_NS = 86_400_000_000_000
PERIOD_NS = 1_000_000_000
_Columns = list[tuple[pb.Tag, pb.Column, list[str | None]]]
Row = tuple[str, str, str, str | None, int]


@dataclass(frozen=True)
class Vector:
    name: str
    about: str
    catalog: pb.Catalog
    block: pb.Block
    rows: list[Row]


def _vector(
    name: str,
    about: str,
    columns: _Columns,
    ticks: int,
    compression: pb.Compression.ValueType,
) -> Vector:
    """Dense or sparse columns of one run without skipped ticks, all in time."""
    rows: list[Row] = []
    for tag, column, values in columns:
        places = _running(column.rows) if column.sparse else list(range(ticks))
        quality = [int(q.quality) for q in column.quality for _ in range(q.count)] or [1] * len(
            places
        )
        assert len(places) == len(values) == len(quality), tag.name
        rows += [
            ("press", tag.name, str(DUE_NS + place * PERIOD_NS), value, one)
            for place, value, one in zip(places, values, quality, strict=True)
        ]
    run = encode.run(
        1, 40, ticks, [c for _, c, _ in columns], first_due_ns=DUE_NS, period_ns=PERIOD_NS
    )
    block = encode.block(EPOCH, 1, pb.BlockPayload(runs=[run]), compression=compression)
    return Vector(name, about, _catalog([tag for tag, _, _ in columns]), block, rows)


def _running(numbers: Sequence[int]) -> list[int]:
    return [sum(numbers[: index + 1]) for index in range(len(numbers))]


def _catalog(tags: Sequence[pb.Tag]) -> pb.Catalog:
    group = pb.Group(id=1, device="press", driver="modbus", period_ns=PERIOD_NS, tags=tags)
    return pb.Catalog(epoch=EPOCH, revision=1, groups=[group])


def _tag(name: str, kind: pb.ValueType.ValueType, scale: str = "", offset: str = "") -> pb.Tag:
    return pb.Tag(name=name, type=kind, scale=scale, offset=offset)


def _integers() -> Vector:
    raws: list[tuple[str, pb.ValueType.ValueType, list[int]]] = [
        ("bool", pb.VALUE_TYPE_BOOL, [0, 1, 1, 0]),
        ("int16", pb.VALUE_TYPE_INT16, [-32768, 32767, 0, -1]),
        ("uint16", pb.VALUE_TYPE_UINT16, [0, 65535, 1, 65535]),
        ("int32", pb.VALUE_TYPE_INT32, [-(2**31), 2**31 - 1, 7, 7]),
        ("uint32", pb.VALUE_TYPE_UINT32, [4294967294, 4294967295, 0, 1]),
        ("int64", pb.VALUE_TYPE_INT64, [-(2**63), 2**63 - 1, -(2**63), 5]),
        ("uint64", pb.VALUE_TYPE_UINT64, [2**64 - 1, 0, 2**63, 2**64 - 2]),
        ("bcd16", pb.VALUE_TYPE_BCD16, [9999, 0, 1234, 1234]),
        ("bcd32", pb.VALUE_TYPE_BCD32, [99999999, 0, 12345678, 12345678]),
    ]
    columns: _Columns = [
        (
            _tag(f"{name}_order{order}", kind),
            encode.column(numbers, order=order),
            [str(number) for number in numbers],
        )
        for name, kind, numbers in raws
        for order in (0, 1, 2)
    ]
    about = "every integer type at its limits, in each order; differences wrap modulo 2^64"
    return _vector("integers", about, columns, 4, pb.COMPRESSION_NONE)


def _scaled() -> Vector:
    int16, uint64, int64 = pb.VALUE_TYPE_INT16, pb.VALUE_TYPE_UINT64, pb.VALUE_TYPE_INT64
    columns: _Columns = [
        (_tag("milli", int16, "0.001"), encode.column([1234, -1, 1000]), ["1.234", "-0.001", "1"]),
        (
            _tag("celsius", int16, "0.1", "-273.15"),
            encode.column([2931, 2932, 0], order=1),
            ["19.95", "20.05", "-273.15"],
        ),
        (
            _tag("tenths", uint64, "0.1"),
            encode.column([2**64 - 1, 10, 0], order=1),
            ["1844674407370955161.5", "1", "0"],
        ),
        (_tag("kilo", int64, "1e3"), encode.column([-5, 0, 7], order=2), ["-5000", "0", "7000"]),
        (
            _tag("fine", int64, "0.000000000123456789"),
            encode.column([2**63 - 1] * 3),
            ["1138687895.422480280447103723"] * 3,
        ),
    ]
    about = "value = raw x scale + offset in decimal arithmetic; no trailing zeros"
    return _vector("scaled", about, columns, 3, pb.COMPRESSION_ZSTD)


def _bits32(*numbers: float) -> list[int]:
    return [struct.unpack("<i", struct.pack("<f", number))[0] for number in numbers]


def _bits64(*numbers: float) -> list[int]:
    return [struct.unpack("<q", struct.pack("<d", number))[0] for number in numbers]


def _floats() -> Vector:
    f32, f64 = pb.VALUE_TYPE_FLOAT32, pb.VALUE_TYPE_FLOAT64
    decimal, bits32, bits64 = (
        pb.VALUE_ENCODING_DECIMAL, pb.VALUE_ENCODING_FLOAT32_BITS, pb.VALUE_ENCODING_FLOAT64_BITS,
    )  # fmt: skip
    columns: _Columns = [
        (
            _tag("volt", f32),
            encode.column([2293, 2294, -5, 0], order=1, encoding=decimal, digits=1),
            ["229.3", "229.4", "-0.5", "0"],
        ),
        (
            _tag("bits32", f32),
            encode.column(_bits32(0.1, -0.0, 3.4028235e38, 1e-45), order=1, encoding=bits32),
            ["0.1", "0", "34028235" + "0" * 31, "0." + "0" * 44 + "1"],
        ),
        (
            _tag("pi32", f32, "2", "1"),
            encode.column(_bits32(3.1415927, 16777216, 1.5, -2.5), encoding=bits32),
            ["7.2831854", "33554433", "4", "-4"],
        ),
        (
            _tag("kwh", f64),
            encode.column([123456789012, 1, 1, 3], order=2, encoding=decimal, digits=2),
            ["1234567890.12", "0.01", "0.01", "0.03"],
        ),
        (
            _tag("bits64", f64),
            encode.column(_bits64(0.1, 1e22, -5e-324, 1 / 3), order=1, encoding=bits64),
            ["0.1", "1" + "0" * 22, "-0." + "0" * 323 + "5", "0.3333333333333333"],
        ),
        (
            _tag("half64", f64, "0.5"),
            encode.column(_bits64(0.1, 0.3, -7, 1e3), order=2, encoding=bits64),
            ["0.05", "0.15", "-3.5", "500"],
        ),
    ]
    about = "floats as decimal integers and as bit patterns; the shortest decimal of each float"
    return _vector("floats", about, columns, 4, pb.COMPRESSION_ZLIB)


def _quality() -> Vector:
    int32 = pb.VALUE_TYPE_INT32
    silent, busy = pb.QUALITY_BAD_NO_ANSWER, pb.QUALITY_BAD_BUSY
    columns: _Columns = [
        (
            _tag("some_bad", int32),
            encode.column([5, 6, 7], order=1, qualities=[1, silent, 1, busy, 1]),
            ["5", None, "6", None, "7"],
        ),
        (_tag("all_bad", int32), encode.column([], qualities=[silent] * 5), [None] * 5),
        (
            _tag("uncertain", int32),
            encode.column([1, 2, 3, 4], qualities=[1, 64, 64, silent, 1]),
            ["1", "2", "3", None, "4"],
        ),
        (_tag("constant", int32), encode.column([9] * 5, order=1), ["9"] * 5),
        (
            _tag("slope", int32),
            encode.column([10, 20, 30, 40, 50], order=2),
            ["10", "20", "30", "40", "50"],
        ),
        (_tag("zero", int32), encode.column([0] * 5), ["0"] * 5),
    ]
    about = "bad entries have no value; a list that ends early continues with zeros"
    return _vector("quality", about, columns, 5, pb.COMPRESSION_ZSTD)


def _sparse() -> Vector:
    int32, string = pb.VALUE_TYPE_INT32, pb.VALUE_TYPE_STRING
    columns: _Columns = [
        (_tag("first_last", int32), encode.column([3, 8], rows=[0, 5]), ["3", "8"]),
        (_tag("none", int32), encode.column([], rows=[]), []),
        (
            _tag("with_bad", int32),
            encode.column(
                [4, 4], order=1, rows=[1, 2, 4], qualities=[1, pb.QUALITY_BAD_LINK_DOWN, 1]
            ),
            ["4", None, "4"],
        ),
        (_tag("text", string), encode.text_column([b"idle", b"run"], rows=[2, 3]), ["idle", "run"]),
    ]
    about = "columns of tags reported on change: rows as differences, one entry each"
    return _vector("sparse", about, columns, 6, pb.COMPRESSION_NONE)


def _texts() -> Vector:
    def tag(name: str, code: str) -> pb.Tag:
        return pb.Tag(name=name, type=pb.VALUE_TYPE_STRING, text_encoding=code)

    columns: _Columns = [
        (
            tag("ascii", "ascii"),
            encode.text_column([b"O1001", b"O1001", b"", b"O7"]),
            ["O1001", "O1001", "", "O7"],
        ),
        (tag("default", ""), encode.text_column([b"a"] * 4), ["a"] * 4),
        (
            tag("utf8", "utf-8"),
            encode.text_column(
                [bytes.fromhex("e59889e7a6be")] * 3,
                qualities=[1, 1, pb.QUALITY_BAD_NOT_A_VALUE, 1],
            ),
            ["嘉禾", "嘉禾", None, "嘉禾"],
        ),
        (
            tag("gb18030", "gb18030"),
            encode.text_column([bytes.fromhex("bccebacc")] * 4),
            ["嘉禾"] * 4,
        ),
    ]
    return _vector("texts", "texts in three encodings, as runs", columns, 4, pb.COMPRESSION_ZLIB)


def _schedule() -> Vector:
    """Two groups, three runs; skipped ticks at the start, inside and at the end; late rows."""
    tag = _tag("counter", pb.VALUE_TYPE_UINT32)
    groups = [
        pb.Group(id=4, device="lathe", period_ns=PERIOD_NS, tags=[tag]),
        pb.Group(id=9, device="robot", period_ns=10_000_000, tags=[tag]),
    ]
    runs = [
        encode.run(
            4, 100, 10, [encode.column([7, 8, 9, 10], order=1)],
            first_due_ns=DUE_NS, period_ns=PERIOD_NS,
            skipped=[(100, 2, 1), (104, 3, 2), (109, 1, 3)],
            late_us=[150, 152, 154, 156], late_order=2,
        ),
        encode.run(
            9, 0, 3, [encode.column([1, 2, 3])],
            first_due_ns=DUE_NS + 5, period_ns=10_000_000, late_us=[0, -20, 3], late_order=1,
        ),
        encode.run(
            4, 110, 3_000_000, [],
            first_due_ns=DUE_NS + 10 * PERIOD_NS, period_ns=PERIOD_NS,
            skipped=[(110, 3_000_000, 2)],
        ),
    ]  # fmt: skip
    lathe = [(102, 150, "7"), (103, 152, "8"), (107, 154, "9"), (108, 156, "10")]
    rows: list[Row] = [
        ("lathe", "counter", str(DUE_NS + (tick - 100) * PERIOD_NS + late * 1000), value, 1)
        for tick, late, value in lathe
    ]
    rows += [
        ("robot", "counter", str(DUE_NS + 5 + tick * 10_000_000 + late * 1000), value, 1)
        for tick, late, value in ((0, 0, "1"), (1, -20, "2"), (2, 3, "3"))
    ]
    return Vector(
        "schedule",
        "several groups and runs; ticks without rows; rows that are late",
        pb.Catalog(epoch=EPOCH, revision=3, groups=groups),
        encode.block(EPOCH, 2, pb.BlockPayload(runs=runs), revision=3),
        rows,
    )


def _bookkeeping() -> Vector:
    payload = pb.BlockPayload(
        anchors=[
            pb.Anchor(
                boot_id="0f0e0d0c-0b0a-4909-8807-060504030201",
                boot_time_ns=DUE_NS,
                utc_ns=1_795_000_000_000_000_000,
                source=pb.ANCHOR_SOURCE_PLATFORM,
                error_ns=20_000_000,
            )
        ],
        gaps=[
            pb.Gap(
                reason=pb.GAP_REASON_CRASH,
                epoch=7,
                count_unknown=True,
                after_seq=12,
                until_ns=DUE_NS,
                until_boot_id="0f0e0d0c-0b0a-4909-8807-060504030201",
            )
        ],
        end_of_epoch=True,
    )
    catalog = _catalog([_tag("counter", pb.VALUE_TYPE_UINT32)])
    about = "no rows: an anchor, the gap after a crash, and the clean end of the epoch"
    return Vector("bookkeeping", about, catalog, encode.block(EPOCH, 3, payload), [])


def vectors() -> Iterator[Vector]:
    yield from (_integers(), _scaled(), _floats(), _quality(), _sparse(), _texts(), _schedule())
    yield _bookkeeping()


def write() -> None:
    DIRECTORY.mkdir(exist_ok=True)
    for vector in vectors():
        stem = DIRECTORY / vector.name
        stem.with_suffix(".catalog.bin").write_bytes(
            vector.catalog.SerializeToString(deterministic=True)
        )
        stem.with_suffix(".block.bin").write_bytes(vector.block.SerializeToString())
        rows = ",\n".join("  " + json.dumps(row, ensure_ascii=False) for row in vector.rows)
        text = f'{{"about": {json.dumps(vector.about)},\n "rows": [\n{rows}\n]}}\n'
        stem.with_suffix(".json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
