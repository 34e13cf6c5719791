"""Vectors of values: every type, encoding, quality, and what has no row."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from jiahe.ingest.v1 import ingest_pb2 as pb

from tests.contract import encode
from tests.contract.vector import (
    Columns,
    Vector,
    tag,
    vector,
)  # fmt: skip


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
    columns: Columns = [
        (
            tag(f"{name}_order{order}", kind, bits=bits),
            encode.column(numbers, order=order),
            [str(number) for number in numbers],
        )
        for name, kind, bits, numbers in raws
        for order in (0, 1, 2)
    ]
    about = "every integer type at its limits, in each order; differences wrap modulo 2^64"
    return vector("integers", about, columns, 4, pb.COMPRESSION_NONE)


def _scaled() -> Vector:
    int16 = int64 = pb.VALUE_TYPE_INT
    uint64 = pb.VALUE_TYPE_UINT
    columns: Columns = [
        (tag("milli", int16, "0.001"), encode.column([1234, -1, 1000]), ["1.234", "-0.001", "1"]),
        (
            tag("celsius", int16, "0.1", "-273.15"),
            encode.column([2931, 2932, 0], order=1),
            ["19.95", "20.05", "-273.15"],
        ),
        (
            tag("tenths", uint64, "0.1"),
            encode.column([2**64 - 1, 10, 0], order=1),
            ["1844674407370955161.5", "1", "0"],
        ),
        (tag("kilo", int64, "1e3"), encode.column([-5, 0, 7], order=2), ["-5000", "0", "7000"]),
        (
            tag("fine", int64, "0.000000000123456789"),
            encode.column([2**63 - 1] * 3),
            ["1138687895.422480280447103723"] * 3,
        ),
    ]
    about = "value = raw x scale + offset in decimal arithmetic; no trailing zeros"
    return vector("scaled", about, columns, 3, pb.COMPRESSION_ZSTD)


def _bits32(*numbers: float) -> list[int]:
    return [struct.unpack("<i", struct.pack("<f", number))[0] for number in numbers]


def _bits64(*numbers: float) -> list[int]:
    return [struct.unpack("<q", struct.pack("<d", number))[0] for number in numbers]


def _floats() -> Vector:
    f32, f64 = pb.VALUE_TYPE_FLOAT32, pb.VALUE_TYPE_FLOAT64
    decimal, bits32, bits64 = (
        pb.VALUE_ENCODING_DECIMAL, pb.VALUE_ENCODING_FLOAT32_BITS, pb.VALUE_ENCODING_FLOAT64_BITS,
    )  # fmt: skip
    columns: Columns = [
        (
            tag("volt", f32),
            encode.column([2293, 2294, -5, 0], order=1, encoding=decimal, digits=1),
            ["229.3", "229.4", "-0.5", "0"],
        ),
        (
            tag("bits32", f32),
            encode.column(_bits32(0.1, -0.0, 3.4028235e38, 1e-45), order=1, encoding=bits32),
            ["0.1", "0", "34028235" + "0" * 31, "0." + "0" * 44 + "1"],
        ),
        (
            tag("pi32", f32, "2", "1"),
            encode.column(_bits32(3.1415927, 16777216, 1.5, -2.5), encoding=bits32),
            ["7.2831854", "33554433", "4", "-4"],
        ),
        (
            tag("kwh", f64),
            encode.column([123456789012, 1, 1, 3], order=2, encoding=decimal, digits=2),
            ["1234567890.12", "0.01", "0.01", "0.03"],
        ),
        (
            tag("bits64", f64),
            encode.column(_bits64(0.1, 1e22, -5e-324, 1 / 3), order=1, encoding=bits64),
            ["0.1", "1" + "0" * 22, "-0." + "0" * 323 + "5", "0.3333333333333333"],
        ),
        (
            tag("half64", f64, "0.5"),
            encode.column(_bits64(0.1, 0.3, -7, 1e3), order=2, encoding=bits64),
            ["0.05", "0.15", "-3.5", "500"],
        ),
    ]
    about = "floats as decimal integers and as bit patterns; the shortest decimal of each float"
    return vector("floats", about, columns, 4, pb.COMPRESSION_ZLIB)


def _quality() -> Vector:
    int32 = pb.VALUE_TYPE_INT
    silent, busy = pb.QUALITY_BAD_NO_ANSWER, pb.QUALITY_BAD_BUSY
    columns: Columns = [
        (
            tag("some_bad", int32),
            encode.column([5, 6, 7], order=1, qualities=[1, silent, 1, busy, 1]),
            ["5", None, "6", None, "7"],
        ),
        (tag("all_bad", int32), encode.column([], qualities=[silent] * 5), [None] * 5),
        (
            tag("uncertain", int32),
            encode.column([1, 2, 3, 4], qualities=[1, 64, 64, silent, 1]),
            ["1", "2", "3", None, "4"],
        ),
        (tag("constant", int32), encode.column([9] * 5, order=1), ["9"] * 5),
        (
            tag("slope", int32),
            encode.column([10, 20, 30, 40, 50], order=2),
            ["10", "20", "30", "40", "50"],
        ),
        (tag("zero", int32), encode.column([0] * 5), ["0"] * 5),
    ]
    about = "bad entries have no value; a list that ends early continues with zeros"
    return vector("quality", about, columns, 5, pb.COMPRESSION_ZSTD)


def _sparse() -> Vector:
    int32, string = pb.VALUE_TYPE_INT, pb.VALUE_TYPE_TEXT
    columns: Columns = [
        (tag("first_last", int32), encode.column([3, 8], rows=[0, 5]), ["3", "8"]),
        (tag("none", int32), encode.column([], rows=[]), []),
        (
            tag("with_bad", int32),
            encode.column(
                [4, 4], order=1, rows=[1, 2, 4], qualities=[1, pb.QUALITY_BAD_LINK_DOWN, 1]
            ),
            ["4", None, "4"],
        ),
        (tag("text", string), encode.text_column([b"idle", b"run"], rows=[2, 3]), ["idle", "run"]),
    ]
    about = "columns of tags reported on change: rows as differences, one entry each"
    return vector("sparse", about, columns, 6, pb.COMPRESSION_NONE)


def _texts() -> Vector:
    def tag(name: str, code: str) -> pb.Tag:
        return pb.Tag(name=name, type=pb.VALUE_TYPE_TEXT, text_encoding=code)

    columns: Columns = [
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
    return vector("texts", "texts in three encodings, as runs", columns, 4, pb.COMPRESSION_ZLIB)


def _other_types() -> Vector:
    times = [1_795_000_000_000_000_000, 1_795_000_001_500_000_000]
    columns: Columns = [
        (
            tag("bytes", pb.VALUE_TYPE_BYTES),
            encode.text_column([bytes.fromhex("00ff1b"), b""]),
            ["00ff1b", ""],
        ),
        (
            tag("utc", pb.VALUE_TYPE_UTC_TIME),
            encode.column(times, order=1),
            [str(number) for number in times],
        ),
        (
            tag("local", pb.VALUE_TYPE_LOCAL_TIME),
            encode.column([0, -1]),
            ["0", "-1"],
        ),
    ]
    about = "bytes in hexadecimal, times in nanoseconds"
    return vector("other_types", about, columns, 2, pb.COMPRESSION_NONE)


def _plain_floats() -> Vector:
    narrow = [0.1, -0.0, 3.4028235e38]
    columns: Columns = [
        (
            tag("f32", pb.VALUE_TYPE_FLOAT32),
            pb.Column(encoding=pb.VALUE_ENCODING_FLOAT32, floats=narrow),
            ["0.1", "0", "34028235" + "0" * 31],
        ),
        (
            tag("f64", pb.VALUE_TYPE_FLOAT64, "2"),
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
    return vector("plain_floats", about, columns, 3, pb.COMPRESSION_ZSTD, needs=needs)


def vectors() -> Iterator[Vector]:
    yield from (_integers(), _scaled(), _floats(), _plain_floats(), _quality(), _sparse())
    yield from (_texts(), _other_types())
