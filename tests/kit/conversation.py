"""One link's conversation in virtual time, from a file: what it says, what it hears, what it makes
of it.

    link   rtu baud=9600 timeout=300       rtu, ascii, tcp, dlt645, s7 or mixed; times are in ms;
                                           slow=1: a connection is made when a line says `made`;
                                           type=udp or listen, heartbeat=fe: other links than tcp;
                                           listen_only=1: another master asks, `<` is both sides
    device 7 every=1000                    a unit, a meter's digits, or a CPU's rack.slot
    reads  3:0:2 3:16:3                    Modbus: function, address, count; a row shows the first
    tags   02010100 DB1.DBW0:int16         the others: addresses, with their types where they need
    > 0    01 03 00 00 00 02 c4 0b         what we send, and when, to a tenth of a millisecond;
                                           a frame of ASCII as it is, without its CR LF
    < 20   01 03 04 00 01 00 02 2a 32      what is said to us; `lay`: while our thread may not run
    gone 30 104                            the connection ends, with an errno
    made   30                              a connection that was under way is
    dials  30                              the device of a link of type listen does, be it anew
    lost   30 2                            the kernel lost so many bytes of a serial port
    guest  30 0 03000a0002:4:8:9           somebody reads once, beside the plan, of device 0
    goes   90 0                            and does not want it any more: the first guest
    stop   30                              the loop is asked to end, and ends before the next line
    stuck  30 1                            the port takes no more bytes, with 0 it does again
    refuse 30 111                          what attempts to connect end with from then on; 0: not
    starved 900                            our thread has not run until then
    until 900                              nothing is sent up to then
    row    0 65538 10                      of a tick, the values or - and a quality, one a tag
    row    d2.0 -129                       of another group: they count from 1
    gap    3 2                             of a tick, the reason why it has no row
    books  requests=7 answers=6            counters of the link

`tests/stories` tells a story in the same words, with `group` in place of `reads`: a protocol, a
station's address, a period, and requests as words:parts:asked:answered, all bytes in hexadecimal.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drivers.api import DeviceSpec, Field, GroupPlan, LinkSpec, Request, Station, TagSpec
from drivers.dlt645.planner import known, plan_device, row_type
from drivers.dlt645.station import station_of as meter_of
from drivers.modbus.request import Read, request_of
from drivers.registry import get
from drivers.s7.station import station_of as cpu_of
from native.dlt645.protocol import PROTOCOL as METER
from native.engine.link import Link
from native.engine.rig import Rig
from native.modbus.table import PROTOCOLS
from native.rows.group import Group
from native.s7.protocol import PROTOCOL as CPU
from tests.kit.scans import Box

MS = 1_000_000
#: How exactly a file says when something is sent.
NEAR_MS = 0.06
LINES = ("rtu", "ascii", "dlt645", "mixed")
_PROTOCOLS = {**PROTOCOLS, "dlt645": METER, "s7": CPU}


def lines(path: Path) -> Iterator[tuple[str, str, list[str]]]:
    """Where each line stands, its first word, and the others."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        words = line.split("#")[0].split()
        if words:
            yield f"{path.name}:{number}", words[0], words[1:]


class Conversation:
    """The link of a file, and its other end."""

    def __init__(self, awaits: bool = False) -> None:
        self._awaits = awaits
        self._plans: list[tuple[Station, list[GroupPlan]]] = []
        self._device: tuple[str, int] = ("1", 1000)
        self._rows: dict[int, dict[int, list[str]]] | None = None
        self._gaps: dict[int, dict[int, int]] = {}
        self.guests: list[Group] = []

    # ---- what stands before the first word is said -----------------------------------------------

    def link_is(self, protocol: str, told: dict[str, str]) -> None:
        self.protocol = protocol
        more: dict[str, Any] = {"in_flight": int(told.pop("in_flight", "1"))}
        self._slow = told.pop("slow", "0") == "1"
        for name in ("timeout", "pause", "after_connect"):
            if name in told:
                more[f"{name}_ns"] = int(told.pop(name)) * MS
        baud = int(told.pop("baud", "9600" if protocol in LINES else "0"))
        kind: Any = told.pop("type", "tcp")
        if "listen_only" in told:
            more["listen_only"] = told.pop("listen_only") == "1"
        if "heartbeat" in told:
            more["heartbeat"] = bytes.fromhex(told.pop("heartbeat"))
        assert not told, f"no such key of a link: {told}"
        if baud:
            self.spec = LinkSpec("l", "serial", port="/dev/null", baud=baud, **more)
        else:
            self.spec = LinkSpec("l", kind, host="127.0.0.1", **more)

    def device_is(self, address: str, told: dict[str, str]) -> None:
        self._device = (address, int(told.pop("every", "1000")))
        assert not told, f"no such key of a device: {told}"

    def reads(self, words: list[str]) -> None:
        address, every = self._device
        wanted = [Read(*map(int, word.split(":"))) for word in words]
        kinds: list[Any] = ["uint32" if read.count == 2 else "uint16" for read in wanted]
        tags = tuple(TagSpec(f"t{i}", "", kind, every * MS) for i, kind in enumerate(kinds))
        fields = tuple(
            Field(i, 0, kind, "ABCD", 4 if kind == "uint32" else 2, -1)
            for i, kind in enumerate(kinds)
        )
        framing: Any = self.protocol
        requests = tuple(request_of(read, framing) for read in wanted)
        station = Station("d", _PROTOCOLS[framing], bytes([int(address)]))
        self._add(station, [GroupPlan("d", every * MS, tags, requests, fields, 0)])

    def tags(self, words: list[str]) -> None:
        address, every = self._device
        if self.protocol == "dlt645":
            tags = tuple(_meter_tag(word, every * MS) for word in words)
            device = DeviceSpec("d", self.spec, "dlt645", tags, own=(("meter", address),))
            self._add(meter_of(device), [*plan_device(device).groups])
            return
        pairs = [word.split(":") for word in words]
        kinds: list[Any] = [kind for _, kind in pairs]
        tags = tuple(
            TagSpec(f"t{i}", pairs[i][0], kind, every * MS) for i, kind in enumerate(kinds)
        )
        rack, slot = map(int, address.split("."))
        device = DeviceSpec("d", self.spec, "s7", tags, own=(("rack", rack), ("slot", slot)))
        station = Station("d", CPU, cpu_of(rack, slot)._replace(state_s=0).encode())
        self._add(station, [*get("s7").plan(device).groups])

    def group(self, protocol: str, address: str, every: str, words: list[str]) -> None:
        """A group as a story has it: a tag for the first byte of each part."""
        station = Station("d", _PROTOCOLS[protocol], bytes.fromhex(address))
        self._add(station, [_plan_of(words, int(every) * MS)])

    def guest(self, device: int, words: list[str]) -> None:
        """Somebody wants a single reading; a link that has no room for him is no fault."""
        self.guests.append(Group(0, _plan_of(words, 1000 * MS)))
        self.rig.welcome(device, self.guests[-1])

    def _add(self, station: Station, plans: list[GroupPlan]) -> None:
        for other, own in self._plans:
            if (other.protocol, other.address) == (station.protocol, station.address):
                own += plans
                return
        self._plans.append((station, plans))

    # ---- what is said ----------------------------------------------------------------------------

    def begin(self) -> None:
        """The link connects, and its first ticks are due."""
        self.box = Box([plan for _, plans in self._plans for plan in plans])
        groups = iter(self.box.groups)
        devices = [(station, [next(groups) for _ in plans]) for station, plans in self._plans]
        self.link = Link(self.spec, devices, in_flight=self.spec.in_flight)
        self.rig = Rig(self.link, awaits=self._awaits)
        self._start_ns = self.rig.now
        self.rig.slow(self._slow)
        self.rig.open()

    def ns(self, ms: str) -> int:
        return self._start_ns + round(float(ms) * MS)

    def at(self) -> float:
        """Milliseconds since the first tick."""
        return (self.rig.now - self._start_ns) / MS

    def rows(self, group: int) -> dict[int, list[str]]:
        """Of each tick the values, or "-" and a quality, joined."""
        if self._rows is None:
            self.rig.finish()
            self._rows = {}
            samples = self.box.seal()
            for number, one in enumerate(self.box.groups, 1):
                ticks = self.box.accounted(number)
                self._gaps[number] = {tick: reason for tick, reason in ticks if reason}
                columns = [
                    [s for s in samples if s.device == one.plan.device and s.tag == tag.name]
                    for tag in one.plan.tags
                ]
                self._rows[number] = {
                    tick: [_shown(column[at]) for column in columns]
                    for at, tick in enumerate(tick for tick, reason in ticks if not reason)
                }
        return self._rows[group]

    def gaps(self, group: int) -> dict[int, int]:
        """Of each tick without a row the reason."""
        self.rows(group)
        return self._gaps[group]


def _plan_of(words: list[str], period_ns: int) -> GroupPlan:
    """Requests as words:parts:asked:answered, with a tag for the first byte of each part."""
    requests = []
    for word in words:
        spec, parts, asked, answered = word.split(":")
        sizes = tuple(map(int, parts.split(",")))
        requests.append(Request(bytes.fromhex(spec), sizes, int(asked), int(answered)))
    count = sum(len(request.parts) for request in requests)
    tags = tuple(TagSpec(f"t{i}", "", "uint8", period_ns) for i in range(count))
    fields = tuple(Field(i, 0, "uint8", "ABCD", 1, -1) for i in range(count))
    return GroupPlan("d", period_ns, tags, tuple(requests), fields, 0)


def _bytes(words: list[str]) -> bytes:
    """Hexadecimal, or an ASCII frame from its colon on, whose CR LF is not written."""
    if words and words[0].startswith(":"):
        return words[0].encode() + b"\r\n"
    return bytes.fromhex("".join(words))


def _shown(sample: Any) -> str:
    return f"-{sample.quality}" if sample.value is None else str(sample.value)


def _meter_tag(text: str, every_ns: int) -> TagSpec:
    value = known(text)
    length = value.length if value.type == "string" else 0
    return TagSpec(text, text, row_type(value), every_ns, scale=value.scale, length=length)


_HEAD = {"link", "device", "reads", "tags", "group"}


def hold(path: Path, awaits: bool = False) -> None:
    """The conversation of a file. Raises AssertionError at the first line that goes otherwise."""
    talk = Conversation(awaits)
    begun = False
    for where, what, words in lines(path):
        if what in _HEAD:
            told = dict(word.split("=") for word in words[1:] if what in ("link", "device"))
            if what == "link":
                talk.link_is(words[0], told)
            elif what == "device":
                talk.device_is(words[0], told)
            elif what == "group":
                talk.group(words[0], words[1], words[2], words[3:])
            else:
                getattr(talk, what)(words)
            continue
        if not begun:
            talk.begin()
            begun = True
        _line(talk, where, what, words)


def _line(talk: Conversation, where: str, what: str, words: list[str]) -> None:
    """One line of what is said, or of what came of it."""
    if what == ">":
        wanted = _bytes(words[1:])
        sent = talk.rig.wait(talk.ns(words[0]) + 50_000, len(wanted))
        assert (sent.hex(" "), talk.at()) == (
            wanted.hex(" "), pytest.approx(float(words[0]), abs=NEAR_MS)
        ), where  # fmt: skip
    elif what == "row":
        group, _, tick = words[0].rpartition(".")
        found = talk.rows(int(group or 1))
        assert found.get(int(tick)) == words[1:], where
    elif what == "gap":
        group, _, tick = words[0].rpartition(".")
        assert talk.gaps(int(group or 1)).get(int(tick)) == int(words[1]), where
    elif what == "books":
        told = dict(word.split("=") for word in words)
        found_books = {**talk.link.snapshot(), "state": talk.link.state}
        assert {name: str(found_books[name]) for name in told} == told, where
    elif what in ("lay", "starved", "lost"):
        if what == "lay":
            talk.rig.lay(_bytes(words[1:]))
        elif what == "lost":
            talk.rig.lose(int(words[1]))
        else:
            talk.rig.starve(talk.ns(words[0]))
    else:
        # Conditions are there before what is due at the same time.
        early = 1 if what in ("refuse", "stuck") else 0
        assert talk.rig.wait(talk.ns(words[0]) - early) == b"", where
        _event(talk, where, what, words)


def _event(talk: Conversation, where: str, what: str, words: list[str]) -> None:
    """What happens at the other end, now."""
    if what == "<":
        talk.rig.feed(_bytes(words[1:]))
    elif what == "gone":
        talk.rig.hang_up(int(words[1]))
    elif what == "refuse":
        talk.rig.refuse(int(words[1]))
    elif what == "made":
        talk.rig.connected()
    elif what == "dials":
        talk.rig.dial()
    elif what == "guest":
        talk.guest(int(words[1]), words[2:])
    elif what == "goes":
        talk.rig.dismiss(talk.guests[int(words[1])])
    elif what == "stop":
        talk.rig.stop()
    elif what == "stuck":
        talk.rig.stick(words[1] == "1")
    else:
        assert what == "until", where
