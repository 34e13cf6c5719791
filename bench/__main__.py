"""`python -m bench [NAME ...]`: runs the benches, prints one table, writes results/latest.json.

Exit 1 when a goal is not met: the table says which.
"""

from __future__ import annotations

import argparse
import sys

from bench import daemon, modbus_rtu, modbus_tcp, samples, start, wire_bytes
from bench.harness import HERE, ROUNDS_MIN, Bench, Row, document, table

BENCHES: dict[str, Bench] = {
    "P1": modbus_tcp.one_in_flight,
    "P2": modbus_tcp.many_in_flight,
    "P3": modbus_tcp.many_devices,
    "P4": daemon.wire_to_ack,
    "P5": modbus_rtu.serial,
    "P7": samples.ns_a_sample,
    "P8": wire_bytes.bytes_a_sample,
    "P12": start.start_and_status,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHES)}")
    parser.add_argument("--rounds", type=int, default=ROUNDS_MIN, help="at least %(default)s")
    options = parser.parse_args()
    if unknown := set(options.names) - set(BENCHES):
        parser.error(f"no such bench: {', '.join(sorted(unknown))}; there are {', '.join(BENCHES)}")
    rows: list[Row] = []
    for name in options.names or BENCHES:
        print(f"{name} ...", file=sys.stderr, flush=True)
        rows += BENCHES[name](options.rounds)
    print(table(rows))
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    (results / "latest.json").write_text(document(rows, options.rounds), encoding="utf-8")
    return 1 if any(row.met is False for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
