"""`python -m bench [NAME ...]`: runs the benches, prints one table, writes results/latest.json.

A goal that is missed is said (NO), and is no failure: exit 0; with --strict exit 1. A bench that
breaks is said too, the others go on, and the exit is 1. `--markdown`
runs nothing: it puts the table of the newest run into docs/performance.md.
"""

from __future__ import annotations

import argparse
import os
import sys
from subprocess import SubprocessError

from bench import (
    daemon,
    memory,
    mixed,
    modbus_rtu,
    modbus_tcp,
    modbus_tls,
    reading,
    s7,
    samples,
    size,
    start,
    wire_bytes,
)
from bench.harness import HERE, ROUNDS_MIN, Bench, Row, document, line, table
from bench.report import markdown, placed
from tests.kit.rig import StepError

LATEST = HERE / "results" / "latest.json"
PAGE = HERE.parent / "docs" / "performance.md"

BENCHES: dict[str, Bench] = {
    "P1": modbus_tcp.one_in_flight,
    "P2": modbus_tcp.many_in_flight,
    "P3": modbus_tcp.many_devices,
    "P4": daemon.wire_to_ack,
    "P5": modbus_rtu.serial,
    "P7": samples.ns_a_sample,
    "P8": wire_bytes.bytes_a_sample,
    "P11": memory.memory,
    "P12": start.start_and_status,
    "P13": modbus_tls.encrypted,
    "P14": size.thousand,
    "P15": size.two_hundred,
    "P16": reading.reading,
    "P17": mixed.mixed,
    "P18": s7.against,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHES)}")
    parser.add_argument("--rounds", type=int, default=ROUNDS_MIN, help="at least %(default)s")
    parser.add_argument("--strict", action="store_true", help="exit 1 when a goal is missed")
    parser.add_argument("--markdown", action="store_true", help="the newest run into docs/")
    options = parser.parse_args()
    if options.markdown:
        return publish()
    if unknown := set(options.names) - set(BENCHES):
        parser.error(f"no such bench: {', '.join(sorted(unknown))}; there are {', '.join(BENCHES)}")
    # A box has its modules compiled: compiling them at each start costs time and memory.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    rows: list[Row] = []
    broken: dict[str, str] = {}
    command = ["python", "-m", "bench", *sys.argv[1:]]
    LATEST.parent.mkdir(exist_ok=True)
    for name in options.names or BENCHES:
        print(f"{name} ...", file=sys.stderr, flush=True)
        try:
            for row in BENCHES[name](options.rounds):
                rows.append(row)
                print(line(row), file=sys.stderr, flush=True)
        except (RuntimeError, OSError, SubprocessError, StepError) as error:
            broken[name] = str(error)
            print(f"{name} broke: {error}", file=sys.stderr, flush=True)
        # After each: who interrupts a run keeps what it has measured.
        LATEST.write_text(document(rows, options.rounds, command, broken), encoding="utf-8")
    print(table(rows))
    missed = sum(row.met is False for row in rows)
    print(f"{missed} of {sum(row.met is not None for row in rows)} goals are missed")
    return 1 if broken or (missed and options.strict) else 0


def publish() -> int:
    """Put the newest run's table into the page; 1 when there is no run."""
    try:
        table_ = markdown(LATEST.read_text(encoding="utf-8"))
        PAGE.write_text(placed(PAGE.read_text(encoding="utf-8"), table_), encoding="utf-8")
    except (OSError, ValueError) as error:
        print(f"python -m bench: {error}; run `make bench` first", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
