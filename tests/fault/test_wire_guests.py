"""Readings that are in no plan, and a look at the wire, while a thread scans. What becomes of each:
tests/unit/test_engine_guests.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Event, Thread

import pytest

from drivers import once, registry
from drivers.api import BusyError, DeviceSpec, LinkSpec, NativeDriver, OpenedLinks, TagSpec
from drivers.quality import BAD
from drivers.scan import open_links
from tests.kit.scanner import Scanner, pairs
from tests.kit.slave import Asked, SerialSlave, Step, TcpSlave, answer

PERIOD_NS, TIMEOUT_NS = 20_000_000, 100_000_000


def tag(address: int) -> TagSpec:
    return TagSpec(f"t{address}", f"holding:{address}", "uint32", PERIOD_NS)


@contextmanager
def scanned(
    slave: TcpSlave | SerialSlave,
    units: Iterable[int],
    addresses: Iterable[int] = (0,),
    period_ns: int = PERIOD_NS,
) -> Iterator[OpenedLinks]:
    """A device a unit, with a tag at each address."""
    tags = tuple(replace(tag(address), every_ns=period_ns) for address in addresses)
    if isinstance(slave, SerialSlave):
        link = LinkSpec("l", "serial", port=str(slave.path), baud=115_200, timeout_ns=TIMEOUT_NS)
    else:
        link = LinkSpec("l", "tcp", host="127.0.0.1", tcp_port=slave.port, timeout_ns=TIMEOUT_NS)
    driver = registry.get("modbus")
    assert isinstance(driver, NativeDriver)
    specs = [DeviceSpec(f"d{unit}", link, "modbus", tags, unit, slave.framing) for unit in units]
    opened = open_links([(link, [driver.plan(spec) for spec in specs])], 0, {})
    threads = [Thread(target=runner.run) for runner in opened.runners]
    for thread in threads:
        thread.start()
    try:
        yield opened
    finally:
        for runner in opened.runners:
            runner.stop()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("kind", [TcpSlave, SerialSlave])
def test_tags_when_read_once_beside_the_plan_then_are_theirs_and_the_plan_goes_on(
    kind: type[TcpSlave] | type[SerialSlave],
) -> None:
    with kind() as slave, scanned(slave, [1, 2]) as opened:
        assert opened.read is not None
        for round_ in range(20):
            found = opened.read("d2", [tag(300), tag(600 + 2 * round_)])
            for each, address in zip(found, (300, 600 + 2 * round_), strict=True):
                assert (each["tag"].name, each["quality"]) == (f"t{address}", 1)
                assert int(each["raw"]) >> 16 == address  # its slave's values tell their address
        rows = {each["name"]: each["groups"][0] for each in opened.runners[0].devices()}
        assert all(row["rows"] > 2 and row["skipped"] == {} for row in rows.values())
    once = [asked for asked in slave.asked if asked.address >= 300]
    assert {asked.unit for asked in once} == {2}
    # One more is shorter: whether the unit is in step.
    assert sum((asked.address, asked.count) == (300, 2) for asked in once) == 20, "read once each"


def input_tag(address: int) -> TagSpec:
    return TagSpec(f"i{address}", f"input:{address}", "uint16", PERIOD_NS)


def read_all(opened: OpenedLinks, addresses: Iterable[int]) -> None:
    """Read input registers until all are told; none ever has another one's value."""
    assert opened.read is not None
    pause = Event()
    for _ in range(200):
        found = opened.read("d1", [input_tag(address) for address in addresses])
        for each in found:
            if each["quality"] < BAD:
                assert f"i{each['raw']}" == each["tag"].name
        if all(each["quality"] < BAD for each in found):
            return
        pause.wait(0.05)
    raise AssertionError("never read")


def test_late_answer_to_a_probe_when_its_function_is_read_then_taken_for_no_tag() -> None:
    probed = Event()

    def stalls(asked: Asked) -> Iterable[Step]:
        if asked.function == 4 and not probed.is_set():
            probed.set()
            return [0.25, answer(asked)]
        return [0.02, answer(asked)]

    with SerialSlave(stalls) as slave, scanned(slave, [1], period_ns=500_000_000) as opened:
        assert probed.wait(10)
        read_all(opened, (300, 500))


def test_late_answer_to_a_single_reading_when_the_device_is_probed_then_proves_nothing() -> None:
    stalled = Event()

    def stalls(asked: Asked) -> Iterable[Step]:
        if asked.address == 300 and not stalled.is_set():
            stalled.set()
            return [0.26, answer(asked)]
        return [0.02, answer(asked)]

    with SerialSlave(stalls) as slave:
        plan = [pairs([0, 500], device="d1", period_ns=130_000_000)]
        scanner = Scanner(slave, devices={1: plan})
        spec = DeviceSpec("d1", scanner.spec, "modbus", (tag(0),), 1, "rtu")
        with scanner.running():
            scanner.until(lambda: scanner.good() > 4)  # a probe was answered among them
            assert any(asked.function == 4 for asked in slave.asked)
            driver, wanted = registry.get("modbus"), [input_tag(300)]
            (found,) = once.read(driver, spec, wanted, scanner.loop, scanner.link, 0)
            assert found["quality"] == 129
            before = scanner.good()
            scanner.until(lambda: scanner.good() > before + 4)
        scanner.check()


def test_tags_when_no_plan_can_read_them_then_said_so_and_nothing_is_asked() -> None:
    with TcpSlave() as slave, scanned(slave, [1]) as opened:
        assert opened.read is not None
        with pytest.raises(ValueError, match="address"):
            opened.read("d1", [TagSpec("t", "holding:99999", "uint16", PERIOD_NS)])
        with pytest.raises(KeyError):
            opened.read("d9", [tag(0)])


def test_guests_when_there_are_more_than_a_link_has_room_for_then_the_next_is_told() -> None:
    def slow(asked: Asked) -> Iterable[Step]:
        return [] if asked.address >= 300 else [answer(asked)]

    with TcpSlave(slow) as slave, scanned(slave, [1]) as opened:
        read = opened.read
        assert read is not None
        outcomes: list[str] = []

        def ask(address: int) -> None:
            try:
                read("d1", [tag(address)])
                outcomes.append("read")
            except BusyError:
                outcomes.append("busy")

        threads = [Thread(target=ask, args=(300 + 2 * i,)) for i in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(outcomes) == 6
        assert outcomes.count("read") >= 2
        assert outcomes.count("busy") >= 1
        assert read("d1", [tag(0)])[0]["quality"] == 1, "they have left"


def test_wire_when_somebody_looks_on_then_all_that_goes_over_it_is_there_in_order() -> None:
    with TcpSlave() as slave:
        scanner = Scanner(slave, devices={1: [pairs([0], device="d1")]})
        with scanner.running():
            scanner.until(lambda: scanner.good() > 2)
            assert scanner.link.seen() == ([], 0)
            scanner.link.look_on(True)
            before = scanner.good()
            scanner.until(lambda: scanner.good() > before + 20)
            records, lost = scanner.link.seen()
            scanner.link.look_on(False)
        scanner.check()
    assert lost == 0
    assert [when for when, _, _ in records] == sorted(when for when, _, _ in records)
    sent = [data for _, is_sent, data in records if is_sent]
    heard = b"".join(data for _, is_sent, data in records if not is_sent)
    assert len(sent) >= 20
    for request in sent[1:-1]:  # twelve bytes each, and an answer with its id
        assert request[6:12] == bytes.fromhex("010300000002")
        assert request[:2] + bytes.fromhex("0000000701030400") in heard
