"""`jiahe buffer`: what waits on the disk, and what was lost of it."""

from __future__ import annotations

import argparse
import sys

from gateway.amounts import ago, duration, percent, size
from gateway.cli.context import Context
from gateway.cli.status import warn
from gateway.cli.table import facts
from gateway.report.snapshot import BufferSnapshot

_REASONS = {
    "overrun": "gap.overrun",
    "device_silent": "gap.device_silent",
    "link_down": "gap.link_down",
    "replanned": "gap.replanned",
    "memory_full": "gap.memory_full",
    "evicted_oldest": "gap.evicted_oldest",
    "refused_newest": "gap.refused_newest",
    "expired": "gap.expired",
    "damaged": "gap.damaged",
    "crash": "gap.crash",
    "rejected": "gap.rejected",
    "platform_lost": "gap.platform_lost",
    "box_forgot": "gap.box_forgot",
    "dropped": "gap.dropped",
}


def main(context: Context, options: argparse.Namespace) -> int:
    if options.action is not None:
        from gateway.cli import leave  # here: `jiahe buffer` should not wait for what it needs not

        return leave.main(context, options)
    return _show(context)


def _show(context: Context) -> int:
    snapshot = context.status()
    buffer: BufferSnapshot = snapshot["buffer"]
    if context.json:
        context.show_json(buffer)
        return 0
    words = context.words
    uptime = duration(snapshot["uptime_s"], context.lang)
    share = buffer["bytes"] / buffer["max_bytes"] if buffer["max_bytes"] else 0.0
    states = {"ok": "cli.buffer_ok", "no_space": "cli.buffer_no_space"}
    state = states.get(buffer["state"], "cli.buffer_memory")
    gaps = [f"{_reason(context, each)} {count}" for each, count in buffer["gaps"].items()]
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
                (
                    words("cli.oldest"),
                    ago(buffer["oldest_s"], context.lang)
                    if buffer["oldest_s"] is not None
                    else "-",
                ),
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
                (words("cli.gaps"), ", ".join(gaps) or "0"),
                (words("cli.counted"), words("cli.counted_since", uptime=uptime)),
            ]
        ),
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _reason(context: Context, reason: str) -> str:
    """Why a gap is; a reason of another version as it is."""
    return context.words(_REASONS[reason]) if reason in _REASONS else reason
