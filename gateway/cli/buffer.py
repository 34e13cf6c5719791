"""`jiahe buffer`: what waits on the disk, and what was lost of it."""

from __future__ import annotations

import argparse
import sys

from gateway.cli.context import Context
from gateway.cli.status import warn
from gateway.cli.table import duration, facts, percent, size
from gateway.snapshot import BufferSnapshot


def main(context: Context, options: argparse.Namespace) -> int:
    buffer: BufferSnapshot = context.status()["buffer"]
    if context.json:
        context.show_json(buffer)
        return 0
    words = context.words
    share = buffer["bytes"] / buffer["max_bytes"] if buffer["max_bytes"] else 0.0
    states = {"ok": "cli.buffer_ok", "no_space": "cli.buffer_no_space"}
    state = states.get(buffer["state"], "cli.buffer_memory")
    gaps = ", ".join(f"{reason} {count}" for reason, count in buffer["gaps"].items()) or "0"
    lines = [
        *(warn(context, said) for said in buffer["warnings"]),
        *facts(
            [
                (words("cli.state"), words(state)),
                (
                    words("cli.on_disk"),
                    words(
                        "cli.of_size",
                        blocks=buffer["blocks"],
                        size=size(buffer["bytes"]),
                        share=percent(share),
                        most=size(buffer["max_bytes"]),
                    ),
                ),
                (
                    words("cli.in_memory"),
                    words(
                        "cli.blocks_size",
                        blocks=buffer["memory_blocks"],
                        size=size(buffer["memory_bytes"]),
                    ),
                ),
                (words("cli.oldest"), duration(buffer["oldest_s"], context.lang)),
                (
                    words("cli.written"),
                    words(
                        "cli.written_flushes",
                        size=size(buffer["written_bytes"]),
                        flushes=buffer["flushes"],
                        lag=f"{buffer['flush_lag_ms']:.0f}",
                    ),
                ),
                (words("cli.evicted"), str(buffer["evicted_blocks"])),
                (words("cli.rejected"), str(buffer["rejected_blocks"])),
                (words("cli.damaged"), str(buffer["damaged_records"])),
                (words("cli.gaps"), gaps),
            ]
        ),
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0
