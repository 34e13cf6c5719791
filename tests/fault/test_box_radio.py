"""The radio of the box, out of a ModemManager on a real D-Bus."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.box.radio import MEASURE_S, Radio
from tests.kit.modem import MODEM, ModemManager


@pytest.fixture
def modems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModemManager]:
    with ModemManager(tmp_path) as manager:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", manager.address)
        yield manager


def test_radio_when_there_is_no_bus_no_manager_or_no_modem_then_nothing(
    modems: ModemManager, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    radio = Radio()
    assert radio.read() == {}  # a bus alone
    modems.start()
    assert radio.read() == {}
    radio.close()
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path / 'none'}")
    assert Radio().read() == {}


def test_radio_when_a_modem_is_connected_then_all_of_it_is_known(modems: ModemManager) -> None:
    modems.start()
    modems.plug()
    radio = Radio()
    first = radio.read()
    assert first == {
        "radio_state": "connected", "access": "lte+5gnr", "operator": "中国移动", "signal": 71,
        "cell": "0A1B2C3D4", "band": "n41",
    }  # fmt: skip
    assert modems.rate == MEASURE_S, "it was asked to measure"
    modems.signal("Lte", rsrp=-99.6, rsrq=-12.2, snr=8.0, rssi=-70.0)
    assert {"rsrp": -100, "rsrq": -12, "sinr": 8}.items() <= radio.read().items()
    modems.signal("Nr5g", rsrp=-85.0, rsrq=-10.6, snr=-32768.0)
    second = radio.read()
    assert {"rsrp": -85, "rsrq": -11}.items() <= second.items() and "sinr" not in second
    modems.change(MODEM, State=("i", 7), AccessTechnologies=("u", 0))
    assert radio.read()["radio_state"] == "searching" and "access" not in radio.read()
    assert modems.calls("Setup") == 1
    modems.unplug()
    assert radio.read() == {}
    radio.close()


def test_radio_when_this_user_may_only_look_then_the_rest_is_asked_for_once(
    modems: ModemManager,
) -> None:
    modems.start()
    modems.plug(allowed=False)
    radio = Radio()
    for _ in range(3):
        assert radio.read() == {
            "radio_state": "connected", "access": "lte+5gnr", "operator": "中国移动", "signal": 71,
        }  # fmt: skip
    asked = {name: modems.calls(name) for name in ("GetCellInfo", "GetLocation", "Setup")}
    assert asked == {"GetCellInfo": 1, "GetLocation": 1, "Setup": 1}
    radio.close()
