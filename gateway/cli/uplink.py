"""`jiahe uplink`: the stream to the platform."""

from __future__ import annotations

import argparse
import sys

from gateway.amounts import ago, duration, size
from gateway.cli.context import Context
from gateway.cli.status import budget_now, round_trip, uplink_state, warn, way_now
from gateway.cli.table import facts
from gateway.plain import plain
from gateway.report.snapshot import UplinkSnapshot


def main(context: Context, options: argparse.Namespace) -> int:
    uplink: UplinkSnapshot = context.status()["uplink"]
    if context.json:
        context.show_json(uplink)
        return 0
    words, lang = context.words, context.lang
    since = words("cli.since", age=duration(uplink["since_s"], lang))
    pairs = [
        (words("cli.platform"), plain(uplink["address"])),
        (words("cli.state"), f"{uplink_state(context, uplink)}  {since}"),
        (words("cli.last_ack"), ago(uplink["last_ack_s"], lang)),
        (words("cli.round_trip"), round_trip(uplink["round_trip_ms"])),
        (
            words("cli.sent"),
            words("cli.blocks_size", blocks=uplink["sent_blocks"], size=size(uplink["sent_bytes"])),
        ),
        (words("cli.resent"), str(uplink["resent_blocks"])),
        (words("cli.acked"), str(uplink["acked_blocks"])),
        (words("cli.in_flight"), str(uplink["in_flight_blocks"])),
        (words("cli.backlog"), _backlog(context, uplink)),
        (words("cli.rejected"), str(uplink["rejects"])),
        (words("cli.connects"), str(uplink["connects"])),
    ]
    for way in uplink["ways"]:
        pairs.append((words("cli.way"), way_now(context, way)))
        if (own := way["budget"]) and not way["used"]:
            pairs.append((words("cli.budget"), budget_now(context, own)))
    if budget := uplink["budget"]:
        pairs.append((words("cli.budget"), budget_now(context, budget)))
        if budget["lasts_s"] is not None:
            lasts = duration(budget["lasts_s"], lang)
            pairs.append((words("cli.budget_lasts"), words("cli.budget_lasts_for", lasts=lasts)))
    if uplink["retry_in_s"] is not None:
        pairs.insert(2, (words("cli.retry_in"), duration(uplink["retry_in_s"], lang)))
    troubles = [*([uplink["cause"]] if uplink["cause"] else []), *uplink["warnings"]]
    lines = [*(warn(context, said) for said in troubles), *facts(pairs)]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _backlog(context: Context, uplink: UplinkSnapshot) -> str:
    blocks, budget = uplink["backlog_blocks"], uplink["budget"]
    if blocks and budget and budget["holding_backlog"]:
        return context.words("cli.backlog_held", blocks=blocks)
    return str(blocks)
