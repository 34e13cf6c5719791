"""The ledger: after every fault, what was sampled is stored once or lies under an announced gap.

    python -m tests.kit.ledger RUN_DIR [--allow-ms 5] [--retries 0] [--json]

Three books are kept by three parties, and compared here with none of their code:

- sampled: the files in `RUN_DIR/sampled/`, written by the simulated controllers. A line is
  `device counter asked_ns answered_ns` on the boot clock (spaces or commas): this answer carried
  that counter in the tag `serial_number`. `spoilt` behind it: a fault kept the answer from
  arriving whole and in time, so it need not, and must not, be stored.
- stored: `RUN_DIR/store.db`, the receiver's file, read by SQL and decoded by `proto/reader.py`.
- box, optional: `RUN_DIR/box.json`, the last `jiahe status --json`.

| rule | holds when |
| --- | --- |
| I1 | every sampled counter is stored, was read as bad, or lies under a gap of its device |
| I2 | nothing is stored twice or unsampled; its time is that of its request, ± its half span |
| I2 | the spans of a device's rows do not overlap: none claims more than its scan took |
| I3 | no gap covers a tick that has a row, no crash gap covers a block that is held |
| I4 | gaps by reason stay within what the test allows (`gap_ticks_max`) |
| I5 | the seqs of an epoch are 1..n; a hole lies under a gap |
| I9 | the box believes acknowledged no more scans than are stored |
"""

from __future__ import annotations

import argparse
import json
import sys
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from pathlib import Path

from tests.kit.books import Gap, Row, Sampled, Stored, read_sampled, read_stored

_SHOWN_MAX = 5
#: Times and spans are in microseconds, rounded each for itself.
ROUNDING_NS = 3_000
#: A half span that the box left out is under a millisecond (ingest.proto, GroupRun).
_UNSAID_NS = 999_000


@dataclass(slots=True)
class Report:
    """`violations` is empty when every rule holds."""

    sampled: int = 0
    spoilt: int = 0
    stored: int = 0
    missing: int = 0
    twice: int = 0
    read_as_bad: int = 0
    retried: int = 0
    in_gaps: dict[str, int] = field(default_factory=dict)
    gap_ticks: dict[str, int] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)

    def text(self) -> str:
        said = [
            f"sampled {self.sampled} (spoilt {self.spoilt}), stored {self.stored},"
            f" read as bad {self.read_as_bad}, retried {self.retried},"
            f" missing {self.missing}, twice {self.twice}",
            *(f"in gaps: {reason} {count}" for reason, count in sorted(self.in_gaps.items())),
            *self.violations,
        ]
        return "\n".join(said)


def check(
    sampled: Iterable[Sampled],
    stored: Stored,
    *,
    allow_ns: int = 5_000_000,
    retries: int = 0,
    gap_ticks_max: Mapping[str, int] | None = None,
    box: Mapping[str, object] | None = None,
) -> Report:
    """Compare the books.

    `allow_ns`: how far from asked..answered a gap, or the row that an answer was read as, may lie.
    `retries`: how many answers may have been lost on the wire and asked for again within their
    tick. `gap_ticks_max`: ticks by reason that the fault explains; a reason that is not named may
    have none. None: not checked.
    """
    report = Report()
    book = {(one.device, one.counter): one for one in sampled}
    report.sampled, report.stored = len(book), len(stored.rows)
    report.spoilt = sum(one.spoilt for one in book.values())
    counted = Counter((row.device, row.counter) for row in stored.rows if row.counter is not None)
    _check_stored(report, book, counted, stored.rows)
    absent = [one for key, one in book.items() if key not in counted and not one.spoilt]
    _check_missing(report, absent, stored, allow_ns, retries)
    _complain(report, "I3", "gaps that lie", [f"epoch {e}: {what}" for e, what in stored.lies])
    for gap in stored.gaps:
        report.gap_ticks[gap.reason] = report.gap_ticks.get(gap.reason, 0) + (gap.ticks or 0)
    if gap_ticks_max is not None:
        over = {r: n for r, n in report.gap_ticks.items() if n > gap_ticks_max.get(r, 0)}
        over |= {
            g.reason: over.get(g.reason, 0) for g in stored.gaps if g.reason not in gap_ticks_max
        }
        _complain(report, "I4", "gaps over what the fault explains",
                  [f"{reason}: {ticks} ticks" for reason, ticks in over.items()])  # fmt: skip
    _check_seqs(report, stored)
    if box is not None:
        _check_box(report, stored, box)
    return report


def _complain(report: Report, rule: str, what: str, items: list[str]) -> None:
    if items:
        shown = "; ".join(items[:_SHOWN_MAX])
        report.violations.append(f"{rule}: {len(items)} {what}: {shown}")


def _check_stored(
    report: Report,
    book: Mapping[tuple[str, int], Sampled],
    counted: Mapping[tuple[str, int], int],
    rows: Iterable[Row],
) -> None:
    twice = [f"{device} {counter}" for (device, counter), n in counted.items() if n > 1]
    report.twice = len(twice)
    _complain(report, "I2", "stored twice", twice)
    strange, spoilt, late = [], [], []
    for row in rows:
        if row.counter is None:
            continue
        one = book.get((row.device, row.counter))
        if one is None:
            strange.append(f"{row.device} {row.counter}")
            continue
        if one.spoilt:
            spoilt.append(f"{row.device} {row.counter}")
            continue
        off_ns = abs(one.asked_ns - row.time_ns)
        if off_ns > _half_span_ns(row) + ROUNDING_NS:
            late.append(f"{row.device} {row.counter} by {off_ns / 1e6:.3f} ms")
    _complain(report, "I2", "stored that were never sampled", strange)
    _complain(report, "I2", "stored though their answer was spoilt", spoilt)
    _complain(report, "I2", "stored with the time of another request than theirs", late)
    wide = []
    for row, after in pairwise(sorted(rows, key=lambda row: (row.device, row.time_ns))):
        claimed_ns = (row.half_span_ns or 0) + (after.half_span_ns or 0)
        over_ns = claimed_ns - (after.time_ns - row.time_ns)
        if row.device == after.device and over_ns > 2 * ROUNDING_NS:
            wide.append(f"{row.device} {row.counter} by {over_ns / 1e6:.3f} ms")
    _complain(report, "I2", "rows whose scan ends after the next one's begin", wide)


def _half_span_ns(row: Row) -> int:
    return _UNSAID_NS if row.half_span_ns is None else row.half_span_ns


class _GapIndex:
    """Gaps by device and start, so that the one over a moment is found without a search."""

    def __init__(self, gaps: Iterable[Gap]) -> None:
        self._gaps: dict[str | None, list[Gap]] = defaultdict(list)
        for gap in sorted(gaps, key=lambda gap: gap.start_ns):
            self._gaps[gap.device].append(gap)
        self._ends = {
            device: list(accumulate((gap.end_ns for gap in found), max))
            for device, found in self._gaps.items()
        }

    def find(self, one: Sampled, allow_ns: int) -> Gap | None:
        """A gap of the device, or of every device, that meets asked..answered."""
        for device in (one.device, None):
            found = self._gaps.get(device, [])
            place = bisect_right(found, one.answered_ns + allow_ns, key=lambda gap: gap.start_ns)
            while place and self._ends[device][place - 1] > one.asked_ns - allow_ns:
                place -= 1
                if found[place].end_ns > one.asked_ns - allow_ns:
                    return found[place]
        return None


def _check_missing(
    report: Report, absent: list[Sampled], stored: Stored, allow_ns: int, retries: int
) -> None:
    gaps = _GapIndex(stored.gaps)
    rows: dict[str, list[Row]] = defaultdict(list)
    for row in stored.rows:
        rows[row.device].append(row)
    widest_ns = {}
    for device, found in rows.items():
        found.sort(key=lambda row: (row.time_ns, row.counter is not None))
        widest_ns[device] = max(_half_span_ns(row) for row in found)
    in_gaps: Counter[str] = Counter()
    missing: list[str] = []
    read: set[Row] = set()  # a bad row is one answer that was read as bad
    for one in absent:
        gap = gaps.find(one, allow_ns)
        near = _rows_at(rows[one.device], one, widest_ns.get(one.device, 0), allow_ns)
        bad = next((row for row in near if row.counter is None and row not in read), None)
        if bad:
            read.add(bad)
            report.read_as_bad += 1
        elif gap is not None:
            in_gaps[gap.reason] += 1
        elif any(row.counter in (None, one.counter + 1) for row in near):
            report.retried += 1
        else:
            missing.append(f"{one.device} {one.counter}")
    report.in_gaps = dict(in_gaps)
    report.missing = len(missing)
    _complain(report, "I1", "neither stored nor in a gap", missing)
    if report.retried > retries:
        report.violations.append(
            f"I1: {report.retried} answers were asked for again, {retries} may"
        )


def _rows_at(rows: list[Row], one: Sampled, widest_ns: int, allow_ns: int) -> list[Row]:
    """Those whose span meets asked..answered."""
    near = []
    reach_ns = widest_ns + allow_ns
    start = bisect_right(rows, one.asked_ns - reach_ns - 1, key=lambda row: row.time_ns)
    for row in rows[start:]:
        if row.time_ns > one.answered_ns + reach_ns:
            break
        off_ns = max(one.asked_ns - row.time_ns, row.time_ns - one.answered_ns)
        if off_ns <= _half_span_ns(row) + allow_ns:
            near.append(row)
    return near


def _check_seqs(report: Report, stored: Stored) -> None:
    holes = []
    for (gateway, epoch), held in stored.held.items():
        given_up = stored.given_up.get((gateway, epoch), [])
        holes += [
            f"{gateway} epoch {epoch} block {seq}"
            for seq in range(1, max(held) + 1)
            if seq not in held and not any(first <= seq <= last for first, last in given_up)
        ]
    _complain(report, "I5", "blocks neither held nor in a gap", holes)


def _check_box(report: Report, stored: Stored, box: Mapping[str, object]) -> None:
    epoch, counters = box["epoch"], box["counters"]
    assert isinstance(epoch, int) and isinstance(counters, dict)
    here = stored.scans.get(epoch, 0)
    if counters["acked_scans"] > here:
        report.violations.append(
            f"I9: the box has {counters['acked_scans']} scans acknowledged, {here} are stored"
        )


def main() -> int:
    """The command; 0 when every rule holds, else 1."""
    parser = argparse.ArgumentParser(prog="ledger", description="Compare the books of a run")
    parser.add_argument("directory", type=Path, metavar="RUN_DIR")
    parser.add_argument("--allow-ms", type=float, default=5.0)
    parser.add_argument("--retries", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    box_file = arguments.directory / "box.json"
    report = check(
        read_sampled(arguments.directory / "sampled"),
        read_stored(arguments.directory / "store.db"),
        allow_ns=int(arguments.allow_ms * 1e6),
        retries=arguments.retries,
        box=json.loads(box_file.read_text()) if box_file.exists() else None,
    )
    if arguments.json:
        names = Report.__dataclass_fields__
        text = json.dumps({name: getattr(report, name) for name in names}, ensure_ascii=False)
    else:
        text = report.text()
    sys.stdout.write(text + "\n")
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
