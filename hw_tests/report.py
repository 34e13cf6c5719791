"""`make hw`: the table of what its rows wrote, into docs/reliability.md."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Any

from hw_tests.rows.conftest import RESULTS
from package.content import ROOT

PAGE = ROOT / "docs/reliability.md"
BEGIN, END = "<!-- Written by make hw: begin -->\n", "<!-- Written by make hw: end -->\n"
_COLUMNS = ("fault", "sampled", "stored", "ticks in gaps", "seen", "test")


def main() -> int:
    lines: dict[str, dict[str, Any]] = json.loads(RESULTS.read_text(encoding="utf-8"))
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        sys.stderr.write(f"{PAGE}: lacks the lines {BEGIN.strip()} and {END.strip()}\n")
        return 1
    table = "".join(map(_row, lines.values()))
    total = sum(line["sampled"] for line in lines.values())
    head = f"| {' | '.join(_COLUMNS)} |\n|{' --- |' * len(_COLUMNS)}\n"
    day = datetime.now(UTC).date()
    said = f"{day}: {len(lines)} rows, {total:,} answers, **missing 0, twice 0** in each.\n\n"
    PAGE.write_text(before + BEGIN + said + head + table + END + after, encoding="utf-8")
    return 0


def _row(line: dict[str, Any]) -> str:
    gaps = ", ".join(f"{name} {count:,}" for name, count in line["gap_ticks"].items()) or "none"
    cells = [line["fault"], f"{line['sampled']:,}", f"{line['stored']:,}", gaps, line["seen"]]
    return f"| {' | '.join(cells)} | [{line['test']}] |\n"


if __name__ == "__main__":
    sys.exit(main())
