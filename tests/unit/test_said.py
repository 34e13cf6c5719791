"""What a technician is told of a wire with a fault on it: driver and causes, in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest

from drivers.api import DeviceSpec, LinkSpec, TagSpec
from drivers.modbus.planner import plan_device
from drivers.modbus.simulator import now_ns
from drivers.scan import NativeRunner, open_links
from gateway.messages import about
from gateway.report.causes import explain
from gateway.report.recent import Recent
from native.block.seal import Sealer
from tests.kit.slave import Asked, Script, Step, answer, honest, refusal
from tests.kit.talk import Stage
from tests.kit.virtual import SerialSlave, TcpSlave

PERIOD_NS, TIMEOUT_NS = 20_000_000, 50_000_000
LOOKS, LOOK_MS, LASTING = 3000, 20, 30


class Said(Stage):
    """One link with a device `d1`, `d2` … for each of `units`; two tags each, far apart."""

    def __init__(
        self,
        slave: SerialSlave | TcpSlave,
        units: Sequence[int] = (1,),
        *,
        most: Decimal | None = None,
    ) -> None:
        self.slave, self.framing, self.asked = slave, slave.framing, slave.asked
        told: dict[str, Any] = {"timeout_ns": TIMEOUT_NS}
        if slave.kind == "serial":
            told |= {"port": "/dev/null", "baud": 115_200}
        else:
            told |= {"host": "127.0.0.1", "tcp_port": 1}
        link = LinkSpec("com1", slave.kind, **told)
        tags = tuple(
            TagSpec(f"t{at}", f"holding:{at}", "uint16", PERIOD_NS, max=most) for at in (0, 900)
        )
        framing: Any = slave.framing
        devices = [DeviceSpec(f"d{unit}", link, "modbus", tags, unit, framing) for unit in units]
        self._opened = open_links([(link, [plan_device(each) for each in devices])], 0, {})
        (runner,) = self._opened.runners
        assert isinstance(runner, NativeRunner)
        self._runner = runner
        self._sealer = Sealer(self._opened.groups)
        self._recent = Recent()

    @property
    def script(self) -> Script:  # type: ignore[override]  # the slave's, as it is now
        return self.slave.script

    def collect(self) -> None:
        self._sealer.seal(1, 1, 1)

    @contextmanager
    def running(self) -> Iterator[None]:
        self.begin(self._runner.buses[0].link)
        yield
        self.rig.finish()

    def now(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        links: Any = self._runner.links()
        devices: Any = self._runner.devices()
        behind_s = (now_ns() - self.rig.now) / 1e9  # snapshots go by the box's clock
        for one in (*links, *devices):
            for age in ("since_s", "last_good_s"):
                if one.get(age) is not None:
                    one[age] -= behind_s
        explain(links, devices, self._opened.latest, self._recent, self.rig.now)
        return links[0], devices

    def cause(self, number: int = 0) -> dict[str, Any]:
        return self.now()[1][number]["cause"] or {"id": "", "args": {}}

    def until(self, what: Callable[[], bool], times: int = 1) -> None:
        """It holds at `times` looks in a row."""
        held = 0
        for _ in range(LOOKS):
            held = held + 1 if what() else 0
            if held == times:
                return
            self.run(self.now_ms + LOOK_MS)
        raise AssertionError(self.now())

    def until_good(self) -> None:
        self.until(lambda: all(each["state"] == "good" for each in self.now()[1]))


def spoilt(asked: Asked) -> Iterable[Step]:
    frame = bytearray(answer(asked))
    frame[-3] ^= 1  # in the data, so that it can be told where it ends
    return [bytes(frame)]


def mute(asked: Asked) -> Iterable[Step]:
    return []


@pytest.mark.parametrize(
    ("before", "found"), [(True, "device.damaged"), (False, "device.no_answer_damaged")]
)
def test_device_when_all_it_answers_is_damaged_then_said_so_and_not_silence(
    before: bool, found: str
) -> None:
    with SerialSlave(honest if before else spoilt) as slave:
        said = Said(slave)
        with said.running():
            if before:
                said.until_good()
                slave.script = spoilt
            said.until(lambda: said.cause()["id"] == found, LASTING)


@pytest.mark.parametrize("tcp", [False, True])
def test_device_when_silent_then_told_whether_it_ever_answered(tcp: bool) -> None:
    never = "device.never_answered_tcp" if tcp else "device.never_answered_alone"
    since = "device.no_answer_since_tcp" if tcp else "device.no_answer_alone"

    def first_alone(asked: Asked) -> Iterable[Step]:
        return honest(asked) if asked.unit == 1 else mute(asked)

    with TcpSlave(first_alone) if tcp else SerialSlave(first_alone) as slave:
        said = Said(slave, units=(1, 2))
        with said.running():
            said.until(lambda: said.now()[1][0]["state"] == "good")
            said.until(lambda: said.cause(1)["id"] == never, 10)

    def second_alone(asked: Asked) -> Iterable[Step]:
        return mute(asked) if asked.unit == 1 else honest(asked)

    with TcpSlave(honest) if tcp else SerialSlave(honest) as slave:
        said = Said(slave, units=(1, 2))
        with said.running():
            said.until_good()
            slave.script = second_alone
            said.until(lambda: said.cause()["id"] == since, 10)
            words = about({**said.cause(), "args": {**said.cause()["args"], "device": "d1"}}, "zh")
            assert words.startswith("d1：") and "前还正常" in words


@pytest.mark.parametrize(
    ("before", "script", "found"),
    [
        (True, mute, "link.silent"),
        (False, mute, "link.silent"),
        (True, spoilt, "link.silent_damaged"),
        (False, spoilt, "link.silent_damaged"),
        (False, lambda asked: [answer(asked, unit=9)], "link.silent_stranger"),
    ],
    ids=["cut", "never", "damaged", "never-whole", "others"],
)
def test_bus_when_all_its_devices_are_silent_then_the_link_says_it(
    before: bool, script: Callable[[Asked], Iterable[Step]], found: str
) -> None:
    with SerialSlave(honest if before else script) as slave:
        said = Said(slave, units=(1, 2, 3))
        with said.running():
            if before:
                said.until_good()
                slave.script = script
            said.until(lambda: found in [each["id"] for each in said.now()[0]["warnings"]])
            (warning,) = said.now()[0]["warnings"]
    assert warning["args"]["devices"] == "d1, d2, d3"
    assert warning["args"]["before"]["id"] == (
        "link.fine_before" if before else "link.never_before"
    )


def test_bus_when_one_answer_in_four_is_damaged_then_noisy_though_every_value_is_read() -> None:
    def now_and_then(asked: Asked) -> Iterable[Step]:
        return spoilt(asked) if asked.number % 4 == 0 else honest(asked)

    with SerialSlave(now_and_then) as slave:
        said = Said(slave, units=(1, 2))
        with said.running():
            said.until(lambda: [each["id"] for each in said.now()[0]["warnings"]] == ["link.noisy"])
            said.until(lambda: said.now()[0]["requests"] > 100)
            link, devices = said.now()
            assert [each["state"] for each in devices] == ["good", "good"]
            (warning,) = link["warnings"]
            assert 20 <= warning["args"]["percent"] <= 30
            assert about(warning, "zh").startswith("链路 com1：最近 2")


def test_tags_when_one_cause_explains_them_then_that_is_said_with_how_many_they_are() -> None:
    with SerialSlave(lambda asked: [refusal(asked, 4)]) as slave:
        said = Said(slave)
        with said.running():
            said.until(lambda: said.cause() == {"id": "device.failure", "args": {}}, 10)

    def one_bad(asked: Asked) -> Iterable[Step]:
        return [refusal(asked, 4)] if asked.address == 900 else honest(asked)

    with SerialSlave(one_bad) as slave:
        said = Said(slave)
        with said.running():
            of_two = {"id": "device.failure", "args": {"bad": 1, "tags": 2}}
            said.until(lambda: said.cause() == of_two, 10)
    assert about(of_two, "zh") == "2 个标签中 1 个读不到：设备报告内部故障（异常码 4）"


def test_device_when_values_are_outside_their_limits_then_said_with_how_many_and_good() -> None:
    with TcpSlave() as slave:
        said = Said(slave, most=Decimal(500))  # each register holds its address
        with said.running():
            said.until(lambda: said.cause()["id"] == "device.out_of_range")
            device = said.now()[1][0]
    assert device["state"] == "good"
    assert device["cause"]["args"] == {"count": 1, "device": "d1"}


def test_values_when_another_byte_order_would_fit_then_it_is_named() -> None:
    with TcpSlave(lambda asked: [answer(asked, pdu=bytes([asked.function, 2, 40, 0]))]) as slave:
        said = Said(slave, most=Decimal(500))
        with said.running():
            said.until(lambda: said.cause()["id"] == "device.out_of_order")
            device = said.now()[1][0]
    assert device["state"] == "good"
    assert device["cause"]["args"] == {"count": 2, "device": "d1", "order": "DCBA"}
