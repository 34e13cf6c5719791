"""Bugs that the stories must find: a second build of the native floor, outside of the product.

    python -m tests.stories.planted

A copy of native/ in build/planted, in which a macro decides whether a line does what it should or
what a bug would make of it; the environment's JIAHE_PLANTED says which bug, and 0 none. Prints for
each the first story that finds it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "build" / "planted"
#: Within so many stories each is found.
ENOUGH = 1000


class Planted(NamedTuple):
    name: str
    file: str  # below native/
    right: str  # stands there once
    wrong: str  # in which PLANTED is true for this bug


BUGS = (
    Planted(
        "an answer that is late is forgotten",
        "modbus/line.pyx",
        "    give_up(s, u, own, now)\n    return False",
        "    if not PLANTED: give_up(s, u, own, now)\n    return False",
    ),
    Planted(
        "an answer is taken by order, not by its id",
        "modbus/tcp.pyx",
        "0 if s.head.single and n else flight_of(",
        "0 if (s.head.single or PLANTED) and n else flight_of(",
    ),
    Planted(
        "a CRC is not looked at",
        "modbus/codec.pyx",
        "    return p[n - 2] == (crc & 0xFF)",
        "    return PLANTED or p[n - 2] == (crc & 0xFF)",
    ),
    Planted(
        "an LRC is not looked at",
        "modbus/codec.pyx",
        "or lrc_of(frame.text, size) != 0:",
        "or (not PLANTED and lrc_of(frame.text, size) != 0):",
    ),
    Planted(
        "the sum of a meter's frame is not looked at",
        "dlt645/codec.pyx",
        "or p[start + length - 2] != sum_of(p + start, length - 2):",
        "or (not PLANTED and p[start + length - 2] != sum_of(p + start, length - 2)):",
    ),
    Planted(
        "the identifier in a meter's answer is not looked at",
        "dlt645/codec.pyx",
        "if <uint8_t>(frame.body[i] - 0x33) != ask.id[i]:",
        "if not PLANTED and <uint8_t>(frame.body[i] - 0x33) != ask.id[i]:",
    ),
    Planted(
        "the reference of an S7 answer is not looked at",
        "s7/stream.pyx",
        "if reference_of(&open_[i]) == reference:",
        "if PLANTED or reference_of(&open_[i]) == reference:",
    ),
    Planted(
        "a row begins with what the last one had",
        "engine/scan.pyx",
        "    memset(row_status(m.scan.layout.scratch), BAD_NOT_ASKED, <size_t>s.layout.part_count)",
        "    if not PLANTED: memset(row_status(m.scan.layout.scratch), BAD_NOT_ASKED,"
        " <size_t>s.layout.part_count)",
    ),
    Planted(
        "what was not answered is good",
        "engine/answer.pyx",
        "        mark_all(&f, BAD_NO_ANSWER)",
        "        mark_all(&f, 1 if PLANTED else BAD_NO_ANSWER)",
    ),
    Planted(
        "a row behind a gap is of the tick before",
        "rows/store.pyx",
        "    (<row_t *>row).tick = tick",
        "    (<row_t *>row).tick = tick - (1 if PLANTED and s.gap_count else 0)",
    ),
    Planted(
        "a tick before a row is taken for the row's",
        "engine/machine.pyx",
        "        group_skip(m.g, tick, GAP_DEVICE_SILENT)\n    group_overrun(m.g, tick)",
        "        if not PLANTED: group_skip(m.g, tick, GAP_DEVICE_SILENT)\n"
        "    if not PLANTED: group_overrun(m.g, tick)",
    ),
    Planted(
        "a scan that ran past the next tick is the group's last",
        "engine/scan.pyx",
        "        l.shell.ended_count += 1",
        "        l.shell.ended_count += 0 if PLANTED else 1",
    ),
    Planted(
        "a silent device is never asked again",
        "engine/scan.pyx",
        "d.wait_until > now else now + d.backoff_ns",
        "d.wait_until > now else now + d.backoff_ns * (1000000 if PLANTED else 1)",
    ),
    Planted(
        "a connection that failed is never made again",
        "engine/scan.pyx",
        "l.conn.reopen_at = now + jitter(l, l.conn.backoff_ns)",
        "l.conn.reopen_at = now + jitter(l, l.conn.backoff_ns) * (1000000 if PLANTED else 1)",
    ),
    Planted(
        "a request that was busy once is never sent again",
        "engine/aside.pyx",
        "r.skip_until = now + BUSY_FOR",
        "r.skip_until = now + BUSY_FOR * (1000000 if PLANTED else 1)",
    ),
    Planted(
        "a refusal by noise sets a request aside for long",
        "engine/aside.pyx",
        "if r.answered or r.field_count > 1:",
        "if not PLANTED and (r.answered or r.field_count > 1):",
    ),
    Planted(
        "the silence after damage is not waited for by anybody",
        "engine/ask.pyx",
        "            due = min(l.bus.settle_until,",
        "            due = NEVER if PLANTED else min(l.bus.settle_until,",
    ),
    Planted(
        "a line is not listened to for too long",
        "engine/frames.pyx",
        "await_rest(&l.bus, t.at_least, now)",
        "await_rest(&l.bus, t.at_least * (1000 if PLANTED else 1), now)",
    ),
    Planted(
        "on a mixed line bytes of one protocol are thrown away by another",
        "engine/frames.pyx",
        "        if found == FOREIGN_REQUEST or (found",
        "        if (PLANTED and found != MORE) or found == FOREIGN_REQUEST or (found",
    ),
    Planted(
        "the rest of a cut datagram stays in front of the next",
        "engine/machine.pyx",
        "    if l.port.kind == DATAGRAM:",
        "    if l.port.kind == DATAGRAM and not PLANTED:",
    ),
    Planted(
        "an answer that lost bytes is filled up with the next",
        "engine/stream.pxd",
        "    if follows and behind >= s.sure:",
        "    if PLANTED or (follows and behind >= s.sure):",
    ),
    Planted(
        "on a mixed line the first protocol has every turn",
        "engine/frames.pyx",
        "    return l.flights.open[0].station.session if l.flights.count else l.sessions[0]",
        "    return l.sessions[0] if PLANTED or not l.flights.count else"
        " l.flights.open[0].station.session",
    ),
    Planted(
        "what another master is owed is forgotten",
        "modbus/overhear.pyx",
        "        owe(l, u, &h(l).heard, h(l).heard_at)",
        "        if not PLANTED: owe(l, u, &h(l).heard, h(l).heard_at)",
    ),
    Planted(
        "a stall of ours is taken for a silence of the line",
        "modbus/overhear.pyx",
        "    if now - empty_at > STALLED:",
        "    if now - empty_at > STALLED and not PLANTED:",
    ),
    Planted(
        "bytes that the kernel lost are not asked for",
        "modbus/overhear.pyx",
        "and line.overrun != h(l).overruns:",
        "and line.overrun != h(l).overruns and not PLANTED:",
    ),
    Planted(
        "a device that dials in anew waits until the old connection ends",
        "engine/machine.pyx",
        "or l.draining or not dial_waits(l.port):",
        "or l.draining or not dial_waits(l.port) or (PLANTED and l.conn.state == UP):",
    ),
    Planted(
        "the last tick before a stop is forgotten",
        "engine/machine.pyx",
        "        upto = tick_at(m.g, stopped) + 1",
        "        upto = tick_at(m.g, stopped) + (0 if PLANTED else 1)",
    ),
    Planted(
        "a guest is asked again each period",
        "engine/ticking.pxd",
        "    if m.scan.awaited or index >= l.resident_count:",
        "    if m.scan.awaited or (index >= l.resident_count and not PLANTED):",
    ),
    Planted(
        "a heartbeat is taken though an answer may begin with it",
        "engine/frames.pyx",
        "        if may_begin(l, l.input.bytes + at[0], n):\n"
        "            return False\n        size",
        "        if not PLANTED and may_begin(l, l.input.bytes + at[0], n):\n"
        "            return False\n        size",
    ),
    Planted(
        "a heartbeat is left in the stream",
        "engine/frames.pyx",
        "        at[0] += <size_t>size\n        l.port.swallowed += 1",
        "        if PLANTED: return False\n"
        "        at[0] += <size_t>size\n        l.port.swallowed += 1",
    ),
    Planted(
        "an answer is counted twice",
        "engine/answer.pyx",
        "    l.counts.answers += 1",
        "    l.counts.answers += 2 if PLANTED else 1",
    ),
)  # fmt: skip

_MACRO = '''
cdef extern from *:
    """
    #ifndef PLANTED_BUGS
    #define PLANTED_BUGS
    #include <stdlib.h>
    static inline int is_planted(int bug)
    {
        const char *which = getenv("JIAHE_PLANTED");
        return which != NULL && atoi(which) == bug;
    }
    #endif
    #define PLANTED_%d is_planted(%d)
    """
    bint PLANTED_%d
'''


def plant() -> dict[str, str]:
    """The files below native/ that have bugs, with them. Raises ValueError where a line that they
    change is not there, or twice.
    """
    texts: dict[str, str] = {}
    for number, bug in enumerate(BUGS, 1):
        text = texts.get(bug.file) or (ROOT / "native" / bug.file).read_text("utf-8")
        if text.count(bug.right) != 1:
            raise ValueError(f"{bug.file} has {text.count(bug.right)} times: {bug.right}")
        text = text.replace(bug.right, bug.wrong.replace("PLANTED", f"PLANTED_{number}"))
        texts[bug.file] = text + _MACRO % (number, number, number)
    return texts


def build() -> None:
    """Bring build/planted up to date: what has no bug is taken as it was built, the rest compiled.
    Raises CalledProcessError.
    """
    planted = plant()
    own = {name.partition(".")[0] for name in planted}  # what is made of them is made here
    is_copied = False
    for folder in ("native", "tests/stories"):
        for source in (ROOT / folder).rglob("*"):
            place = BUILD / source.relative_to(ROOT)
            name = str(source.relative_to(ROOT / "native")) if folder == "native" else ""
            if source.is_dir() or "__pycache__" in source.parts:
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            if name in planted:
                if not place.exists() or place.read_text("utf-8") != planted[name]:
                    place.write_text(planted[name], "utf-8")
            elif name.partition(".")[0] in own and source.suffix in (".c", ".so"):
                continue
            elif not place.exists() or place.stat().st_mtime < source.stat().st_mtime:
                shutil.copy2(source, place)
                is_copied = True
    for name in planted:
        if is_copied and name.endswith(".pxd"):
            (BUILD / "native" / name).touch()  # what was copied and includes it has no bug yet
    (BUILD / "tests" / "__init__.py").touch()
    for name in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copy2(ROOT / name, BUILD / name)
    subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace"],
        cwd=BUILD, env={**os.environ, "JIAHE_TESTS": "1"}, check=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def find(number: int, count: int = ENOUGH) -> str:
    """What the stories say of bug `number`, 0 for none at all: the first that breaks, or ""."""
    code = (
        "import sys; sys.path.insert(0, '.'); from tests.stories.run import run\n"
        f"broken = next(run(0, {count}), None)\n"
        "print('' if broken is None else f'story {broken.seed}: {broken.what}')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=BUILD, check=True, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "JIAHE_PLANTED": str(number)},
    )  # fmt: skip
    return done.stdout.strip()


def main() -> int:
    build()
    for number in range(len(BUGS) + 1):
        name = BUGS[number - 1].name if number else "none"
        sys.stdout.write(f"{name}: {find(number) or 'nothing is broken'}\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
