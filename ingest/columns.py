"""One column against its tag: counts, order, encoding. Nothing here expands a column's values."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest.catalog import FLOAT32, FLOAT64, NUMBER, TEXT
from ingest.refusal import DIGITS_MAX, malformed, unsupported

_ENCODINGS: dict[int, tuple[int, ...]] = {
    NUMBER: (pb.VALUE_ENCODING_UNSPECIFIED,),
    FLOAT32: (pb.VALUE_ENCODING_DECIMAL, pb.VALUE_ENCODING_FLOAT32_BITS),
    FLOAT64: (pb.VALUE_ENCODING_DECIMAL, pb.VALUE_ENCODING_FLOAT64_BITS),
    TEXT: (pb.VALUE_ENCODING_TEXT,),
}
_PLAIN: dict[int, int] = {
    FLOAT32: pb.VALUE_ENCODING_FLOAT32,
    FLOAT64: pb.VALUE_ENCODING_FLOAT64,
}


def bad_of(where: str, runs: Iterable[pb.QualityRun], entries: int) -> int:
    """How many of `entries` are bad, of quality runs that must count all of them."""
    counted = bad = 0
    for run in runs:
        quality, count = run.quality, run.count
        if quality <= 0 or count == 0:
            malformed(True, f"{where}: a quality run of {count} with quality {quality}")
        counted += count
        if quality >= pb.QUALITY_BAD:
            bad += count
    malformed(counted != entries, f"{where}: quality runs count {counted} of {entries} entries")
    return bad


def check_rows(where: str, places: Sequence[int], rows: int) -> int:
    """The number of entries of a sparse column; they must ascend within `rows`."""
    count = len(places)
    if count > rows or (count and (sum(places) >= rows or 0 in places[1:])):
        malformed(True, f"{where}: entries of the sparse column do not ascend within {rows} rows")
    return count


class Columns:
    """The rules of a receiver with these features.

    Once a column, some hundred thousand times a second: it looks at no more than it must. Places in
    a dense column, and source times beyond its entries, mean nothing and are read by nobody.
    """

    def __init__(self, features: Collection[int]) -> None:
        self._features = frozenset(features)
        self._no_source_times = pb.FEATURE_SOURCE_TIME not in self._features
        self._encodings = {kind: frozenset(all_) for kind, all_ in _ENCODINGS.items()}
        if pb.FEATURE_PLAIN_FLOATS in self._features:
            for kind, plain in _PLAIN.items():
                self._encodings[kind] |= {plain}

    def check(self, kind: int, column: pb.Column, rows: int, bad_rows: int, where: str) -> int:
        """The number of entries. `bad_rows`: of the tag's part, for a column without quality of
        its own. Raises RefusedError; `where` says which column."""
        entries = rows
        sparse = column.sparse
        if sparse:
            entries = check_rows(where, column.rows, rows)
        if column.order > 2:
            malformed(True, f"{where}: order {column.order} is not 0, 1 or 2")
        values = entries
        if column.quality:
            values -= bad_of(where, column.quality, entries)
        elif not sparse:
            values -= bad_rows
        encoding = column.encoding
        if encoding not in self._encodings[kind] and (values or encoding):
            self._refuse_encoding(kind, encoding, where)
        if kind == TEXT:
            counted = sum(run.count for run in column.texts)
            malformed(counted != values, f"{where}: text runs count {counted} of {values} entries")
            malformed(len(column.values) > 0, f"{where}: numbers in a column of texts")
        elif len(column.values) > values:
            malformed(True, f"{where}: {len(column.values)} values for {values} entries")
        elif encoding:
            given = max(len(column.floats), len(column.doubles))
            malformed(given > values, f"{where}: {given} floats for {values} entries")
            malformed(column.digits > DIGITS_MAX, f"{where}: {column.digits} digits")
        if column.source_time_order > 2:
            malformed(True, f"{where}: source_time_order {column.source_time_order}")
        if self._no_source_times and column.source_time_ns:
            unsupported(True, f"{where} has the source's times")
        return entries

    def _refuse_encoding(self, kind: int, encoding: int, where: str) -> None:
        # What is of a feature that this receiver lacks is as unknown to it as what is of none.
        known = {pb.VALUE_ENCODING_UNSPECIFIED}.union(*self._encodings.values())
        unsupported(encoding not in known, f"{where}: encoding {encoding} is unknown")
        malformed(True, f"{where}: encoding {encoding} does not fit the tag's type (kind {kind})")
