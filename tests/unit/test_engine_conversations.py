"""The engine on conversations in virtual time: tests/engine/*.dat, byte by byte and to the tenth of
a millisecond. The rig has no wire and no clock, so nothing here waits.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from drivers.api import DeviceSpec, Field, GroupPlan, LinkSpec, TagSpec
from drivers.modbus.request import Read, request_of
from drivers.modbus.station import station_of
from native.engine.link import Link
from native.engine.rig import Rig
from tests.kit.scans import Box

FOLDER = Path(__file__).resolve().parent.parent / "engine"
SECOND, MS = 10**9, 1_000_000


class Conversation:
    """One link with one device, asked each second for the words of `reads`."""

    def __init__(self, framing: str, reads: list[Read], awaits: bool = False) -> None:
        told: Any = framing
        kinds: list[Any] = ["uint32" if read.count == 2 else "uint16" for read in reads]
        tags = tuple(TagSpec(f"t{i}", "holding:0", kind, SECOND) for i, kind in enumerate(kinds))
        fields = tuple(
            Field(i, 0, kind, "ABCD", 4 if kind == "uint32" else 2, -1)
            for i, kind in enumerate(kinds)
        )
        requests = tuple(request_of(read, told) for read in reads)
        plan = GroupPlan("d", SECOND, tags, requests, fields, 0)
        self.box = Box([plan])
        kind: Any = "tcp" if framing == "tcp" else "serial"
        spec = LinkSpec("l", kind, port="/dev/null", host="127.0.0.1", baud=9600)
        device = DeviceSpec("d", spec, "modbus", tags, 1, told)
        self.link = Link(spec, [(station_of(device), self.box.groups)])
        self.rig = Rig(self.link, awaits=awaits)
        self.start_ns = self.rig.now
        self.rig.open()

    def at(self) -> float:
        return (self.rig.now - self.start_ns) / MS

    def until(self, ms: float) -> bytes:
        return self.rig.wait(self.start_ns + round(ms * MS))

    def rows(self) -> dict[int, list[str]]:
        """Of each tick the values, or "-" and the quality of the first."""
        self.rig.finish()
        found: dict[int, list[str]] = {}
        samples = self.box.seal()
        ticks = [tick for tick, reason in self.box.accounted(1) if reason == 0]
        for tick, number in zip(ticks, range(len(ticks)), strict=True):
            own = [
                sample
                for tag in self.box.groups[0].plan.tags
                for sample in [[s for s in samples if s.tag == tag.name][number]]
            ]
            bad = next((sample for sample in own if sample.value is None), None)
            values = [cast("str", sample.value) for sample in own]
            found[tick] = values if bad is None else ["-", str(own[0].quality)]
        return found


def lines(path: Path) -> Iterator[tuple[str, str, list[str]]]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        words = line.split("#")[0].split()
        if words:
            yield f"{path.name}:{number}", words[0], words[1:]


@pytest.mark.parametrize("awaits", [False, True], ids=["in epoll", "in the read"])
@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.dat")), ids=lambda path: path.stem)
def test_conversation_when_held_in_virtual_time_then_goes_as_written(
    path: Path, awaits: bool
) -> None:
    framing, talk, rows = "", cast("Conversation", None), None
    for where, what, words in lines(path):
        if what == "link":
            framing = words[0]
        elif what == "reads":
            talk = Conversation(
                framing, [Read(*map(int, each.split(":"))) for each in words], awaits
            )
        elif what == ">":
            wanted = bytes.fromhex("".join(words[1:]))
            sent = talk.until(float(words[0]) + 0.05)
            assert sent.hex(" ") == wanted.hex(" "), where
            assert talk.at() == pytest.approx(float(words[0]), abs=0.06), where
        elif what == "<":
            assert talk.until(float(words[0])) == b"", where
            talk.rig.feed(bytes.fromhex("".join(words[1:])))
        elif what == "until":
            assert talk.until(float(words[0])) == b"", where
        elif what == "row":
            rows = rows or talk.rows()
            assert rows[int(words[0])] == words[1:], where
        else:
            assert what == "books", where
            found = talk.link.snapshot()
            assert {w.split("=")[0]: found[w.split("=")[0]] for w in words} == {
                w.split("=")[0]: int(w.split("=")[1]) for w in words
            }, where


def test_ticks_when_nobody_listens_then_are_all_accounted_and_good_again_when_somebody_does() -> (
    None
):
    talk = Conversation("tcp", [Read(3, 0, 2)])
    talk.rig.refuse(111)
    talk.rig.hang_up(104)
    assert talk.until(30_000) == b""
    talk.rig.refuse(0)
    asked = talk.until(35_000)  # it is tried again each three seconds
    assert 30_000 < talk.at() <= 34_000 and asked[7] == 3
    talk.rig.feed(asked[:4] + bytes.fromhex("0007 01 03 04 00 01 00 02"))
    rows = talk.rows()
    assert rows[max(rows)] == ["65538"]
    due, accounted = talk.box.groups[0].scanned()
    assert due == accounted >= 31
