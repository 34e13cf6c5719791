"""One serial line with devices of two drivers, in virtual time: whose turn it is, how much of the
line is used, and whose bytes these are.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from drivers import registry
from drivers.api import DeviceSpec, LinkSpec, NativeDriver
from drivers.dlt645.simulator import Meter
from drivers.dlt645.simulator.line import Line
from drivers.modbus.simulator.frames import Rtu, crc16
from gateway.config import load
from native.engine.link import Link
from native.engine.rig import Rig
from native.rows.group import Group, Pool
from tests.unit.test_config import HEAD

MS, SECOND = 1_000_000, 10**9
DRIVE_NS, METER_NS = 5 * MS, 20 * MS  # that a machine takes to answer
PARITY = ("none", "even", "odd")
BUS = '[links.com1]\ntype = "serial"\nport = "/dev/null"\nbaud = 9600\n'


def drive(unit: int, every: str) -> str:
    tags = 'tags = { a = { address = "holding:0", type = "uint16" } }'
    return f'[devices.drive{unit}]\nlink = "com1"\ndriver = "modbus"\nunit = {unit}\n' + (
        f'every = "{every}"\n{tags}\n'
    )


def meter(number: int, every: str, own: str = "", reads: int = 2) -> str:
    """With so many requests a scan."""
    names = ("02010100", "02030000", "02060000", "00010000")[:reads]
    tags = "tags = { " + ", ".join(f't{n} = {{ address = "{n}" }}' for n in names) + " }"
    return f'[devices.meter{number}]\nlink = "com1"\ndriver = "dlt645"\n{own}' + (
        f'meter = "{number:012}"\nevery = "{every}"\n{tags}\n'
    )


class World:
    """The machines of a configuration at the other end of its only line. Each understands its own
    baud and parity only, and none a request that comes before the line was silent for it.
    """

    def __init__(self, folder: Path, text: str) -> None:
        (folder / "gateway.toml").write_text(HEAD + text, "utf-8")
        loaded = load(folder / "gateway.toml")
        assert loaded.config is not None, loaded.problems
        self.devices = loaded.config.devices
        (spec,) = (link for link in loaded.config.links if link.name == "com1")
        pool, self.groups = Pool(), dict[str, Group]()
        stations = []
        for number, device in enumerate(self.devices):
            driver = registry.get(device.driver)
            assert isinstance(driver, NativeDriver)
            (plan,) = driver.plan(device).groups
            self.groups[device.name] = Group(number + 1, plan, pool)
            line = None if device.link == spec else device.link
            station = replace(driver.speaker().station(device), line=line)
            stations.append((station, [self.groups[device.name]]))
        self.link = Link(spec, stations)
        self.rig = Rig(self.link)
        self.begun = self.rig.now
        self.meters = Line(
            Meter(dict(device.own)["meter"])
            for device in self.devices if device.driver == "dlt645"
        )  # fmt: skip
        self.mute: set[str] = set()
        self.quiet_at = 0  # the last character was over
        self.spoke = spec  # the line as it was then
        self.wire_ns = 0  # that requests, answers and the silences between them need at least
        self.turns: list[str] = []
        self.rig.open()

    def run(self, seconds: float) -> None:
        until = self.begun + round(seconds * SECOND)
        while self.rig.now < until:
            sent = self.rig.wait(until)
            if sent:
                self.hear(sent)

    def hear(self, sent: bytes) -> None:
        device, answer, takes_ns = self.asked(sent)
        line = device.link
        baud, parity, stop_bits = self.rig.line
        assert (baud, PARITY[parity], stop_bits) == (line.baud, line.parity, line.stop_bits)
        silence_ns = max(quiet_ns(self.spoke), quiet_ns(line))
        assert self.rig.now - self.quiet_at >= silence_ns, "asked before the line was silent"
        if self.turns:
            self.wire_ns += silence_ns
        self.turns.append(device.name)
        ended = self.rig.now + len(sent) * line.char_ns
        self.quiet_at, self.spoke = ended, line
        if device.name in self.mute:
            return
        self.wire_ns += (len(sent) + len(answer)) * line.char_ns + takes_ns
        self.quiet_at = ended + takes_ns + len(answer) * line.char_ns
        assert self.rig.wait(self.quiet_at) == b"", "asked while a machine speaks"
        self.rig.feed(answer)

    def asked(self, sent: bytes) -> tuple[DeviceSpec, bytes, int]:
        if found := Rtu().split(bytearray(sent)):
            ((unit, _, pdu),) = found
            device = next(d for d in self.devices if d.driver == "modbus" and d.unit == unit)
            count = int.from_bytes(pdu[3:5], "big")
            answer = bytes([pdu[0], 2 * count]) + bytes([0, unit]) * count
            return device, Rtu().build(unit, 0, answer), DRIVE_NS
        ((_, answer),) = self.meters.hear(sent)
        address = answer[answer.index(0x68) + 1 :][:6][::-1].hex()
        own = next(d for d in self.devices if dict(d.own).get("meter") == address)
        return own, answer, METER_NS

    def scans(self) -> dict[str, int]:
        return {name: group.snapshot()["rows"] for name, group in self.groups.items()}

    def share(self) -> float:
        return self.wire_ns / (self.rig.now - self.begun)


def quiet_ns(link: LinkSpec) -> int:
    return link.char_ns * 7 // 2


def mixed(drives: Sequence[str], meters: Sequence[str], own: str = "") -> str:
    return BUS + "".join(
        [drive(i, every) for i, every in enumerate(drives, 1)]
        + [meter(i, every, own) for i, every in enumerate(meters, 1)]
    )


@pytest.mark.parametrize("own", ["", 'baud = 2400\nparity = "even"\n'])
def test_bus_when_two_protocols_ask_more_than_it_carries_then_it_is_full_and_all_as_slow(
    tmp_path: Path, own: str
) -> None:
    world = World(tmp_path, mixed(["100 ms"] * 4, ["100 ms"] * 4, own))
    world.run(60)
    assert world.share() >= 0.97
    scans = world.scans()
    assert min(scans.values()) >= 30
    assert max(scans.values()) - min(scans.values()) <= 2


def assert_as_slow(world: World, seconds: int) -> None:
    factors = {
        name: seconds * SECOND / group.plan.period_ns / group.snapshot()["rows"]
        for name, group in world.groups.items()
    }
    assert min(factors.values()) > 1.2
    assert max(factors.values()) / min(factors.values()) < 1.05, factors


def test_bus_when_periods_differ_beyond_what_it_carries_then_all_are_slower_by_the_same_factor(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, mixed(["40 ms", "400 ms"], ["200 ms", "2 s"]))
    world.run(120)
    assert world.share() >= 0.97
    assert_as_slow(world, 120)


def test_bus_when_long_scans_take_turns_beyond_what_it_carries_then_a_shorter_period_is_no_slower(
    tmp_path: Path,
) -> None:
    """Of the long scans one has always begun: others begin between them all the same."""
    world = World(
        tmp_path,
        BUS + drive(1, "20 ms") + meter(1, "500 ms", "", 1)
        + "".join(meter(i, "1 s", "", i) for i in (2, 3, 4)),
    )  # fmt: skip
    world.run(120)
    assert_as_slow(world, 120)


def test_bus_when_there_is_room_then_a_long_scan_costs_a_short_period_no_tick(
    tmp_path: Path,
) -> None:
    """Forty requests, a second and a half in a row, beside a device that is wanted each 150 ms."""
    apart = ", ".join(
        f'a{i} = {{ address = "holding:{300 * i}", type = "uint16" }}' for i in range(40)
    )
    long = drive(2, "10 s").replace(
        'a = { address = "holding:0", type = "uint16" }', apart
    )  # fmt: skip
    world = World(tmp_path, BUS + drive(1, "150 ms") + long)
    world.run(60)
    assert world.groups["drive1"].snapshot()["skipped"] == {}
    assert world.scans() == {"drive1": 401, "drive2": 6}


def test_bus_when_the_overload_is_over_then_deadlines_rule_again(tmp_path: Path) -> None:
    """A mute device takes its neighbours' time; when it answers again nobody is owed any of it."""
    world = World(tmp_path, mixed(["60 ms", "60 ms"], ["250 ms"]))
    world.run(30)
    before = world.scans()
    world.mute = {"drive1"}
    world.run(60)
    world.mute = set()
    world.run(90)
    late = world.scans()
    world.run(120)
    after = world.scans()
    for name, first in before.items():
        assert after[name] - late[name] == pytest.approx(first, abs=0.05 * first), name


def test_late_answer_of_a_meter_when_a_drive_is_asked_then_each_has_its_own(
    tmp_path: Path,
) -> None:
    """The meter's frame comes behind its time-out, in the turn of the drive, before its answer."""
    world = World(tmp_path, mixed(["1 s"], ["1 s"]))
    world.run(0.9)
    turns = Counter(world.turns)
    late, drives = b"", 0
    until = world.begun + 1900 * MS
    while world.rig.now < until:
        sent = world.rig.wait(until)
        if not sent:
            continue
        device, answer, _ = world.asked(sent)
        if device.driver == "dlt645":
            late = answer
            continue
        drives += 1
        assert world.rig.wait(world.rig.now + 30 * MS) == b""
        world.rig.feed(late)
        assert world.rig.wait(world.rig.now + 10 * MS) == b""
        world.rig.feed(answer)
    assert turns["meter1"] and drives
    found = {each["name"]: each for each in world.link.devices()}
    assert found["drive1"]["timeouts"] == found["drive1"]["damaged"] == 0
    assert world.link.snapshot()["late"] == 1
    assert world.groups["drive1"].snapshot()["rows"] == 2


def test_meter_when_bytes_of_its_answer_look_like_a_request_of_the_other_protocol_then_is_read(
    tmp_path: Path,
) -> None:
    """One frame in some thousands holds eight bytes that pass the check of a Modbus request: they
    are its data.
    """
    world = World(tmp_path, mixed(["1 s"], ["1 s"]))
    looks = 0
    while world.rig.now < world.begun + 3 * SECOND:
        if not (sent := world.rig.wait(world.begun + 3 * SECOND)):
            continue
        device, answer, _ = world.asked(sent)
        if device.driver == "dlt645" and b"\x34\x34\x35" in sent:
            head = answer[answer.index(0x68) :][:14]
            frame = head + struct.pack("<H", crc16(head[8:]))
            frame += bytes([sum(frame) & 255, 0x16])
            world.rig.feed(frame[:16])
            assert world.rig.wait(world.rig.now + 5 * MS) == b""
            world.rig.feed(frame[16:])
            looks += 1
        else:
            world.rig.feed(answer)
    assert looks == 3
    found = {each["name"]: each for each in world.link.devices()}
    assert found["meter1"]["timeouts"] == found["meter1"]["damaged"] == 0
    assert world.groups["meter1"].snapshot()["rows"] == 3
