"""Vectors of streams: catalogs by content, bundles, pieces, numbers of a later version."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from jiahe.ingest.v1 import ingest_pb2 as pb

from tests.contract import encode
from tests.contract.vector import (
    BOOT,
    DUE_NS,
    EPOCH,
    PERIOD_NS,
    Columns,
    Row,
    Vector,
    catalog,
    group,
    tag,
    vector,
)  # fmt: skip


def _catalogs() -> Vector:
    """Two devices share a tag set; a second revision ends one group and adds another; a second
    epoch names the content of the first revision and sends none."""
    tags = [tag("counter", pb.VALUE_TYPE_UINT, bits=32)]
    first = encode.catalog(
        EPOCH, 1, [(group(1, "press"), tags), (group(2, "lathe"), tags)], site="line 3"
    )
    assert len(first) == 2, "one tag set and a catalog"
    second = encode.catalog(
        EPOCH, 2, [(group(3, "mill"), tags)], ended=[pb.GroupEnd(id=2, last_tick=9)]
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


_TAGS = [
    tag("volt", pb.VALUE_TYPE_FLOAT32),
    pb.Tag(name="mode", type=pb.VALUE_TYPE_TEXT, report=pb.REPORT_MODE_CHANGE),
]
_DUE = [DUE_NS + tick * PERIOD_NS for tick in range(8)]
_ANCHOR = pb.Anchor(boot_id=BOOT, boot_time_ns=1, utc_ns=2, source=pb.ANCHOR_SOURCE_SYSTEM)
#: What blocks 4 to 6 say, in the order of the bundle.
_ROWS: list[Row] = [
    (4, "press", "volt", str(_DUE[0]), "0", "23", 1),
    (4, "press", "volt", str(_DUE[1]), "0", "24", 1),
    (5, "press", "volt", str(_DUE[3]), "0", "24.1", 1),
    (5, "press", "volt", str(_DUE[4] + 5000), "0", "24.2", 1),
    (6, "press", "volt", str(_DUE[5]), "0", "25", 1),
    (4, "press", "mode", str(_DUE[0]), "0", "idle", 1),
    (5, "press", "mode", str(_DUE[4] + 5000), "0", "idle", 1),
    (4, "lathe", "volt", str(_DUE[0]), "0", "1", 1),
    (6, "lathe", "volt", str(_DUE[1]), "0", "2", 1),
    (4, "lathe", "mode", str(_DUE[0]), "0", "run", 1),
    (6, "lathe", "mode", str(_DUE[1]), "0", "stop", 1),
]


def _volt(numbers: Sequence[int], digits: int, order: int = 0) -> pb.Column:
    encoding = pb.VALUE_ENCODING_DECIMAL
    return encode.column(numbers, order=order, encoding=encoding, digits=digits)


def _mode(texts: Sequence[bytes], rows: Sequence[int]) -> pb.Column:
    return encode.text_column(texts, rows=rows)


def _apart() -> list[pb.Block]:
    """Blocks 4 to 6: both groups in 4, one in 5, where an anchor came, both in 6."""
    press = [
        encode.run(1, 0, 2, [_volt([23, 24], 0), _mode([b"idle"], [0])], first_due_ns=_DUE[0]),
        encode.run(
            1, 2, 3, [_volt([241, 242], 1), _mode([b"idle"], [1])],
            first_due_ns=_DUE[2], skipped=[(2, 1, 1)], late_us=[0, 5],
        ),
        encode.run(1, 5, 1, [_volt([25], 0), _mode([], [])], first_due_ns=_DUE[5]),
    ]  # fmt: skip
    lathe = [
        encode.run(2, 0, 1, [_volt([1], 0), _mode([b"run"], [0])], first_due_ns=_DUE[0]),
        encode.run(2, 1, 1, [_volt([2], 0), _mode([b"stop"], [0])], first_due_ns=_DUE[1]),
    ]
    payloads = [
        pb.BlockPayload(runs=[press[0], lathe[0]]),
        pb.BlockPayload(runs=[press[1]], anchors=[_ANCHOR]),
        pb.BlockPayload(runs=[press[2], lathe[1]]),
    ]
    return [
        encode.block(EPOCH, 4 + number, payload, compression=pb.COMPRESSION_NONE)
        for number, payload in enumerate(payloads)
    ]


def _together() -> pb.Bundle:
    press = encode.run(
        1, 0, 6, [_volt([230, 240, 241, 242, 250], 1, 1), _mode([b"idle"] * 2, [0, 3])],
        first_due_ns=_DUE[0], skipped=[(2, 1, 1)], late_us=[0, 0, 0, 5],
    )  # fmt: skip
    lathe = encode.run(
        2, 0, 2, [_volt([1, 2], 0), _mode([b"run", b"stop"], [0, 1])], first_due_ns=_DUE[0]
    )
    press.block_ticks.extend([2, 3, 1])
    lathe.block_ticks.extend([1, 0, 1])
    extra = pb.BlockExtra(block=1, payload=pb.BlockPayload(anchors=[_ANCHOR]))
    return encode.bundle(_apart(), pb.BundlePayload(runs=[press, lathe], extras=[extra]))


def _two_groups() -> list[pb.StreamRequest]:
    return encode.catalog(EPOCH, 1, [(group(1, "press"), _TAGS), (group(2, "lathe"), _TAGS)])


def _bundle() -> Vector:
    about = "three blocks as one payload; each row still belongs to its block"
    messages = [*_two_groups(), pb.StreamRequest(bundle=_together())]
    return Vector("bundle", about, messages, _ROWS)


def _bundle_apart() -> Vector:
    order = {(device, name): place for place, (_, device, name, *_) in enumerate(_ROWS)}
    rows = sorted(_ROWS, key=lambda row: (row[0], order[row[1], row[2]]))
    about = "the blocks of the bundle, one by one: the same entries, in the order of the blocks"
    messages = [*_two_groups(), *(pb.StreamRequest(block=block) for block in _apart())]
    return Vector("bundle_apart", about, messages, rows)


def _pieces() -> Vector:
    whole = pb.StreamRequest(bundle=_together()).SerializeToString()
    half = len(whole) // 2
    pieces = [
        pb.Piece(message_id=encode.name(whole), message_size=len(whole), offset=offset, data=data)
        for offset, data in ((0, whole[:half]), (half, whole[half:]))
    ]
    messages = [*_two_groups(), *(pb.StreamRequest(piece=piece) for piece in pieces)]
    return Vector("pieces", "a bundle in two pieces, as on a stream", messages, _ROWS)


def _unknown_numbers() -> Iterator[Vector]:
    """What a reader does with a number of a later version."""
    columns: Columns = [(tag("n", pb.VALUE_TYPE_INT, bits=16), encode.column([5]), ["5"])]
    none, zstd = pb.COMPRESSION_NONE, pb.COMPRESSION_ZSTD

    yield vector(
        "unknown_need", "`needs` has a number that no reader knows: unsupported",
        columns, 1, zstd, needs=[999], unsupported=True,
    )  # fmt: skip
    later = pb.Tag(name="n", type=pb.ValueType.ValueType(99))
    yield vector(
        "unknown_type", "a value type of a later version: unsupported",
        [(later, encode.column([5]), ["5"])], 1, none, unsupported=True,
    )  # fmt: skip
    column = encode.column([5], encoding=pb.ValueEncoding.ValueType(99))
    yield vector(
        "unknown_encoding", "an encoding of a later version: unsupported",
        [(columns[0][0], column, ["5"])], 1, none, unsupported=True,
    )  # fmt: skip
    known = vector("unknown_compression", "", columns, 1, none)
    block = pb.Block()
    block.CopyFrom(known.messages[-1].block)
    block.compression = pb.Compression.ValueType(99)
    yield Vector(
        "unknown_compression", "a compression of a later version: unsupported",
        [*known.messages[:-1], pb.StreamRequest(block=block)], [], unsupported=True,
    )  # fmt: skip
    three = [(tag("n", pb.VALUE_TYPE_INT, bits=16), encode.column(
        [1, 2], qualities=[60, 99, 250]), ["1", "2", None])]  # fmt: skip
    yield vector(
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
            *catalog([columns[0][0]]),
            pb.StreamRequest(block=encode.block(EPOCH, 1, payload)),
        ],
        [(1, "press", "n", str(DUE_NS), "0", "5", 1)],
    )


def vectors() -> Iterator[Vector]:
    yield from (_catalogs(), _bundle(), _bundle_apart(), _pieces())
    yield from _unknown_numbers()
