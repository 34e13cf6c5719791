"""Makes proto/vectors: streams with every encoding, and the entries that each reader must give.

    python -m tests.contract.vectors      writes the files anew

The values that are expected are written by hand, next to the numbers that carry them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from tests.contract import vector_runs, vector_streams, vector_values
from tests.contract.vector import Vector
from tests.contract.vector_utc import UTC_CASES

DIRECTORY = Path(__file__).parents[2] / "proto" / "vectors"


def vectors() -> Iterator[Vector]:
    for part in (vector_values, vector_runs, vector_streams):
        yield from part.vectors()


def write() -> None:
    DIRECTORY.mkdir(exist_ok=True)
    for vector in vectors():
        stem = DIRECTORY / vector.name
        stem.with_suffix(".stream").write_bytes(vector.file)
        rows = ",\n".join("  " + json.dumps(row, ensure_ascii=False) for row in vector.rows)
        refused = ' "unsupported": true,\n' if vector.unsupported else ""
        text = f'{{"about": {json.dumps(vector.about)},\n{refused} "rows": [\n{rows}\n]}}\n'
        stem.with_suffix(".json").write_text(text, encoding="utf-8")

    utc = json.dumps(UTC_CASES, indent=1) + "\n"
    (DIRECTORY / "utc.json").write_text(utc, encoding="utf-8")


if __name__ == "__main__":
    write()
