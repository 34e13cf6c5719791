"""What a catalog and a block must satisfy before they are stored, checked before memory is spent
on them.

The order matters: declared sizes against caps, then the checksum, then bounded decompression, then
how many messages that is, then parsing, then counts against caps (a list that ends early continues
with zeros, so counts can be far larger than bytes), and only then structure. Nothing here expands a
column's values.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

from google.protobuf.message import DecodeError
from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest import limits
from ingest.count import TooManyError, check_counts
from ingest.decode import integrate
from ingest.payload import PayloadError, crc32c, decompress

_ENCODINGS_OF_FLOATS = {
    pb.VALUE_TYPE_FLOAT32: (pb.VALUE_ENCODING_DECIMAL, pb.VALUE_ENCODING_FLOAT32_BITS),
    pb.VALUE_TYPE_FLOAT64: (pb.VALUE_ENCODING_DECIMAL, pb.VALUE_ENCODING_FLOAT64_BITS),
}
#: 10^digits must be a number that a float64 can be divided by; 2^64 has 20 digits, floats reach
#: 10^308.
_DIGITS_MAX = 340


class RefusedError(Exception):
    """A block or catalog that can't be stored: the reason for programs, the detail for people."""

    def __init__(self, reason: pb.RejectReason.ValueType, detail: str) -> None:
        detail = _cut(detail, limits.DETAIL_CHARS_MAX)
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def quoted(text: str) -> str:
    """What a box wrote as it may be answered and logged: short, on one line, in quotes."""
    return repr(_cut(text, limits.QUOTED_CHARS))


def _malformed(condition: bool, detail: str) -> None:
    if condition:
        raise RefusedError(pb.REJECT_REASON_MALFORMED, detail)


def _too_large(what: str, value: int, limit: int) -> None:
    if value > limit:
        raise RefusedError(pb.REJECT_REASON_TOO_LARGE, f"{what} is {value}, the most is {limit}")


def _is_decimal(text: str) -> bool:
    if len(text) > limits.DECIMAL_CHARS_MAX:
        return False
    try:
        number = Decimal(text or "0")
    except InvalidOperation:
        return False
    exponent = number.as_tuple().exponent
    return isinstance(exponent, int) and abs(exponent) <= _DIGITS_MAX


def check_catalog(catalog: pb.Catalog) -> None:
    """Raises RefusedError when blocks could not be read with this catalog."""
    _malformed(
        not 0 < catalog.epoch < limits.EPOCH_END, f"epoch {catalog.epoch} is not in 1..2^53-1"
    )
    _malformed(catalog.revision == 0, "catalog revision 0: revisions count from 1")
    _too_large("number of groups", len(catalog.groups), limits.GROUPS_MAX)
    _too_large("number of tags", sum(len(g.tags) for g in catalog.groups), limits.TAGS_MAX)
    _too_large("bytes of site", len(catalog.site.encode()), limits.TEXT_BYTES_MAX)
    seen: set[int] = set()
    for group in catalog.groups:
        where = f"group {group.id}"
        _malformed(group.id in seen, f"{where} stands twice in the catalog")
        seen.add(group.id)
        _name(f"{where}: device", group.device)
        _malformed(
            not 0 < group.period_ns < limits.INT64_END, f"{where}: period_ns {group.period_ns}"
        )
        names: set[str] = set()
        for index, tag in enumerate(group.tags):
            _name(f"{where}: tag {index}", tag.name)
            _malformed(tag.name in names, f"{where}: tag {quoted(tag.name)} stands twice")
            names.add(tag.name)
            _check_tag(f"{where}: tag {quoted(tag.name)}", tag)


def _name(where: str, name: str) -> None:
    _malformed(not name, f"{where} has no name")
    _too_large(f"{where}: bytes of the name", len(name.encode()), limits.NAME_BYTES_MAX)
    _malformed(not name.isprintable(), f"{where}: name {quoted(name)} has control characters")


def _check_tag(where: str, tag: pb.Tag) -> None:
    _malformed(
        not pb.VALUE_TYPE_BOOL <= tag.type <= pb.VALUE_TYPE_STRING,
        f"{where}: type {tag.type} is unknown",
    )
    for what, text in (("scale", tag.scale), ("offset", tag.offset)):
        _malformed(not _is_decimal(text), f"{where}: {what} {quoted(text)} is no decimal number")
    _malformed(
        tag.text_encoding not in ("", "ascii", "utf-8", "gb18030"),
        f"{where}: text_encoding {quoted(tag.text_encoding)} is not ascii, utf-8 or gb18030",
    )
    for what, text in (("unit", tag.unit), ("address", tag.address)):
        _too_large(f"{where}: bytes of {what}", len(text.encode()), limits.TEXT_BYTES_MAX)


def check_name(block: pb.Block) -> None:
    """Raises RefusedError when the block's own name, or a size it declares, is impossible."""
    _malformed(not 0 < block.epoch < limits.EPOCH_END, f"epoch {block.epoch} is not in 1..2^53-1")
    _malformed(not 0 < block.seq < limits.SEQ_END, f"seq {block.seq} is not in 1..2^53-1")
    _too_large("carried payload (bytes)", len(block.payload), limits.BLOCK_BYTES_MAX)
    _too_large("payload_size", block.payload_size, limits.PAYLOAD_BYTES_MAX)
    _too_large(
        "payload_size against the bytes carried",
        block.payload_size,
        max(limits.RATIO_FREE_BYTES, limits.RATIO_MAX * len(block.payload)),
    )
    _too_large("scans", block.scans, limits.ROWS_MAX)
    _too_large("samples", block.samples, limits.SAMPLES_MAX)


def check_block(block: pb.Block, catalog: pb.Catalog) -> pb.BlockPayload:
    """The block's payload, when everything in it can be read with `catalog`; raises RefusedError.

    The caller has called `check_name` before it looked for the catalog.
    """
    crc = crc32c(block.payload)
    if crc != block.payload_crc32c:
        raise RefusedError(
            pb.REJECT_REASON_CHECKSUM,
            f"CRC-32C of the payload is {crc:08x}, the block says {block.payload_crc32c:08x}",
        )
    try:
        unpacked = decompress(block.compression, block.payload, block.payload_size)
        check_counts(unpacked)
        payload = pb.BlockPayload.FromString(unpacked)
    except TooManyError as error:
        raise RefusedError(pb.REJECT_REASON_TOO_LARGE, str(error)) from error
    except PayloadError as error:
        raise RefusedError(pb.REJECT_REASON_MALFORMED, str(error)) from error
    except DecodeError as error:
        raise RefusedError(
            pb.REJECT_REASON_MALFORMED, f"payload is no BlockPayload: {error}"
        ) from error
    groups = {group.id: group for group in catalog.groups}
    scans = samples = 0
    for index, run in enumerate(payload.runs):
        where = f"run {index} (group {run.group})"
        _malformed(run.group not in groups, f"{where}: the catalog has no such group")
        rows = _check_run(where, run)
        scans += rows
        _too_large("rows of the block", scans, limits.ROWS_MAX)
        tags = groups[run.group].tags
        _malformed(
            len(run.columns) != len(tags) and (rows > 0 or len(run.columns) > 0),
            f"{where}: {len(run.columns)} columns, the catalog has {len(tags)} tags",
        )
        for tag, column in zip(tags, run.columns, strict=rows > 0):
            samples += _check_column(f"{where}, tag {quoted(tag.name)}", tag, column, rows)
            _too_large("samples of the block", samples, limits.SAMPLES_MAX)
    _malformed(scans != block.scans, f"block says {block.scans} scans, its payload has {scans}")
    _malformed(
        samples != block.samples, f"block says {block.samples} samples, its payload has {samples}"
    )
    for anchor in payload.anchors:
        _malformed(not 0 < len(anchor.boot_id) <= 64, "an anchor's boot_id is empty or too long")
        _malformed(anchor.error_ns >= limits.INT64_END, f"anchor: error_ns {anchor.error_ns}")
        _malformed(
            abs(anchor.boot_time_ns) > limits.SPAN_NS_MAX,
            f"anchor: boot_time_ns {anchor.boot_time_ns} is beyond a hundred years",
        )
    for gap in payload.gaps:
        _check_gap(gap)
    return payload


def _check_run(where: str, run: pb.GroupRun) -> int:
    """The number of rows."""
    end = run.first_tick + run.ticks
    _malformed(run.ticks == 0 or end >= limits.INT64_END, f"{where}: ticks {run.ticks}")
    _malformed(not 0 < run.period_ns < limits.INT64_END, f"{where}: period_ns {run.period_ns}")
    last_due = run.first_due_ns + (run.ticks - 1) * run.period_ns
    _malformed(
        end * run.period_ns > limits.SPAN_NS_MAX or _is_absurd(run.first_due_ns, last_due),
        f"{where}: ticks {run.first_tick}+{run.ticks}, each {run.period_ns} ns from"
        f" {run.first_due_ns}, reach beyond a hundred years",
    )
    skipped = 0
    position = run.first_tick
    for gap in run.skipped:
        _malformed(
            gap.count == 0 or gap.first_tick < position or gap.first_tick + gap.count > end,
            f"{where}: skipped ticks {gap.first_tick}+{gap.count} are not ascending inside the run",
        )
        _malformed(gap.reason == 0, f"{where}: skipped ticks without a reason")
        position = gap.first_tick + gap.count
        skipped += gap.count
    rows = run.ticks - skipped
    _too_large(f"{where}: rows", rows, limits.ROWS_MAX)
    _malformed(run.late_order > 2, f"{where}: late_order {run.late_order} is not 0, 1 or 2")
    _malformed(len(run.late_us) > rows, f"{where}: {len(run.late_us)} late_us for {rows} rows")
    _malformed(
        len(run.half_span_us) > rows, f"{where}: {len(run.half_span_us)} half_span_us, {rows} rows"
    )
    _malformed(
        _farthest_us(run.late_us, run.late_order, rows) > limits.LATE_US_MAX,
        f"{where}: a row is more than {limits.LATE_US_MAX} us away from its due time",
    )
    return rows


def _is_absurd(first_due_ns: int, last_due_ns: int) -> bool:
    return max(abs(first_due_ns), abs(last_due_ns)) > limits.SPAN_NS_MAX


def _farthest_us(late_us: Sequence[int], order: int, rows: int) -> int:
    """The largest |late_us| of all rows, or what is surely too large.

    A list that ends early goes on with zeros: from its last number on the rows lie on a line, flat
    but in order 2, so that of those that are not carried the last is the farthest. What they would
    come to modulo 2^64 does not matter: two neighbours within LATE_US_MAX differ by less than
    twice that, and then no step of the line wraps.
    """
    given = integrate(late_us, order, len(late_us))
    farthest = max(map(abs, given), default=0)
    if order == 2 and given:
        slope = integrate(late_us, 1, len(late_us))[-1]
        farthest = max(farthest, abs(given[-1] + slope * (rows - len(given))))
    return farthest


def _check_column(where: str, tag: pb.Tag, column: pb.Column, rows: int) -> int:
    """The number of entries."""
    _malformed(column.order > 2, f"{where}: order {column.order} is not 0, 1 or 2")
    _malformed(column.digits > _DIGITS_MAX, f"{where}: {column.digits} digits")
    _malformed(not column.sparse and len(column.rows) > 0, f"{where}: rows in a dense column")
    entries = len(column.rows) if column.sparse else rows
    if column.sparse and column.rows:
        last = sum(column.rows)
        _malformed(
            last >= rows or 0 in column.rows[1:],
            f"{where}: entries of the sparse column are not ascending within {rows} rows",
        )
    values = entries
    if column.quality:
        counted = sum(run.count for run in column.quality)
        _malformed(
            counted != entries, f"{where}: quality runs count {counted} of {entries} entries"
        )
        values -= sum(run.count for run in column.quality if run.quality >= pb.QUALITY_BAD)
        _malformed(
            any(run.quality == 0 or run.count == 0 for run in column.quality),
            f"{where}: a quality run without quality or count",
        )
    if tag.type == pb.VALUE_TYPE_STRING:
        _malformed(
            column.encoding != pb.VALUE_ENCODING_TEXT or len(column.values) > 0,
            f"{where}: a string tag must be encoded as text",
        )
        counted = sum(run.count for run in column.texts)
        _malformed(counted != values, f"{where}: text runs count {counted} of {values} entries")
    else:
        allowed = _ENCODINGS_OF_FLOATS.get(tag.type, (pb.VALUE_ENCODING_UNSPECIFIED,))
        _malformed(
            column.encoding not in allowed or len(column.texts) > 0,
            f"{where}: encoding {column.encoding} does not fit type {tag.type}",
        )
        _malformed(
            len(column.values) > values, f"{where}: {len(column.values)} values for {values}"
        )
    return entries


def _check_gap(gap: pb.Gap) -> None:
    _malformed(not 0 < gap.epoch < limits.EPOCH_END, f"gap: epoch {gap.epoch} is not in 1..2^53-1")
    _malformed(gap.reason == 0, "gap without a reason")
    _malformed(
        not gap.count_unknown and not gap.blocks and not gap.ticks, "gap without blocks or ticks"
    )
    _malformed(gap.end_of_epoch and not gap.blocks, "gap: the end of an epoch without its block")
    _malformed(gap.after_seq >= limits.SEQ_END, f"gap: after_seq {gap.after_seq}")
    for seqs in gap.blocks:
        _malformed(
            not 0 < seqs.first <= seqs.last < limits.SEQ_END,
            f"gap: blocks {seqs.first}..{seqs.last}",
        )
    for ticks in gap.ticks:
        where = f"gap: ticks {ticks.first_tick}+{ticks.count} of group {ticks.group}"
        _malformed(ticks.count == 0, where)
        end = ticks.first_tick + ticks.count
        between_ns = ticks.last_due_ns - ticks.first_due_ns
        _malformed(
            between_ns < ticks.count - 1,
            f"{where}, due from {ticks.first_due_ns} to {ticks.last_due_ns}: less than 1 ns apart",
        )
        _malformed(
            # end x period, where the due times tell the period: those of a single tick do not.
            end * between_ns > limits.SPAN_NS_MAX * (ticks.count - 1)
            or end > limits.SPAN_NS_MAX
            or _is_absurd(ticks.first_due_ns, ticks.last_due_ns),
            f"{where} reach beyond a hundred years",
        )
