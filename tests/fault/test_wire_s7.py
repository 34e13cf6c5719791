"""The native loop on an S7 link: values, refusals, and a CPU that goes and comes. More of what a
CPU may do is in tests/unit/test_s7_link.py, in virtual time.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from drivers import api
from drivers.api import DeviceSpec, LinkSpec, TagSpec
from drivers.s7.address import parse
from drivers.s7.planner import Limits, plan_device
from drivers.s7.simulator import SimTag, Simulator
from drivers.s7.simulator.values import STEPS, value
from drivers.s7.station import Station, station_of
from drivers.s7.stretch import Stretch
from gateway.config import load
from gateway.scanning import Scanning
from native.block.latest import latest
from native.block.seal import Sealer
from native.engine.link import Link
from native.engine.loop import Loop
from native.rows.group import Group
from native.s7.protocol import PROTOCOL
from tests.kit.rig import Program
from tests.kit.s7_client import Client

GOOD, REFUSED = 1, 133
PERIOD_NS, TIMEOUT_NS = 20_000_000, 100_000_000
LOOKS, LOOK_S = 600, 0.01

#: No two of them ever show the same value, but for 0.
TAGS = [
    SimTag("speed", parse("DB12.DBD4"), "float32"),
    SimTag("level", parse("DB12.DBW8"), "uint16"),
    SimTag("name", parse("DB12.DBB10"), "string", 20),
    SimTag("total", parse("MD24"), "int32"),
    SimTag("far", parse("DB900.DBB600"), "int64"),
    SimTag("timer", parse("T5"), "s5time"),
]
SHOWN = {tag.name: {value(tag, n) for n in range(STEPS)} for tag in TAGS}


class Plant:
    """One link to one CPU, and what was read of it; the loop has those of `others` as well."""

    def __init__(
        self, port: int, *, called: Station | None = None, pdu: int = 240,
        others: Sequence[Plant] = (),
    ) -> None:  # fmt: skip
        spec = LinkSpec(
            "cell4", "tcp", host="127.0.0.1", tcp_port=port, timeout_ns=TIMEOUT_NS, in_flight=8
        )
        tags = tuple(
            TagSpec(t.name, str(t.address), t.type, PERIOD_NS, length=t.length)  # type: ignore[arg-type]
            for t in TAGS
        )
        device = DeviceSpec("plc", spec, "s7", tags)
        (plan,) = plan_device(device, Limits(pdu=pdu)).groups
        self.group = Group(1, plan)
        address = (called or station_of(0, 1)).encode()
        station = api.Station("plc", PROTOCOL, address)
        self.link = Link(spec, [(station, [self.group])])
        self.loop = Loop([self.link, *(other.link for other in others)])

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = Thread(target=self.loop.run, name="scan")
        thread.start()
        try:
            yield
        finally:
            self.loop.stop()
            thread.join()

    def row(self) -> dict[str, tuple[Any, int]]:
        """Value and quality of each tag, newest row; every good one is its own tag's."""
        found = latest(self.group)
        if found is None:
            return {}
        row = dict(zip((tag.name for tag in TAGS), found[1], strict=True))
        for name, (raw, quality) in row.items():
            assert quality != GOOD or raw in SHOWN[name], f"{name} shows {raw}"
        return row

    def all_good(self) -> bool:
        row = self.row()
        return bool(row) and all(quality == GOOD for _, quality in row.values())

    def until(self, enough: Callable[[], bool]) -> None:
        pause = Event()
        for _ in range(LOOKS):
            if enough():
                return
            pause.wait(LOOK_S)
        raise AssertionError(f"{self.row()} {self.link.snapshot()}")


def test_shown_values_when_of_two_tags_then_never_the_same() -> None:
    shown = [set(map(str, values - {0})) for values in SHOWN.values()]
    assert sum(map(len, shown)) == len(set().union(*shown))


@pytest.mark.parametrize("fault", ["", "fragment 19", "split 3", "bare", "fill", "jobs 1"])
def test_values_when_the_cpu_answers_in_any_form_then_good_and_true(fault: str) -> None:
    with Simulator(TAGS) as sim:
        if fault:
            sim.command(fault)
        plant = Plant(sim.port)
        with plant.running():
            plant.until(plant.all_good)
            moved = plant.row()["speed"]
            plant.until(lambda: plant.all_good() and plant.row()["speed"] != moved)
            assert sim.command("stats").endswith("connections=1")


def test_values_when_a_block_is_optimised_then_those_of_others_stay_good() -> None:
    with Simulator(TAGS) as sim:
        sim.command("optimised 12")
        plant = Plant(sim.port)
        with plant.running():
            plant.until(lambda: bool(plant.row()) and plant.row()["total"][1] == GOOD)
            row = plant.row()
            assert {name for name, (_, q) in row.items() if q == GOOD} == {"total", "far", "timer"}
            assert {q for _, q in row.values()} == {GOOD, REFUSED}
            sim.command("clear")
            plant.until(plant.all_good)


def test_link_when_the_cpu_goes_and_comes_back_then_good_again_and_other_links_lose_nothing() -> (
    None
):
    with Simulator(TAGS) as sim, Simulator(TAGS) as beside:
        other = Plant(beside.port)
        plant = Plant(sim.port, others=[other])
        with plant.running():
            plant.until(plant.all_good)
            for _ in range(3):
                sim.command("close")
                plant.until(lambda: not plant.all_good() or plant.link.state != "up")
                sim.command("open")
                plant.until(lambda: plant.link.state == "up" and plant.all_good())
            sim.command("mute")
            plant.until(lambda: not plant.all_good())
            sim.command("clear")
            plant.until(plant.all_good)
            assert sim.command("stats").endswith("connections=1")
    shown, gone = other.group.snapshot(), plant.group.snapshot()
    assert sum(gone["skipped"].values()) > 0
    assert shown["skipped"].keys() <= {"overrun"}, "this machine may stand still for a tick"
    assert shown["rows"] > 0.9 * shown["ticks"] > 45
    assert (counts := other.link.snapshot())["timeouts"] == 0 and counts["reconnects"] == 0


CONFIG = """version = 1
[gateway]
id = "box"
[platform]
address = "127.0.0.1:8443"
insecure = true
[buffer]
path = "buffer"
[links.cell4]
type = "tcp"
address = "127.0.0.1:{port}"
timeout = "100 ms"
[devices.plc]
link = "cell4"
driver = "s7"
rack = 0
slot = 2
every = "50 ms"
[devices.plc.tags]
speed = {{ address = "DB12.DBD4", type = "float32" }}
level = {{ address = "DB12.DBW8", type = "uint16" }}
name = {{ address = "DB12.DBB10", type = "string", length = 20 }}
total = {{ address = "MD24", type = "int32" }}
"""


@contextmanager
def scanning(tmp_path: Path, port: int) -> Iterator[Scanning]:
    """The daemon's side of a configuration file, while it scans."""
    file = tmp_path / "gateway.toml"
    file.write_text(CONFIG.format(port=port), "utf-8")
    loaded = load(file)
    assert loaded.config is not None, loaded.problems
    found = Scanning(loaded.config, {})
    found.start(None)
    try:
        yield found
    finally:
        assert found.stop()


def until(enough: Callable[[], bool]) -> None:
    pause = Event()
    for _ in range(LOOKS):
        if enough():
            return
        pause.wait(LOOK_S)
    raise AssertionError("it never came")


def all_good(daemon: Scanning) -> bool:
    """Whether all tags are good now; every good one is its own tag's."""
    found = daemon.latest("plc")
    for each in found:
        assert each["quality"] != GOOD or each["raw"] in SHOWN[each["tag"].name]
    return all(each["quality"] == GOOD for each in found)


def test_neighbours_when_a_place_is_not_given_then_good_in_the_same_scan(tmp_path: Path) -> None:
    """Nobody learns here: the rows are those of the plan that asks for all of it together."""
    with Simulator(TAGS) as sim, scanning(tmp_path, sim.port) as daemon:
        until(lambda: all_good(daemon))
        # The last four characters of the text are past the end of the block now.
        sim.command("end 26")

        def known() -> bool:
            row = {each["tag"].name: each["quality"] for each in daemon.latest("plc")}
            assert row["speed"] == row["level"] == row["total"] == GOOD
            return row["name"] == REFUSED

        until(known)


def test_cpu_when_it_is_off_at_the_start_then_read_when_it_comes(tmp_path: Path) -> None:
    with Simulator(TAGS) as sim:
        sim.command("close")
        with scanning(tmp_path, sim.port) as daemon:
            until(lambda: daemon.links()[0]["cause"] is not None)
            assert daemon.links()[0]["cause"]["id"] == "link.refused"
            sim.command("open")
            until(lambda: all_good(daemon))


def test_slots_when_the_cpu_has_few_then_one_is_taken_whatever_happens(tmp_path: Path) -> None:
    """A panel has the other one, and keeps it."""
    with Simulator(TAGS) as sim:
        sim.command("connections 2")
        with Client(sim.port) as panel, scanning(tmp_path, sim.port) as daemon:
            until(lambda: all_good(daemon))
            for fault in ("mute", "refuse 8104", "drop_once", "refuse 8500"):
                before = daemon.links()[0]["reconnects"]
                sim.command("drop on" if fault == "drop_once" else fault)
                if fault in ("mute", "drop_once"):
                    until(lambda before=before: daemon.links()[0]["reconnects"] > before)
                else:
                    until(lambda: not all_good(daemon))
                assert int(sim.command("stats").rpartition("=")[2]) <= 2
                sim.command("clear")
                until(lambda: all_good(daemon))
            assert sim.command("stats").endswith("connections=2")
            assert panel.read(Stretch("M", 0, 24, 28))[0][0] == 0xFF
        sim.command("connections 0")


def slots(sim: Simulator) -> int:
    """How many connections the CPU has."""
    return int(sim.command("stats").rpartition("=")[2])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_slots_when_the_daemon_ends_in_any_way_then_none_is_kept(
    tmp_path: Path, number: signal.Signals
) -> None:
    """Row 6.9 of the field reports; a change of the configuration is an end and a start, too."""
    with Simulator(TAGS) as sim:
        for _ in range(2):
            with scanning(tmp_path, sim.port):
                until(lambda: slots(sim) == 1)
            until(lambda: slots(sim) == 0)
        file = tmp_path / "gateway.toml"
        here = CONFIG.replace('id = "box"', 'id = "box"\ncontrol = "control.sock"')
        file.write_text(here.format(port=sim.port), "utf-8")
        daemon = Program(
            "jiahe", "run", "--config", str(file), log=tmp_path / "daemon.log", ready_line=False
        )
        until(lambda: slots(sim) == 1)
        assert daemon.stop(number) == (0 if number == signal.SIGTERM else -number)
        until(lambda: slots(sim) == 0)


def learn(daemon: Scanning, enough: Callable[[], bool]) -> None:
    """What the supervisor and the sealer do, until it is so."""
    sealer, numbers = Sealer(daemon.groups), count(1)

    def looked() -> bool:
        daemon.learn()
        sealer.seal(1, next(numbers), 0)  # the plan changes with the store
        return enough()

    until(looked)


def test_daemon_when_a_block_is_optimised_then_status_names_it_and_it_heals(
    tmp_path: Path,
) -> None:
    with Simulator(TAGS) as sim, scanning(tmp_path, sim.port) as daemon:
        learn(daemon, lambda: all_good(daemon))
        sim.command("optimised 12")
        said = {"id": "s7.optimised_block", "args": {"block": "DB12", "bad": 3, "tags": 4}}
        learn(daemon, lambda: daemon.devices()[0]["cause"] == said)
        assert daemon.devices()[0]["state"] == "partly"
        row = {each["tag"].name: each["quality"] for each in daemon.latest("plc")}
        assert row["total"] == GOOD
        sim.command("clear")
        learn(daemon, lambda: all_good(daemon) and daemon.devices()[0]["state"] == "good")


def test_daemon_when_the_cpu_grants_more_then_it_is_used_and_a_smaller_one_loses_nothing(
    tmp_path: Path,
) -> None:
    with Simulator(TAGS) as sim, scanning(tmp_path, sim.port) as daemon:
        learn(daemon, lambda: bool(daemon.learned()))
        assert daemon.learned() == {"plc": {"granted": 960, "pdu": 960, "items": 20}}
        learn(daemon, lambda: all_good(daemon))
        sim.command("close")
        until(lambda: daemon.links()[0]["state"] != "up")
        sim.command("grant 240")
        sim.command("open")
        until(lambda: daemon.links()[0]["state"] == "up")
        until(lambda: all_good(daemon))
        learn(daemon, lambda: daemon.learned()["plc"]["pdu"] == 240)
        until(lambda: all_good(daemon))


def test_daemon_when_the_file_names_a_cpu_then_its_values_and_its_refusals_in_words(
    tmp_path: Path,
) -> None:
    with Simulator(TAGS) as sim:
        sim.command("tsap 0302")  # rack 0, slot 2, and not the programmer's
        with scanning(tmp_path, sim.port) as daemon:
            until(lambda: all_good(daemon) and daemon.devices()[0]["state"] == "good")
            sim.command("refuse 8104")

            def said() -> bool:
                daemon.learn()
                cause = daemon.devices()[0]["cause"]
                return cause is not None and cause["id"] == "s7.put_get"

            until(said)


def test_daemon_when_the_cpu_cuts_its_answers_then_fewer_stretches_are_asked_for(
    tmp_path: Path,
) -> None:
    with Simulator(TAGS) as sim:
        sim.command("items 1")
        with scanning(tmp_path, sim.port) as daemon:
            sealer = Sealer(daemon.groups)
            numbers = count()

            def good() -> bool:
                daemon.learn()
                sealer.seal(1, next(numbers), 0)  # the plan changes with the store
                return all_good(daemon)

            until(good)
            assert daemon.devices()[0]["learned"] == [
                {"id": "s7.granted", "args": {"pdu": 960, "jobs": 8}},
                {"id": "s7.learned_items", "args": {"count": 1}},
            ]
            assert daemon.learned() == {"plc": {"granted": 960, "pdu": 960, "items": 1}}
