"""Three machines, an outage of ten seconds, a SIGKILL, and the books. Exit 0: missing 0, twice 0.

python -m demo [FOLDER]    FOLDER keeps configuration, logs, store and books for a look
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from demo.stage import Stage
from demo.table import Figures, late_of, table
from demo.words import words
from tests.kit.books import read_sampled, read_stored
from tests.kit.ledger import check
from tests.kit.rig import BIN, StepError, wait_for

BEFORE_S, OUTAGE_S, AFTER_S, RESTARTED_S = 6, 10, 4, 5


class Story:
    """Says what happens, with the time since the start."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._tick = threading.Event()

    def say(self, english: str, **args: object) -> None:
        told = words(english, **args)
        sys.stdout.write(f"{time.monotonic() - self._start:5.1f} s  {told}\n")
        sys.stdout.flush()

    def let_run(self, seconds: float) -> None:
        self._tick.wait(seconds)


def _is_drained(made: Stage) -> bool:
    status = made.status()
    return (
        status is not None
        and status["uplink"]["state"] == "connected"
        and status["uplink"]["backlog_blocks"] == 0
    )


def _is_scanning(made: Stage) -> bool:
    status = made.status()
    return status is not None and status["counters"]["acked_scans"] > 0


def _status(made: Stage) -> dict[str, Any]:
    status = made.status()
    if status is None:
        raise StepError("the daemon does not answer, see daemon.log")
    return status


def play(made: Stage, story: Story) -> tuple[list[dict[str, Any]], float]:
    """The story; returns the last status of each run of the daemon, and the seconds they ran."""
    runs, wall_s = [], 0.0
    begun = time.monotonic()
    made.start_daemon()
    wait_for("first acknowledgement", lambda: _is_scanning(made))
    story.say("daemon up: robot 10 ms, CNC 100 ms, 5 meters on RS-485 (one is off)")
    story.let_run(BEFORE_S)
    written = _status(made)["buffer"]["written_bytes"]
    story.say("all acknowledged; written to flash so far: {written:,} bytes", written=written)
    made.relay.cut()
    story.say("uplink cut for {seconds} s: the box keeps everything on disk", seconds=OUTAGE_S)
    story.let_run(OUTAGE_S)
    backlog = _status(made)["uplink"]["backlog_blocks"]
    made.relay.mend()
    story.say("uplink back; {blocks} blocks wait", blocks=backlog)
    wait_for("backlog", lambda: _is_drained(made))
    story.say("backlog delivered, live data went first")
    story.let_run(AFTER_S)
    runs.append(_status(made))
    made.stop_daemon(signal.SIGKILL)
    wall_s += time.monotonic() - begun
    story.say("daemon killed with SIGKILL, started again")
    begun = time.monotonic()
    made.start_daemon()
    wait_for("first acknowledgement", lambda: _is_scanning(made))
    story.let_run(RESTARTED_S)
    wait_for("backlog", lambda: _is_drained(made))
    runs.append(_status(made))
    wall_s += time.monotonic() - begun
    if made.stop_daemon() != 0:
        raise StepError("the daemon did not stop cleanly, see daemon.log")
    story.say("daemon stopped cleanly; comparing the books")
    return runs, wall_s


def _is_read(run: dict[str, Any], name: str) -> bool:
    """Whether all of a device is read, and no request of it was without an answer."""
    (device,) = (each for each in run["devices"] if each["name"] == name)
    return device["state"] == "good" and device["requests"] > 0 and device["timeouts"] == 0


def _audit(folder: Path) -> dict[str, Any]:
    """What the receiver's own audit says; its `missing` must be 0 too."""
    program, store = str(BIN / "jiahe-ingest"), f"sqlite:{folder / 'store.db'}"
    command = [program, "audit", "--store", store, "--json"]
    found = subprocess.run(command, check=True, capture_output=True, timeout=60)
    audit: dict[str, Any] = json.loads(found.stdout)
    return audit


def demonstrate(folder: Path) -> int:
    """0 when the books agree."""
    story = Story()
    story.say("starting simulators, receiver and daemon in {folder}", folder=folder)
    with Stage(folder) as made:
        runs, wall_s = play(made, story)
        up, down = made.relay.bytes_up, made.relay.bytes_down
    report = check(
        read_sampled(folder / "sampled"),
        read_stored(folder / "store.db"),
    )
    epochs = _audit(folder)["epochs"]
    figures = Figures(
        samples=sum(epoch["samples"] for epoch in epochs),
        bytes_up=up,
        bytes_down=down,
        daemon_cpu_s=sum(run["cpu_s"] for run in runs),
        daemon_wall_s=wall_s,
        rss_bytes=max(run["rss_bytes"] for run in runs),
        duplicates=sum(epoch["duplicates"] for epoch in epochs),
        late=late_of(runs[0], ("robot", "cnc")),
    )
    if not _is_read(runs[-1], "meter-5"):  # no book counts its answers
        report.violations.append(words("meter-5, by DL/T 645 on the same line, was not read"))
    missing = report.missing + sum(epoch["missing"] for epoch in epochs)
    sys.stdout.write("\n" + table(report, figures) + "\n\n")
    for violation in report.violations:
        sys.stdout.write(words("NOT RIGHT: {violation}", violation=violation) + "\n")
    if missing or report.twice or report.violations:
        sys.stdout.write(words("The books do not agree. Look into {folder}", folder=folder) + "\n")
        return 1
    good = "Nothing missing, nothing twice: every answer is stored once or announced."
    sys.stdout.write(words(good) + "\n")
    return 0


def main() -> int:
    """The command."""
    kept = Path(sys.argv[1]).absolute() if len(sys.argv) > 1 else None
    folder = kept or Path(tempfile.mkdtemp(prefix="jiahe-demo-"))
    try:
        result = demonstrate(folder)
    except StepError as error:
        sys.stdout.write(words("The demonstration stopped: {error}", error=error) + "\n")
        sys.stdout.write(words("Logs are in {folder}", folder=folder) + "\n")
        return 1
    if kept is None and result == 0:
        shutil.rmtree(folder)
    return result


if __name__ == "__main__":
    sys.exit(main())
