"""USB adapters: found by serial number, read through, pulled, replugged, renumbered, swapped."""

from __future__ import annotations

from time import monotonic

import pytest

from hw_tests.box.emulated import Emulated
from hw_tests.box.stage import Line
from hw_tests.rows.conftest import Row


@pytest.mark.short
def test_box_when_installed_then_values_read_through_two_adapters_are_at_the_platform(
    row: Row,
) -> None:
    stage = row.stage
    found = stage.guest.do("ls /dev/serial/by-id /dev/jiahe")
    assert "JH0001" in found and "com1" in found
    began_s = monotonic()
    stage.start()
    stage.wait_good()
    took_s = monotonic() - began_s
    stage.wait_scans(50)
    listening = stage.guest.do("ss -Hltnp")
    assert "jiahe" not in listening, listening
    row.settle("none: 50 scans", f"good values {took_s:.0f} s after the start; listening ports: 0")


@pytest.mark.parametrize(
    "line",
    [
        Line(1200),
        Line(9600, meters=True),
        Line(115_200),
        Line(19_200, "ascii"),
        Line(115_200, "ascii"),
    ],
    ids=["rtu-1200", "rtu-9600-and-dlt645", "rtu-115200", "ascii-19200", "ascii-115200"],
)
def test_line_when_spoken_so_then_every_device_is_read_through_the_adapters(
    row: Row, line: Line
) -> None:
    stage = row.stage
    stage.configure(line)
    stage.start()
    stage.wait_good()
    stage.wait_scans(30)
    beside = ", DL/T 645 on the same line" if line.meters else ""
    slow = stage.ticks(60e9) if line.baud < 9600 else 0  # a scan takes longer than its period
    row.settle(f"none: Modbus {line.framing.upper()} at {line.baud:,} baud{beside}", overrun=slow)
    stage.configure(Line())


def _waits(row: Row) -> None:
    """Until the box says that the port is gone."""
    told = row.stage.told
    row.stage.guest.wait_for(
        "the link's fall", lambda: all(link["state"] != "up" for link in told()["links"]), 60
    )


@pytest.mark.short
def test_adapter_when_pulled_and_plugged_into_another_socket_then_read_again(
    row: Row, switches: Emulated
) -> None:
    stage = switches
    stage.start()
    stage.wait_good()
    pulled_ns = stage.now_ns()
    stage.box.pull("a")
    _waits(row)
    plugged_ns = stage.now_ns()
    stage.box.plug("a", socket_number=3)
    back_s = stage.recovery_s(plugged_ns)
    stage.wait_good()
    away = stage.ticks(plugged_ns - pulled_ns + back_s * 1e9)
    row.settle("adapter pulled, plugged into another socket", f"back {back_s:.1f} s after it",
               link_down=away, device_silent=10)  # fmt: skip
    assert back_s <= stage.slow(5)


def test_adapter_when_it_comes_back_as_another_tty_then_read_by_its_serial_number(
    row: Row, switches: Emulated
) -> None:
    """Somebody else keeps the old number from being given away. He opens the port as his terminal,
    so he must not heed its hang-up.
    """
    stage = switches
    stage.start()
    stage.wait_good()
    before = stage.guest.do("readlink -f /dev/jiahe/com1").strip()
    hold = f'trap "" HUP; exec 3<>{before}; exec sleep 600'
    stage.guest.do(f"systemd-run --quiet --unit=holder sh -c '{hold}'")
    pulled_ns = stage.now_ns()
    stage.box.pull("a")
    _waits(row)
    plugged_ns = stage.now_ns()
    stage.box.plug("a")
    back_s = stage.recovery_s(plugged_ns)
    after = stage.guest.do("readlink -f /dev/jiahe/com1").strip()
    stage.guest.do("systemctl stop holder")
    assert before != after
    away = stage.ticks(plugged_ns - pulled_ns + back_s * 1e9)
    row.settle(f"adapter back as {after}, it was {before}", f"back {back_s:.1f} s after it",
               link_down=away, device_silent=10)  # fmt: skip


def test_adapters_when_swapped_in_their_sockets_then_each_is_found_by_its_serial_number(
    row: Row,
    switches: Emulated,
) -> None:
    stage = switches
    stage.start()
    stage.wait_good()
    pulled_ns = stage.now_ns()
    for adapter in ("a", "b"):
        stage.box.pull(adapter)
    _waits(row)
    plugged_ns = stage.now_ns()
    stage.box.plug("b", socket_number=1)
    stage.box.plug("a", socket_number=2)
    back_s = stage.recovery_s(plugged_ns)
    away = stage.ticks(plugged_ns - pulled_ns + back_s * 1e9)
    row.settle("both adapters pulled, each into the other's socket", f"back {back_s:.1f} s after",
               link_down=away, device_silent=20)  # fmt: skip


def test_adapter_when_pulled_five_times_under_load_then_nothing_is_missing(
    row: Row, switches: Emulated
) -> None:
    """Both processors have something else to do all the time."""
    stage = switches
    stage.start()
    stage.wait_good()
    for unit in ("load1", "load2"):
        stage.guest.do(f"systemd-run --quiet --unit={unit} sh -c 'while :; do :; done'")
    away_ns, worst_s = 0, 0.0
    for _ in range(5):
        pulled_ns = stage.now_ns()
        stage.box.pull("a")
        stage.box.plug("a")
        plugged_ns = stage.now_ns()
        back_s = stage.recovery_s(plugged_ns)
        worst_s = max(worst_s, back_s)
        away_ns += plugged_ns - pulled_ns + int(back_s * 1e9)
    stage.guest.do("systemctl stop load1 load2")
    stage.wait_good()
    away = stage.ticks(away_ns)
    row.settle("adapter pulled 5 times, both processors busy", f"back {worst_s:.1f} s after it",
               link_down=away, device_silent=50, overrun=away)  # fmt: skip
