"""Every shipped profile: accepted by the configuration, by the driver and by the simulator."""

from __future__ import annotations

import struct
import tomllib
from decimal import Decimal
from pathlib import Path

import pytest

from drivers import profiles, registry
from drivers.api import DeviceSpec
from drivers.modbus.limits import limits_of
from drivers.modbus.request import reads_of
from drivers.modbus.simulator import Simulator, load_map, raw_value
from gateway.config import load

MODBUS = [name for name in profiles.names() if profiles.driver_of(profiles.find(name)) == "modbus"]
CONFIG = """
version = 1
[gateway]
id = "g"
[platform]
address = "127.0.0.1:8443"
insecure = true
[buffer]
path = "buffer"
[links.l]
type = "tcp"
address = "127.0.0.1:502"
[devices.d]
link = "l"
driver = "modbus"
framing = "rtu"
profile = "{name}"
"""


def configured(name: str, folder: Path) -> DeviceSpec:
    """The device as the gateway's own configuration makes it of the profile."""
    file = folder / "gateway.toml"
    file.write_text(CONFIG.format(name=name), encoding="utf-8")
    loaded = load(file)
    assert loaded.config is not None, loaded
    (device,) = loaded.config.devices
    return device


@pytest.mark.parametrize("name", MODBUS)
def test_profile_as_shipped_is_configured_checked_and_planned(name: str, tmp_path: Path) -> None:
    device = configured(name, tmp_path)
    driver = registry.get("modbus")
    assert device.tags
    assert driver.check(device) == []
    plan = driver.plan(device)
    most = limits_of(device).max_registers
    assert all(r.count <= most for group in plan.groups for r in reads_of(group))


@pytest.mark.parametrize("name", MODBUS)
def test_profile_as_shipped_says_where_it_comes_from_in_both_languages(name: str) -> None:
    told = tomllib.loads(profiles.find(name).read_text(encoding="utf-8"))
    about = told["profile"]
    assert about["title"] and about["title_zh"] and about["source"] and about["confidence"]
    for tag in told["tags"].values():
        assert tag["description"]
        if "labels" not in tag and tag["type"] != "bool":
            assert tag["min"] < tag["max"]


@pytest.mark.parametrize("name", MODBUS)
def test_profile_when_simulated_stays_within_its_plausible_limits(name: str) -> None:
    made = load_map(profiles.find(name))
    told = tomllib.loads(profiles.find(name).read_text(encoding="utf-8"), parse_float=Decimal)[
        "tags"
    ]
    for tag in made.tags:
        for counter in range(64):
            value = raw_value(tag, counter, "0")
            if isinstance(value, int | float) and "min" in told[tag.name]:
                scaled = float(value) * float(told[tag.name].get("scale", 1))
                low, high = float(told[tag.name]["min"]), float(told[tag.name]["max"])
                slack = 1e-5 * max(abs(low), abs(high))  # float32 has 24 bits
                assert low - slack <= scaled <= high + slack


def test_profile_of_dtsu666_reads_scaled_floats_as_volts(tmp_path: Path) -> None:
    device = configured("chint-dtsu666", tmp_path)
    by_name = {tag.name: tag for tag in device.tags}
    assert by_name["voltage_a"].address == "holding:0x2006"
    assert Decimal(2301) * by_name["voltage_a"].scale == Decimal("230.1")
    assert by_name["frequency"].scale == Decimal("0.01")
    assert by_name["power"].scale == Decimal("0.1")
    assert by_name["energy_import"].scale == 1


def test_profile_of_sdm630_asks_at_most_forty_registers(tmp_path: Path) -> None:
    device = configured("eastron-sdm630", tmp_path)
    plan = registry.get("modbus").plan(device)
    assert {r.function for group in plan.groups for r in reads_of(group)} == {4}
    assert max(r.count for group in plan.groups for r in reads_of(group)) <= 40


def test_profile_when_simulated_has_its_counter_where_no_tag_lies() -> None:
    simulator = Simulator()
    unit = simulator.unit(1, load_map(profiles.find("universal-robots")))
    at = unit.counter_at["holding"]
    assert at >= 406
    pdu = unit.answer(struct.pack(">BHH", 3, at, 2)).pdu
    assert pdu == bytes([3, 4, 0, 0, 0, 1])
    with simulator:
        pass


def test_profile_that_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(profiles.UnknownProfileError):
        profiles.find("perpetuum-mobile")
