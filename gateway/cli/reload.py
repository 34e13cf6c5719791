"""`jiahe reload`: the running daemon takes up what was changed, or refuses it, in words."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from gateway.cli.check import accepted
from gateway.cli.context import Context, complain
from gateway.control.client import ControlError

#: A daemon that stops in order and starts anew, on a slow box.
BACK_S_MAX = 60.0
LOOK_S = 0.1


def main(context: Context, options: argparse.Namespace) -> int:
    """0 once the daemon runs with the configuration as it is now."""
    if accepted(context) is None:
        return 1
    with context.connect() as client:
        before = client.call("status")["epoch"]
        answer = client.call("reload")
    if answer["state"] == "refused":
        complain(context.lang, answer["why"]["id"], **answer["why"]["args"])
        return 1
    if answer["state"] == "same":
        sys.stdout.write(context.words("daemon.reload_same") + "\n")
        return 0
    if (status := _back(context, before)) is None:
        complain(context.lang, "daemon.reload_not_back", seconds=int(BACK_S_MAX))
        return 1
    args = {"run": status["run"], "devices": len(status["devices"])}
    sys.stdout.write(context.words("cli.reloaded", **args) + "\n")
    return 0


def _back(context: Context, before: int) -> dict[str, Any] | None:
    """The status of the run that follows; None where there is none in time."""
    for _ in range(int(BACK_S_MAX / LOOK_S)):
        try:
            if (status := context.status())["epoch"] != before:
                return status
        except ControlError as error:
            if error.message not in ("daemon.not_running", "daemon.hung_up"):
                raise
        time.sleep(LOOK_S)
    return None
