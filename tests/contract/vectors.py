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
from typing import Any

from jiahe.ingest.v1 import ingest_pb2 as pb

from tests.contract import encode

DIRECTORY = Path(__file__).parents[2] / "proto" / "vectors"
EPOCH = (1 << 32) + 1
DUE_NS = 86_400_000_000_000
PERIOD_NS = 1_000_000_000
BOOT = "0f0e0d0c-0b0a-4909-8807-060504030201"
_Columns = list[tuple[pb.Tag, pb.Column, list[str | None]]]
#: seq, device, tag, boot time, source's time or "0", value, quality
Row = tuple[int, str, str, str, str, str | None, int]


@dataclass(frozen=True)
class Vector:
    """An export file, and the entries that each reader must give; `unsupported`: it must refuse."""

    name: str
    about: str
    messages: list[pb.StreamRequest]
    rows: list[Row]
    unsupported: bool = False

    @property
    def file(self) -> bytes:
        hello = pb.Hello(
            protocol_min=1, protocol_max=1, gateway="vectors", epoch=EPOCH, boot_id=BOOT
        )
        return encode.export_file([pb.StreamRequest(hello=hello), *self.messages])


def _vector(
    name: str,
    about: str,
    columns: _Columns,
    ticks: int,
    compression: pb.Compression.ValueType,
    *,
    needs: Sequence[int] = (),
    unsupported: bool = False,
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
            (1, "press", tag.name, str(DUE_NS + place * PERIOD_NS), "0", value, one)
            for place, value, one in zip(places, values, quality, strict=True)
        ]
    run = encode.run(1, 40, ticks, [c for _, c, _ in columns], first_due_ns=DUE_NS)
    block = encode.block(
        EPOCH, 1, pb.BlockPayload(runs=[run]), compression=compression, needs=needs
    )
    messages = [*_catalog([tag for tag, _, _ in columns]), pb.StreamRequest(block=block)]
    return Vector(name, about, messages, [] if unsupported else rows, unsupported)


def _running(numbers: Sequence[int]) -> list[int]:
    return [sum(numbers[: index + 1]) for index in range(len(numbers))]


def _group(number: int, device: str, period_ns: int = PERIOD_NS) -> pb.Group:
    return pb.Group(id=number, device=device, driver="modbus", period_ns=period_ns)


def _catalog(tags: Sequence[pb.Tag]) -> list[pb.StreamRequest]:
    return encode.catalog(EPOCH, 1, [(_group(1, "press"), tags)])


def _tag(
    name: str, kind: pb.ValueType.ValueType, scale: str = "", offset: str = "", bits: int = 0
) -> pb.Tag:
    return pb.Tag(name=name, type=kind, scale=scale, offset=offset, bits=bits)


def _integers() -> Vector:
    signed, unsigned = pb.VALUE_TYPE_INT, pb.VALUE_TYPE_UINT
    raws: list[tuple[str, pb.ValueType.ValueType, int, list[int]]] = [
        ("bool", pb.VALUE_TYPE_BOOL, 0, [0, 1, 1, 0]),
        ("int8", signed, 8, [-128, 127, 0, -1]),
        ("uint8", unsigned, 8, [0, 255, 1, 255]),
        ("int16", signed, 16, [-32768, 32767, 0, -1]),
        ("uint16", unsigned, 16, [0, 65535, 1, 65535]),
        ("int32", signed, 32, [-(2**31), 2**31 - 1, 7, 7]),
        ("uint32", unsigned, 32, [4294967294, 4294967295, 0, 1]),
        ("int64", signed, 64, [-(2**63), 2**63 - 1, -(2**63), 5]),
        ("uint64", unsigned, 64, [2**64 - 1, 0, 2**63, 2**64 - 2]),
    ]
    columns: _Columns = [
        (
            _tag(f"{name}_order{order}", kind, bits=bits),
            encode.column(numbers, order=order),
            [str(number) for number in numbers],
        )
        for name, kind, bits, numbers in raws
        for order in (0, 1, 2)
    ]
    about = "every integer type at its limits, in each order; differences wrap modulo 2^64"
    return _vector("integers", about, columns, 4, pb.COMPRESSION_NONE)


def _scaled() -> Vector:
    int16 = int64 = pb.VALUE_TYPE_INT
    uint64 = pb.VALUE_TYPE_UINT
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
    int32 = pb.VALUE_TYPE_INT
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
    int32, string = pb.VALUE_TYPE_INT, pb.VALUE_TYPE_TEXT
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
        return pb.Tag(name=name, type=pb.VALUE_TYPE_TEXT, text_encoding=code)

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
    tag = _tag("counter", pb.VALUE_TYPE_UINT)
    groups = [(_group(4, "lathe"), [tag]), (_group(9, "robot", 10_000_000), [tag])]
    runs = [
        encode.run(
            4, 100, 10, [encode.column([7, 8, 9, 10], order=1)], first_due_ns=DUE_NS,
            skipped=[(100, 2, 1), (104, 3, 2), (109, 1, 3)],
            late_us=[150, 152, 154, 156], late_order=2,
        ),
        encode.run(
            9, 0, 3, [encode.column([1, 2, 3])],
            first_due_ns=DUE_NS + 5, late_us=[0, -20, 3], late_order=1,
        ),
        encode.run(
            4, 110, 3_000_000, [], first_due_ns=DUE_NS + 10 * PERIOD_NS,
            skipped=[(110, 3_000_000, 2)],
        ),
    ]  # fmt: skip
    lathe = [(102, 150, "7"), (103, 152, "8"), (107, 154, "9"), (108, 156, "10")]
    rows: list[Row] = [
        (2, "lathe", "counter", str(DUE_NS + (tick - 100) * PERIOD_NS + late * 1000), "0", value, 1)
        for tick, late, value in lathe
    ]
    rows += [
        (2, "robot", "counter", str(DUE_NS + 5 + tick * 10_000_000 + late * 1000), "0", value, 1)
        for tick, late, value in ((0, 0, "1"), (1, -20, "2"), (2, 3, "3"))
    ]
    return Vector(
        "schedule",
        "several groups and runs; ticks without rows; rows that are late",
        [
            *encode.catalog(EPOCH, 1, groups),
            pb.StreamRequest(block=encode.block(EPOCH, 2, pb.BlockPayload(runs=runs))),
        ],
        rows,
    )


def _bookkeeping() -> Vector:
    payload = pb.BlockPayload(
        anchors=[
            pb.Anchor(
                boot_id=BOOT,
                boot_time_ns=DUE_NS,
                utc_ns=1_795_000_000_000_000_000,
                source=pb.ANCHOR_SOURCE_PLATFORM,
                error_ns=20_000_000,
            ),
            pb.Anchor(
                boot_id=BOOT,
                boot_time_ns=DUE_NS + 1,
                utc_ns=1_795_086_400_000_000_000,
                source=pb.ANCHOR_SOURCE_SYSTEM,
                error_ns=1_000_000,
                voids_earlier=True,
            ),
        ],
        gaps=[
            pb.Gap(
                reason=pb.GAP_REASON_CRASH,
                epoch=7,
                count_unknown=True,
                after_seq=12,
                until_ns=DUE_NS,
                until_boot_id=BOOT,
            ),
            pb.Gap(
                reason=pb.GAP_REASON_PLATFORM_LOST,
                epoch=6,
                blocks=[pb.SeqRange(first=1, last=4)],
                end_of_epoch=True,
                events=[pb.GapEvents(group=3, first=5, count=2)],
            ),
        ],
        begin=pb.Begin(
            previous_epoch=7,
            previous_last_seq=14,
            sampled_until_ns=DUE_NS - 5_000_000_000,
            previous_boot_id=BOOT,
            ended=pb.RUN_END_CRASHED,
            began_ns=DUE_NS,
        ),
        end_of_epoch=True,
    )
    about = (
        "no rows: how the run began, anchors of which the later voids the earlier, the gap after"
        " a crash, a run that the platform lost, and the clean end of the epoch"
    )
    block = encode.block(EPOCH, 1, payload)
    tag = _tag("counter", pb.VALUE_TYPE_UINT, bits=32)
    return Vector("bookkeeping", about, [*_catalog([tag]), pb.StreamRequest(block=block)], [])


def _other_types() -> Vector:
    times = [1_795_000_000_000_000_000, 1_795_000_001_500_000_000]
    columns: _Columns = [
        (
            _tag("bytes", pb.VALUE_TYPE_BYTES),
            encode.text_column([bytes.fromhex("00ff1b"), b""]),
            ["00ff1b", ""],
        ),
        (
            _tag("utc", pb.VALUE_TYPE_UTC_TIME),
            encode.column(times, order=1),
            [str(number) for number in times],
        ),
        (
            _tag("local", pb.VALUE_TYPE_LOCAL_TIME),
            encode.column([0, -1]),
            ["0", "-1"],
        ),
    ]
    about = "bytes in hexadecimal, times in nanoseconds"
    return _vector("other_types", about, columns, 2, pb.COMPRESSION_NONE)


def _plain_floats() -> Vector:
    narrow = [0.1, -0.0, 3.4028235e38]
    columns: _Columns = [
        (
            _tag("f32", pb.VALUE_TYPE_FLOAT32),
            pb.Column(encoding=pb.VALUE_ENCODING_FLOAT32, floats=narrow),
            ["0.1", "0", "34028235" + "0" * 31],
        ),
        (
            _tag("f64", pb.VALUE_TYPE_FLOAT64, "2"),
            pb.Column(
                encoding=pb.VALUE_ENCODING_FLOAT64,
                doubles=[0.1, 1 / 3],
                quality=encode.quality_runs([1, pb.QUALITY_BAD_REFUSED, 1]),
            ),
            ["0.2", None, "0.6666666666666666"],
        ),
    ]
    about = "floats as they are: FEATURE_PLAIN_FLOATS"
    needs = [pb.FEATURE_PLAIN_FLOATS]
    return _vector("plain_floats", about, columns, 3, pb.COMPRESSION_ZSTD, needs=needs)


def _parts() -> Vector:
    int16 = pb.VALUE_TYPE_INT
    silent = pb.QUALITY_BAD_NO_ANSWER
    tags = [
        pb.Tag(name="a", type=int16, bits=16, part=0),
        pb.Tag(name="b", type=int16, bits=16, part=1),
        pb.Tag(name="own", type=int16, bits=16, part=1),
        pb.Tag(name="rare", type=int16, bits=16, part=1, report=pb.REPORT_MODE_CHANGE),
    ]
    run = encode.run(
        1, 0, 3,
        [
            encode.column([1, 2, 3]),
            encode.column([4, 6]),
            pb.Column(values=[7, 8], quality=[
                pb.QualityRun(count=1, quality=pb.QUALITY_UNCERTAIN_OUT_OF_RANGE),
                pb.QualityRun(count=1, quality=pb.QUALITY_BAD_REFUSED, code=2),
                pb.QualityRun(count=1, quality=pb.QUALITY_GOOD),
            ]),
            encode.column([9], rows=[2]),
        ],
        first_due_ns=DUE_NS,
    )  # fmt: skip
    run.parts.add()
    run.parts.add(quality=encode.quality_runs([1, silent, 1]))
    per_tag: list[tuple[str, list[tuple[int, str | None, int]]]] = [
        ("a", [(0, "1", 1), (1, "2", 1), (2, "3", 1)]),
        ("b", [(0, "4", 1), (1, None, silent), (2, "6", 1)]),
        ("own", [(0, "7", 65), (1, None, 133), (2, "8", 1)]),
        ("rare", [(2, "9", 1)]),
    ]
    rows: list[Row] = [
        (1, "press", name, str(DUE_NS + tick * PERIOD_NS), "0", value, quality)
        for name, entries in per_tag
        for tick, value, quality in entries
    ]
    block = encode.block(EPOCH, 1, pb.BlockPayload(runs=[run]), needs=[pb.FEATURE_PARTS])
    about = "parts of a request: columns without a quality of their own have their part's"
    return Vector("parts", about, [*_catalog(tags), pb.StreamRequest(block=block)], rows)


def _events() -> Vector:
    """Six pushed values, of which the box lost two; two tags; the source's own time with most."""
    tags = [
        _tag("state", pb.VALUE_TYPE_UINT, bits=8),
        pb.Tag(name="program", type=pb.VALUE_TYPE_TEXT),
    ]
    own = 1_795_000_000_000_000_000
    run = encode.run(1, 7, 1, [encode.column([], qualities=[140])] * 2, first_due_ns=DUE_NS)
    run.events.add(
        first=100, count=6,
        lost=[pb.TickGap(first_tick=102, count=2, reason=pb.GAP_REASON_MEMORY_FULL)],
        time_order=1, time_us=[500, 250, 250, 1],
        columns=[
            pb.EventColumn(tag=0, column=pb.Column(
                values=[3, 4, 5], sparse=True, rows=[0, 1, 2],
                source_time_order=1, source_time_ns=[own, 1000, -own - 1000])),
            pb.EventColumn(tag=1, column=pb.Column(
                encoding=pb.VALUE_ENCODING_TEXT, sparse=True, rows=[2],
                texts=[pb.TextRun(count=1, text=b"O1001")], source_time_ns=[own + 7])),
        ],
    )  # fmt: skip
    due = [str(DUE_NS + us * 1000) for us in (500, 750, 1000, 1001)]
    rows: list[Row] = [
        (1, "press", "state", str(DUE_NS), "0", None, 140),
        (1, "press", "program", str(DUE_NS), "0", None, 140),
        (1, "press", "state", due[0], str(own), "3", 1),
        (1, "press", "state", due[1], str(own + 1000), "4", 1),
        (1, "press", "state", due[3], "0", "5", 1),
        (1, "press", "program", due[2], str(own + 7), "O1001", 1),
    ]
    block = encode.block(
        EPOCH, 1, pb.BlockPayload(runs=[run]),
        needs=[pb.FEATURE_EVENTS, pb.FEATURE_SOURCE_TIME],
    )  # fmt: skip
    about = "pushed values: numbered, two lost, with the box's time and the source's"
    return Vector("events", about, [*_catalog(tags), pb.StreamRequest(block=block)], rows)


def _catalogs() -> Vector:
    """Two devices share a tag set; a second revision ends one group and adds another; a second
    epoch names the content of the first revision and sends none."""
    tags = [_tag("counter", pb.VALUE_TYPE_UINT, bits=32)]
    first = encode.catalog(
        EPOCH, 1, [(_group(1, "press"), tags), (_group(2, "lathe"), tags)], site="line 3"
    )
    assert len(first) == 2, "one tag set and a catalog"
    second = encode.catalog(
        EPOCH, 2, [(_group(3, "mill"), tags)], ended=[pb.GroupEnd(id=2, last_tick=9)]
    )
    again = pb.Catalog(epoch=EPOCH + (1 << 32), revision=1, id=first[-1].catalog.id)

    def block(epoch: int, seq: int, group: int, revision: int) -> pb.StreamRequest:
        run = encode.run(group, 9, 1, [encode.column([seq])], first_due_ns=DUE_NS)
        payload = pb.BlockPayload(runs=[run])
        return pb.StreamRequest(block=encode.block(epoch, seq, payload, revision=revision))

    return Vector(
        "catalogs",
        "tag sets and catalogs by content; a revision adds; a run that changed nothing sends none",
        [
            *first,
            block(EPOCH, 1, 1, 1),
            block(EPOCH, 2, 2, 1),
            *second[-1:],  # its tag set came with the first
            block(EPOCH, 3, 3, 2),
            pb.StreamRequest(catalog=again),
            block(EPOCH + (1 << 32), 1, 2, 1),
        ],
        [
            (1, "press", "counter", str(DUE_NS), "0", "1", 1),
            (2, "lathe", "counter", str(DUE_NS), "0", "2", 1),
            (3, "mill", "counter", str(DUE_NS), "0", "3", 1),
            (1, "lathe", "counter", str(DUE_NS), "0", "1", 1),
        ],
    )


def _bundled() -> tuple[list[pb.StreamRequest], list[pb.Block], pb.Bundle, list[Row]]:
    """Blocks 4 to 6: both groups in 4, one in 5, both in 6, where an event came, too."""
    tags = [
        _tag("volt", pb.VALUE_TYPE_FLOAT32),
        pb.Tag(name="mode", type=pb.VALUE_TYPE_TEXT, report=pb.REPORT_MODE_CHANGE),
    ]
    decimal = pb.VALUE_ENCODING_DECIMAL
    text = encode.text_column

    def volt(numbers: Sequence[int], digits: int, order: int = 0) -> pb.Column:
        return encode.column(numbers, order=order, encoding=decimal, digits=digits)

    anchor = pb.Anchor(boot_id=BOOT, boot_time_ns=1, utc_ns=2, source=pb.ANCHOR_SOURCE_SYSTEM)
    due = [DUE_NS + tick * PERIOD_NS for tick in range(8)]
    press = [
        encode.run(1, 0, 2, [volt([23, 24], 0), text([b"idle"], rows=[0])], first_due_ns=due[0]),
        encode.run(
            1, 2, 3, [volt([241, 242], 1), text([b"idle"], rows=[1])],
            first_due_ns=due[2], skipped=[(2, 1, 1)], late_us=[0, 5],
        ),
        encode.run(1, 5, 1, [volt([25], 0), text([], rows=[])], first_due_ns=due[5]),
    ]  # fmt: skip
    lathe = [
        encode.run(2, 0, 1, [volt([1], 0), text([b"run"], rows=[0])], first_due_ns=due[0]),
        encode.run(2, 1, 1, [volt([2], 0), text([b"stop"], rows=[0])], first_due_ns=due[1]),
    ]
    payloads = [
        pb.BlockPayload(runs=[press[0], lathe[0]]),
        pb.BlockPayload(runs=[press[1]], anchors=[anchor]),
        pb.BlockPayload(runs=[press[2], lathe[1]]),
    ]
    blocks = [
        encode.block(EPOCH, 4 + number, payload, compression=pb.COMPRESSION_NONE)
        for number, payload in enumerate(payloads)
    ]
    joined = [
        encode.run(
            1, 0, 6,
            [volt([230, 240, 241, 242, 250], 1, 1), text([b"idle"] * 2, rows=[0, 3])],
            first_due_ns=due[0], skipped=[(2, 1, 1)], late_us=[0, 0, 0, 5],
        ),
        encode.run(
            2, 0, 2, [volt([1, 2], 0), text([b"run", b"stop"], rows=[0, 1])], first_due_ns=due[0]
        ),
    ]  # fmt: skip
    joined[0].block_ticks.extend([2, 3, 1])
    joined[1].block_ticks.extend([1, 0, 1])
    extra = pb.BlockExtra(block=1, payload=pb.BlockPayload(anchors=[anchor]))
    bundle = encode.bundle(blocks, pb.BundlePayload(runs=joined, extras=[extra]))
    rows: list[Row] = [
        (4, "press", "volt", str(due[0]), "0", "23", 1),
        (4, "press", "volt", str(due[1]), "0", "24", 1),
        (5, "press", "volt", str(due[3]), "0", "24.1", 1),
        (5, "press", "volt", str(due[4] + 5000), "0", "24.2", 1),
        (6, "press", "volt", str(due[5]), "0", "25", 1),
        (4, "press", "mode", str(due[0]), "0", "idle", 1),
        (5, "press", "mode", str(due[4] + 5000), "0", "idle", 1),
        (4, "lathe", "volt", str(due[0]), "0", "1", 1),
        (6, "lathe", "volt", str(due[1]), "0", "2", 1),
        (4, "lathe", "mode", str(due[0]), "0", "run", 1),
        (6, "lathe", "mode", str(due[1]), "0", "stop", 1),
    ]
    groups = [(_group(1, "press"), tags), (_group(2, "lathe"), tags)]
    return encode.catalog(EPOCH, 1, groups), blocks, bundle, rows


def _bundle() -> Vector:
    catalog, _, bundle, rows = _bundled()
    about = "three blocks as one payload; each row still belongs to its block"
    return Vector("bundle", about, [*catalog, pb.StreamRequest(bundle=bundle)], rows)


def _bundle_apart() -> Vector:
    catalog, blocks, _, rows = _bundled()
    order = {(device, tag): place for place, (_, device, tag, *_) in enumerate(rows)}
    apart = sorted(rows, key=lambda row: (row[0], order[row[1], row[2]]))
    about = "the blocks of the bundle, one by one: the same entries, in the order of the blocks"
    messages = [*catalog, *(pb.StreamRequest(block=block) for block in blocks)]
    return Vector("bundle_apart", about, messages, apart)


def _pieces() -> Vector:
    catalog, _, bundle, rows = _bundled()
    whole = pb.StreamRequest(bundle=bundle).SerializeToString()
    half = len(whole) // 2
    pieces = [
        pb.Piece(message_id=encode.name(whole), message_size=len(whole), offset=offset, data=data)
        for offset, data in ((0, whole[:half]), (half, whole[half:]))
    ]
    messages = [*catalog, *(pb.StreamRequest(piece=piece) for piece in pieces)]
    return Vector("pieces", "a bundle in two pieces, as on a stream", messages, rows)


def _unknown_numbers() -> Iterator[Vector]:
    """What a reader does with a number of a later version."""
    columns: _Columns = [(_tag("n", pb.VALUE_TYPE_INT, bits=16), encode.column([5]), ["5"])]
    none, zstd = pb.COMPRESSION_NONE, pb.COMPRESSION_ZSTD

    yield _vector(
        "unknown_need", "`needs` has a number that no reader knows: unsupported",
        columns, 1, zstd, needs=[999], unsupported=True,
    )  # fmt: skip
    tag = pb.Tag(name="n", type=pb.ValueType.ValueType(99))
    yield _vector(
        "unknown_type", "a value type of a later version: unsupported",
        [(tag, encode.column([5]), ["5"])], 1, none, unsupported=True,
    )  # fmt: skip
    column = encode.column([5], encoding=pb.ValueEncoding.ValueType(99))
    yield _vector(
        "unknown_encoding", "an encoding of a later version: unsupported",
        [(columns[0][0], column, ["5"])], 1, none, unsupported=True,
    )  # fmt: skip
    known = _vector("unknown_compression", "", columns, 1, none)
    block = pb.Block()
    block.CopyFrom(known.messages[-1].block)
    block.compression = pb.Compression.ValueType(99)
    yield Vector(
        "unknown_compression", "a compression of a later version: unsupported",
        [*known.messages[:-1], pb.StreamRequest(block=block)], [], unsupported=True,
    )  # fmt: skip
    three = [(_tag("n", pb.VALUE_TYPE_INT, bits=16), encode.column(
        [1, 2], qualities=[60, 99, 250]), ["1", "2", None])]  # fmt: skip
    yield _vector(
        "unknown_quality", "qualities of a later version count by their class", three, 3, none
    )
    run = encode.run(1, 40, 3, [encode.column([5])], first_due_ns=DUE_NS, skipped=[(41, 2, 99)])
    payload = pb.BlockPayload(
        runs=[run],
        anchors=[pb.Anchor(boot_id=BOOT, source=pb.AnchorSource.ValueType(99), error_ns=1)],
        gaps=[pb.Gap(reason=pb.GapReason.ValueType(99), epoch=7, count_unknown=True)],
        begin=pb.Begin(ended=pb.RunEnd.ValueType(99)),
    )
    yield Vector(
        "unknown_reasons",
        "a gap is a gap, an anchor's source is unknown, a run's end unspecified",
        [
            *_catalog([columns[0][0]]),
            pb.StreamRequest(block=encode.block(EPOCH, 1, payload)),
        ],
        [(1, "press", "n", str(DUE_NS), "0", "5", 1)],
    )


def vectors() -> Iterator[Vector]:
    yield from (_integers(), _scaled(), _floats(), _quality(), _sparse(), _texts(), _schedule())
    yield from (_other_types(), _plain_floats(), _parts(), _events(), _catalogs())
    yield from (_bundle(), _bundle_apart(), _pieces(), _bookkeeping())
    yield from _unknown_numbers()


_DAY_NS = 86_400 * 1_000_000_000
_NOON_NS = 1_795_000_000 * 1_000_000_000


def utc_cases() -> list[dict[str, Any]]:
    """Anchors of one boot and what moments on its clock are; times in nanoseconds."""

    def anchor(boot_ns: int, utc_ns: int, source: int, error_ns: int, voids: bool = False) -> Any:
        return {
            "boot_time_ns": boot_ns, "utc_ns": utc_ns, "source": source, "error_ns": error_ns,
            "voids_earlier": voids,
        }  # fmt: skip

    def moment(boot_ns: int, utc_ns: int, uncertain: bool = False) -> Any:
        return {"boot_ns": boot_ns, "utc_ns": utc_ns, "uncertain": uncertain}

    unknown, system, platform, last_known, later = 1, 2, 3, 4, 99
    second = 1_000_000_000
    right = anchor(100 * second, _NOON_NS, system, 1_000_000)
    ahead = anchor(10 * second, _NOON_NS - 90 * second + _DAY_NS, platform, 500_000)
    return [
        {
            "about": "one anchor, before and after it",
            "anchors": [right],
            "moments": [
                moment(0, _NOON_NS - 100 * second),
                moment(160 * second, _NOON_NS + 60 * second),
            ],
        },
        {
            "about": "a later, better anchor mends earlier times",
            "anchors": [
                anchor(10 * second, 10 * second, unknown, 2**63 - 1),
                anchor(20 * second, _NOON_NS - 80 * second + 30_000_000, platform, 40_000_000),
                right,
            ],
            "moments": [
                moment(10 * second, _NOON_NS - 90 * second),
                moment(20 * second, _NOON_NS - 80 * second),
            ],
        },
        {
            "about": "the nearer of two where the errors are alike",
            "anchors": [right, anchor(1100 * second, _NOON_NS + 1000 * second + 50, system, 10**6)],
            "moments": [
                moment(599 * second, _NOON_NS + 499 * second),
                moment(601 * second, _NOON_NS + 501 * second + 50),
            ],
        },
        {
            "about": "a platform a day ahead; the anchor that voids it",
            "anchors": [ahead, {**right, "voids_earlier": True}],
            "moments": [moment(10 * second, _NOON_NS - 90 * second)],
        },
        {
            "about": "the same where nothing says which of them is wrong: uncertain",
            "anchors": [ahead, right],
            "moments": [
                moment(10 * second, _NOON_NS - 90 * second + _DAY_NS, True),
                moment(100 * second, _NOON_NS, True),
            ],
        },
        {
            "about": "no source that vouches: the last known time, marked",
            "anchors": [
                anchor(0, 5, unknown, 2**63 - 1),
                anchor(10 * second, _NOON_NS, last_known, 2**63 - 1),
            ],
            "moments": [moment(11 * second, _NOON_NS + second, True)],
        },
        {
            "about": "a source of a later version vouches for nothing",
            "anchors": [anchor(10 * second, _NOON_NS, later, 1)],
            "moments": [moment(10 * second, _NOON_NS, True)],
        },
    ]


def write() -> None:
    DIRECTORY.mkdir(exist_ok=True)
    for vector in vectors():
        stem = DIRECTORY / vector.name
        stem.with_suffix(".stream").write_bytes(vector.file)
        rows = ",\n".join("  " + json.dumps(row, ensure_ascii=False) for row in vector.rows)
        refused = ' "unsupported": true,\n' if vector.unsupported else ""
        text = f'{{"about": {json.dumps(vector.about)},\n{refused} "rows": [\n{rows}\n]}}\n'
        stem.with_suffix(".json").write_text(text, encoding="utf-8")

    utc = json.dumps(utc_cases(), indent=1) + "\n"
    (DIRECTORY / "utc.json").write_text(utc, encoding="utf-8")


if __name__ == "__main__":
    write()
