"""What the receiver refuses, with which reason, before it spends memory."""

from __future__ import annotations

import contextlib
import resource
import struct
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
import zstandard
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest import limits
from ingest.count import BLOCK, check_counts
from ingest.fields import FieldsError
from ingest.payload import PayloadError, crc32c, decompress
from ingest.refusal import RefusedError
from tests.contract import checking, encode, examples


def refused(block: pb.Block) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        checking.check(block)
    return caught.value


def resealed(change: Callable[[pb.BlockPayload], None]) -> pb.Block:
    """Block 1 with a changed payload, its counts and checksum made right again where they can
    be."""
    block = examples.block(1)
    payload = pb.BlockPayload.FromString(
        decompress(block.compression, block.payload, block.payload_size)
    )
    change(payload)
    return encode.block(block.epoch, 1, payload)


def test_crc32c_of_the_check_string_is_the_published_value() -> None:
    assert crc32c(b"123456789") == 0xE3069283  # RFC 3720 appendix B.4, CRC catalogue "CRC-32/ISCSI"


@given(st.binary(max_size=67))
def test_crc32c_of_any_bytes_is_that_of_the_bitwise_sum(data: bytes) -> None:
    assert crc32c(data) == encode.crc32c(data)


@pytest.mark.parametrize("compression", [pb.COMPRESSION_ZSTD, pb.COMPRESSION_ZLIB])
def test_payload_longer_than_declared_is_refused(compression: pb.Compression.ValueType) -> None:
    carried = encode.compress(compression, bytes(1000))
    assert decompress(compression, carried, 1000) == bytes(1000)
    for size in (0, 1, 999, 1001):
        with pytest.raises(PayloadError):
            decompress(compression, carried, size)


@pytest.mark.parametrize("pack", [zstandard.compress, zlib.compress])
def test_bomb_when_it_declares_its_size_is_refused_before_it_is_unpacked(
    pack: Callable[[bytes], bytes],
) -> None:
    size = limits.PAYLOAD_BYTES_MAX + 1
    block = pb.Block(
        epoch=1, seq=1, compression=pb.COMPRESSION_ZSTD, payload=pack(bytes(size)),
        payload_size=size,
    )  # fmt: skip
    assert refused(block).reason == pb.REJECT_REASON_TOO_LARGE


def test_bomb_when_it_declares_less_than_it_is_costs_no_memory() -> None:
    carried = zstandard.compress(bytes(200 << 20))
    block = pb.Block(
        epoch=1, seq=1, compression=pb.COMPRESSION_ZSTD, payload=carried,
        payload_size=1000, payload_crc32c=crc32c(carried),
    )  # fmt: skip
    tracemalloc.start()
    try:
        assert refused(block).reason == pb.REJECT_REASON_MALFORMED
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_run_of_more_rows_than_the_cap_is_refused_before_it_is_built() -> None:
    def huge(payload: pb.BlockPayload) -> None:
        payload.runs[0].ticks = 1 << 31

    block = resealed(huge)
    block.scans = block.samples = 1
    assert refused(block).reason == pb.REJECT_REASON_TOO_LARGE


def _nested(*path: int, inner: bytes = b"", times: int = 1) -> bytes:
    """`times` equal messages `inner`, within messages of the fields `path`, outermost first."""
    body = (bytes([path[-1] << 3 | 2]) + encode.varint(len(inner)) + inner) * times
    for number in reversed(path[:-1]):
        body = bytes([number << 3 | 2]) + encode.varint(len(body)) + body
    return body


RUNS, GAPS, COLUMNS, SKIPPED, QUALITY, TEXTS = 2, 3, 10, 9, 5, 8
SEQS = pb.SeqRange(first=5, last=5).SerializeToString()


@pytest.mark.parametrize(
    ("payload", "what"),
    [
        (_nested(1, times=limits.ANCHORS_MAX + 1), "anchors"),
        (_nested(RUNS, times=4 << 20), "runs"),
        (_nested(RUNS, COLUMNS, times=4 * limits.COLUMNS_MAX), "columns"),
        (_nested(RUNS, SKIPPED, times=limits.UNCOUNTED_MAX + 1), "skipped ticks"),
        (_nested(RUNS, COLUMNS, QUALITY, times=limits.UNCOUNTED_MAX + 1), "quality runs"),
        (_nested(RUNS, COLUMNS, TEXTS, times=limits.UNCOUNTED_MAX + 1), "text runs"),
        (_nested(GAPS, times=limits.GAPS_MAX + 1), "gaps"),
        (_nested(GAPS, 3, inner=SEQS, times=1_000_000), "ranges of blocks in gaps"),
        (_nested(GAPS, 4, times=limits.UNCOUNTED_MAX + 1), "runs of ticks in gaps"),
        (_nested(GAPS, 3, inner=SEQS, times=limits.GAP_RANGES_MAX + 1), "ranges of gaps"),
        (b"\x8a\x00\x00" * (limits.UNCOUNTED_MAX + 1), "anchors"),
        (b"\x20\x0a" * (limits.FIELDS_MAX + 1024), "fields"),
    ],
)
def test_messages_of_more_than_the_cap_are_refused_before_they_are_built(
    payload: bytes, what: str
) -> None:
    carried = zlib.compress(payload, 1)
    carried = carried if 100 * len(carried) > len(payload) else _padded(payload)
    block = pb.Block(
        epoch=1, seq=1, compression=pb.COMPRESSION_ZLIB, payload=carried,
        payload_size=len(payload), payload_crc32c=crc32c(payload),
    )  # fmt: skip
    before = _peak_kb()
    found = refused(block)
    assert found.reason == pb.REJECT_REASON_TOO_LARGE
    assert what in found.detail
    assert _peak_kb() - before < 40_000


def _padded(payload: bytes) -> bytes:
    """zlib with empty stored blocks (RFC 1951 section 3.2.4) before it: unpacks to the same, and
    is no bomb by its ratio."""
    plain = zlib.compress(payload)
    empty = b"\x00\x00\x00\xff\xff"
    return plain[:2] + empty * (len(payload) // 100 // len(empty)) + plain[2:]


def _peak_kb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@given(st.binary(max_size=40), st.integers(0, 60))
def test_count_of_any_bytes_never_refuses_what_the_parser_takes(noise: bytes, cut: int) -> None:
    filler = _nested(15, inner=b"\x0a" * (limits.UNCOUNTED_MAX + 1))  # large enough to be counted
    block = examples.block(1)
    payload = decompress(block.compression, block.payload, block.payload_size)
    list(check_counts(payload + filler, BLOCK))
    for data in (filler + noise, (filler + payload)[: len(filler) + cut] + noise):
        words = ""
        try:
            list(check_counts(data, BLOCK))
        except FieldsError as error:
            words = str(error)
        with contextlib.suppress(DecodeError):
            pb.BlockPayload.FromString(data)
            assert not words or "wire type" in words  # groups, which no version of ours has


def test_changed_byte_of_a_payload_is_a_checksum_error() -> None:
    block = examples.block(1)
    plain = decompress(block.compression, block.payload, block.payload_size)
    block.compression = pb.COMPRESSION_NONE
    block.payload = plain[:-1] + bytes([plain[-1] ^ 1])
    assert refused(block).reason == pb.REJECT_REASON_CHECKSUM


def _columns_missing(payload: pb.BlockPayload) -> None:
    del payload.runs[0].columns[1]


def _too_many_values(payload: pb.BlockPayload) -> None:
    payload.runs[0].columns[1].values.extend([1, 2, 3])


def _quality_short(payload: pb.BlockPayload) -> None:
    payload.runs[0].columns[0].quality.add(count=3, quality=pb.QUALITY_GOOD)


def _unknown_group(payload: pb.BlockPayload) -> None:
    payload.runs[0].group = 77


def _order_three(payload: pb.BlockPayload) -> None:
    payload.runs[0].columns[0].order = 3


def _text_for_a_number(payload: pb.BlockPayload) -> None:
    payload.runs[0].columns[0].encoding = pb.VALUE_ENCODING_TEXT


def _skipped_outside(payload: pb.BlockPayload) -> None:
    payload.runs[0].skipped.add(first_tick=9, count=5, reason=pb.GAP_REASON_OVERRUN)


def _rows_not_ascending(payload: pb.BlockPayload) -> None:
    payload.runs[0].columns[0].sparse = True
    payload.runs[0].columns[0].rows.extend([3, 0, 1])


def _gap_of_nothing(payload: pb.BlockPayload) -> None:
    payload.gaps.add(epoch=1, reason=pb.GAP_REASON_EXPIRED)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (_columns_missing, "columns"),
        (_too_many_values, "values"),
        (_quality_short, "quality"),
        (_unknown_group, "group 77"),
        (_order_three, "order 3"),
        (_text_for_a_number, "encoding"),
        (_skipped_outside, "skipped"),
        (_rows_not_ascending, "ascend"),
        (_gap_of_nothing, "gap"),
    ],
)
def test_structure_that_does_not_fit_is_malformed_and_said(
    change: Callable[[pb.BlockPayload], None], word: str
) -> None:
    error = refused(resealed(change))
    assert error.reason == pb.REJECT_REASON_MALFORMED
    assert word in error.detail


def test_run_without_rows_may_leave_its_columns_out() -> None:
    run = encode.run(1, 5, 9, [], skipped=[(5, 9, pb.GAP_REASON_LINK_DOWN)])
    block = encode.block(examples.EPOCH, 1, pb.BlockPayload(runs=[run]))
    assert checking.check(block).blocks[0].samples == 0
    assert checking.decoded(block) == []


def test_counts_that_are_not_the_payload_s_are_malformed() -> None:
    for field in ("scans", "samples"):
        block = examples.block(1)
        setattr(block, field, 7)
        assert refused(block).reason == pb.REJECT_REASON_MALFORMED


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("scale", "1,5", pb.REJECT_REASON_MALFORMED),
        ("offset", "NaN", pb.REJECT_REASON_MALFORMED),
        ("name", "", pb.REJECT_REASON_MALFORMED),
        ("name", "joint1", pb.REJECT_REASON_MALFORMED),
        ("type", 0, pb.REJECT_REASON_MALFORMED),
        ("type", 99, pb.REJECT_REASON_UNSUPPORTED),
        ("bits", 12, pb.REJECT_REASON_MALFORMED),
        ("text_encoding", "latin-1", pb.REJECT_REASON_MALFORMED),
        ("unit", "x" * (limits.TEXT_BYTES_MAX + 1), pb.REJECT_REASON_TOO_LARGE),
        ("description", "x" * (limits.TEXT_BYTES_MAX + 1), pb.REJECT_REASON_TOO_LARGE),
    ],
)
def test_tag_that_columns_could_not_be_read_with_is_refused(
    field: str, value: object, reason: int
) -> None:
    content = examples.tags()
    setattr(content.tags[0], field, value)
    with pytest.raises(RefusedError) as caught:
        checking.tag_set(content)
    assert caught.value.reason == reason


def test_tag_set_that_needs_what_this_version_lacks_is_unsupported() -> None:
    content = examples.tags()
    content.needs.append(77)
    with pytest.raises(RefusedError) as caught:
        checking.tag_set(content)
    assert caught.value.reason == pb.REJECT_REASON_UNSUPPORTED


def _with_encoding(payload: pb.BlockPayload) -> None:
    payload.runs[0].columns[0].encoding = pb.ValueEncoding.ValueType(7)


def _with_parts(payload: pb.BlockPayload) -> None:
    payload.runs[0].parts.add()


def _with_events(payload: pb.BlockPayload) -> None:
    events = payload.runs[0].events.add(first=0, count=1)
    column = encode.column([1], rows=[0])
    events.columns.add(tag=0, column=column)


def _with_source_times(payload: pb.BlockPayload) -> None:
    payload.runs[0].columns[0].source_time_ns.append(1)


@pytest.mark.parametrize("change", [_with_parts, _with_events, _with_source_times])
def test_feature_that_this_receiver_lacks_is_unsupported_and_else_taken(
    change: Callable[[pb.BlockPayload], None],
) -> None:
    block = resealed(change)
    checking.check(block)
    with pytest.raises(RefusedError) as caught:
        checking.check(block, features=())
    assert caught.value.reason == pb.REJECT_REASON_UNSUPPORTED


def test_numbers_of_a_later_version_are_unsupported_and_never_malformed() -> None:
    later = examples.block(1)
    later.compression = pb.Compression.ValueType(9)
    needs = examples.block(1)
    needs.needs.append(99)
    for block in (later, needs, resealed(_with_encoding)):
        assert refused(block).reason == pb.REJECT_REASON_UNSUPPORTED


@pytest.mark.parametrize("quality", [-1, -(1 << 31), 0])
def test_quality_that_is_none_is_refused(quality: int) -> None:
    """field.md 6.3: what is stored makes no reader raise."""

    def change(payload: pb.BlockPayload) -> None:
        quality_ = pb.Quality.ValueType(quality)
        payload.runs[0].columns[0].quality.add(count=10, quality=quality_)

    assert refused(resealed(change)).reason == pb.REJECT_REASON_MALFORMED


def test_unknown_qualities_and_reasons_are_taken_as_their_class() -> None:
    def change(payload: pb.BlockPayload) -> None:
        column = payload.runs[0].columns[0]
        for count, quality in ((3, 40), (3, 100), (3, 200), (1, 1000)):
            column.quality.add(count=count, quality=pb.Quality.ValueType(quality))
        del column.values[6:]
        payload.gaps.add(
            epoch=1, reason=pb.GapReason.ValueType(99), blocks=[pb.SeqRange(first=1, last=1)]
        )
        payload.anchors.add(boot_id="b", source=pb.AnchorSource.ValueType(99))

    block = resealed(change)
    checking.check(block)
    said = [(one.value is None, one.quality) for one in checking.decoded(block)[:10]]
    assert said == [(False, 40)] * 3 + [(False, 100)] * 3 + [(True, 200)] * 3 + [(True, 1000)]


@given(st.binary(max_size=200))
def test_any_payload_bytes_are_refused_or_decoded_and_nothing_else(data: bytes) -> None:
    block = pb.Block(
        epoch=1, seq=1, compression=pb.COMPRESSION_NONE, payload=data, payload_size=len(data),
        payload_crc32c=crc32c(data),
    )  # fmt: skip
    try:
        checking.check(block)
    except RefusedError:
        return
    checking.decoded(block)


_NUMBERS = st.integers(-(2**63), 2**63 - 1)
_COLUMNS = st.builds(
    pb.Column,
    order=st.integers(0, 3),
    encoding=st.sampled_from([0, 1, 2, 3, 4, 5, 6, 7]),
    floats=st.lists(st.floats(width=32), max_size=3),
    doubles=st.lists(st.floats(), max_size=3),
    source_time_ns=st.lists(_NUMBERS, max_size=3),
    source_time_order=st.integers(0, 3),
    digits=st.integers(0, 400),
    values=st.lists(_NUMBERS, max_size=4),
    quality=st.lists(
        st.builds(pb.QualityRun, count=st.integers(0, 4), quality=st.sampled_from([0, 1, 64, 129])),
        max_size=2,
    ),
    sparse=st.booleans(),
    rows=st.lists(st.integers(0, 4), max_size=3),
    texts=st.lists(
        st.builds(pb.TextRun, count=st.integers(0, 3), text=st.binary(max_size=2)), max_size=2
    ),
)


@given(st.sampled_from(range(1, 10)), _COLUMNS, st.integers(0, 4), st.lists(_NUMBERS, max_size=3))
def test_any_column_is_refused_or_gives_as_many_entries_as_it_says(
    kind: int, column: pb.Column, ticks: int, late_us: list[int]
) -> None:
    tags = pb.TagSetContent(tags=[pb.Tag(name="t", type=pb.ValueType.ValueType(kind), bits=8)])
    run = pb.GroupRun(group=1, ticks=ticks, columns=[column], late_order=1, late_us=late_us)
    block = encode.block(1, 1, pb.BlockPayload(runs=[run]))
    try:
        checking.check(block, checking.layout(tags, 10))
    except RefusedError:
        return
    assert len(checking.decoded(block, tags, 10)) == block.samples


def test_floats_that_are_no_number_become_bad_not_a_value() -> None:
    tags = pb.TagSetContent(tags=[pb.Tag(name="t", type=pb.VALUE_TYPE_FLOAT32)])
    floats = [float("nan"), float("inf"), 1.5]
    bits = [struct.unpack("<i", struct.pack("<f", number))[0] for number in floats]
    for column in (
        encode.column(bits, encoding=pb.VALUE_ENCODING_FLOAT32_BITS),
        pb.Column(encoding=pb.VALUE_ENCODING_FLOAT32, floats=floats),
    ):
        block = encode.block(1, 1, pb.BlockPayload(runs=[encode.run(1, 0, 3, [column])]))
        checking.check(block, checking.layout(tags))
        got = [(one.value, one.quality) for one in checking.decoded(block, tags)]
        assert got == [(None, 137), (None, 137), ("1.5", 1)]
