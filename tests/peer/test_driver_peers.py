"""Our driver reads the table from servers that others wrote, and learns what a device refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from typing import Any

from pymodbus.client import ModbusSerialClient

from drivers import registry
from drivers.api import DeviceSpec, LinkSpec, OpenedLinks, TagSpec
from drivers.modbus.simulator import now_ns
from drivers.runner import Runner
from drivers.scan import open_links
from native.block.seal import Sealer
from tests.kit.authority import Authority
from tests.kit.wire import crossed_pair, serial_bus, tcp_units
from tests.peer import servers, table

_PERIOD_NS = 20_000_000
_LOOKS, _LOOK_S = 500, 0.02
_BAUD = 115200


def table_tags() -> tuple[TagSpec, ...]:
    """A tag for each value of the table in both register spaces, and for its bits."""
    tags: list[TagSpec] = []
    for entry in table.entries():
        for space in ("holding", "input"):
            told: dict[str, Any] = {"type": entry.type, "length": entry.length}
            name, address = f"{space}.{entry.name}", f"{space}:{entry.address}"
            order: Any = entry.order
            tags.append(
                TagSpec(name=name, address=address, every_ns=_PERIOD_NS, order=order, **told)
            )
    for number in table.BITS:
        for space in ("coil", "discrete"):
            at = f"{space}:{number}"
            tags.append(TagSpec(at, at, "bool", _PERIOD_NS))
    return tuple(tags)


def device(link: LinkSpec, tags: tuple[TagSpec, ...], framing: Any = "tcp") -> DeviceSpec:
    return DeviceSpec("d", link, "modbus", tags, unit=1, framing=framing)


@contextmanager
def scanning(spec: DeviceSpec) -> Iterator[tuple[OpenedLinks, Runner]]:
    """The device while our driver scans it."""
    driver = registry.get("modbus")
    assert driver.check(spec) == []
    opened = open_links([(spec.link, [driver.plan(spec)])], 0, {})
    for group in opened.groups:
        group.start(now_ns())
    (runner,) = opened.runners
    thread = Thread(target=runner.run)
    thread.start()
    try:
        yield opened, runner
    finally:
        runner.stop()
        thread.join()


def until(opened: OpenedLinks, runner: Runner, enough: Callable[[dict[str, Any]], bool]) -> Any:
    """The raw values of the good tags, as soon as they are enough, or as they are in the end."""
    sealer, seq, pause = Sealer(opened.groups), 1, Event()
    good: dict[str, Any] = {}
    for _ in range(_LOOKS):
        runner.learn()
        seq += len(sealer.seal(1, seq, 1))
        latest = opened.latest("d")
        good = {value["tag"].name: value["raw"] for value in latest if value["quality"] == 1}
        if enough(good):
            break
        pause.wait(_LOOK_S)
    return good


def assert_reads_table(link: LinkSpec, framing: str = "tcp", *, every_ns: int = _PERIOD_NS) -> None:
    tags = tuple(replace(tag, every_ns=every_ns) for tag in table_tags())
    with scanning(device(link, tags, framing)) as (opened, runner):
        good = until(opened, runner, lambda found: len(found) == len(tags))
    assert good.keys() == {tag.name for tag in tags}
    for entry in table.entries():
        value = entry.value.encode() if isinstance(entry.value, str) else entry.value
        for space in ("holding", "input"):
            assert good[f"{space}.{entry.name}"] == value, entry
    for number, on in table.BITS.items():
        assert good[f"coil:{number}"] == good[f"discrete:{number}"] == on


def test_driver_over_tcp_reads_every_type_from_a_peer(
    peer: Callable[..., Sequence[str]],
) -> None:
    with servers.running(peer()) as port:
        assert_reads_table(LinkSpec("l", "tcp", host="127.0.0.1", tcp_port=port))


def test_driver_on_a_serial_port_reads_every_type_from_a_peer(
    peer: Callable[..., Sequence[str]],
) -> None:
    with crossed_pair(baud=_BAUD) as pair, servers.running(peer(str(pair.left), str(_BAUD))):
        assert_reads_table(LinkSpec("l", "serial", port=str(pair.right), baud=_BAUD), "rtu")


def test_driver_by_modbus_security_reads_every_type_from_a_peer(
    table_file: Path, tmp_path: Path
) -> None:
    plant = Authority(tmp_path, "plant")
    with servers.running(servers.pymodbus_secured(table_file, plant.files("plc"))) as port:
        ours = plant.files("gateway", ())
        assert_reads_table(LinkSpec("l", "tcp", host="127.0.0.1", tcp_port=port, tls=ours))


def test_driver_reads_every_type_that_pymodbus_reads_from_libmodbus_on_a_bus_overheard(
    libmodbus_server: Path, table_file: Path
) -> None:
    """The bus is theirs: both ends are other people's code, and ours says nothing."""
    last = max(entry.address + len(entry.registers) for entry in table.entries())
    stop = Event()

    def ask(client: ModbusSerialClient) -> None:
        while not stop.is_set():
            client.read_holding_registers(table.FIRST, count=last - table.FIRST, device_id=1)
            client.read_input_registers(table.FIRST, count=last - table.FIRST, device_id=1)
            client.read_coils(0, count=100, device_id=1)
            client.read_discrete_inputs(0, count=100, device_id=1)

    with crossed_pair(baud=_BAUD) as pair:
        command = servers.libmodbus(libmodbus_server, table_file, str(pair.left), str(_BAUD))
        with (
            servers.running(command),
            ModbusSerialClient(str(pair.right), baudrate=_BAUD, timeout=5) as client,
        ):
            master = Thread(target=ask, args=(client,))
            master.start()
            link = LinkSpec("l", "serial", port=str(pair.tap), baud=_BAUD, listen_only=True)
            try:
                assert_reads_table(link, "rtu", every_ns=1_000_000_000)
            finally:
                stop.set()
                master.join()
        assert pair.spoken == b""


def test_driver_on_a_paced_bus_reads_its_unit_outside_the_silences(tmp_path: Path) -> None:
    tags = tuple(TagSpec(f"r{a}", f"holding:{a}", "uint16", _PERIOD_NS) for a in range(10))
    with serial_bus(tmp_path / "com1", baud=_BAUD) as wire:
        link = LinkSpec("l", "serial", port=str(wire.path), baud=_BAUD)
        with scanning(device(link, tags, "rtu")) as (opened, runner):
            good = until(opened, runner, lambda found: found.get("r1", 0) >= 20)
        assert good["r1"] >= 20
        assert wire.bus.early == wire.bus.collisions == wire.bus.ignored == 0


def told(runner: Runner) -> list[dict[str, Any]]:
    """What was learned of the one device."""
    return list(runner.devices()[0]["learned"])


def test_driver_refused_at_holes_learns_them_and_reads_the_rest() -> None:
    tags = tuple(TagSpec(f"r{a}", f"holding:{a}", "uint16", _PERIOD_NS) for a in range(20, 60))
    with tcp_units() as wire:
        wire.simulator.command("holes 1 holding:33,holding:50-51")
        link = LinkSpec("l", "tcp", host=wire.host, tcp_port=wire.port)
        with scanning(device(link, tags)) as (opened, runner):
            good = until(
                opened,
                runner,
                lambda found: len(found) == len(tags) - 3 and len(told(runner)) == 3,
            )
            learned = told(runner)
    assert good.keys() == {tag.name for tag in tags} - {"r33", "r50", "r51"}
    assert {"id": "learned.hole", "args": {"first": "holding:33", "last": 33}} in learned
