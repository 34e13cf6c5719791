"""The box's clock: lost with the power, stepped, set by NTP. The books are on one that is not."""

from __future__ import annotations

import time

from hw_tests.box.emulated import Emulated
from hw_tests.box.ntp import SERVER
from hw_tests.rows.conftest import Row

_SET = "timedatectl set-ntp false; date --utc --set='{}' >/dev/null"


def _year(row: Row) -> int:
    return int(row.stage.guest.do("date --utc +%Y"))


def test_box_when_its_clock_says_1970_at_boot_then_values_are_at_the_platform_with_their_time(
    row: Row,
    switches: Emulated,
) -> None:
    stage = switches
    stage.start()
    stage.wait_good()
    stage.wait_scans(20)
    stage.power_off()
    stage.power_on(clock="1970-01-01T00:00:00")
    stage.wait_answer()
    assert _year(row) > 2020, "jiahe-clock did not set it forward"
    stage.wait_good()
    stage.wait_scans(20)
    off_s = stage.platform_off_s()
    row.settle("booted with the clock at 1970", f"times at the platform right within {off_s:.1f} s")
    assert off_s < 5


def test_clock_when_stepped_two_hours_either_way_then_times_at_the_platform_are_right(
    row: Row,
    switches: Emulated,
) -> None:
    stage = switches
    stage.start()
    stage.wait_good()
    for shift in ("+ 2 hours", "- 4 hours", "+ 2 hours"):
        stage.guest.do(_SET.format(f"now {shift}"))
        stage.wait_scans(20)
    stage.wait_good()
    off_s = stage.platform_off_s()
    row.settle("the clock stepped by 2, -4 and 2 hours", f"right within {off_s:.1f} s")
    assert off_s < 5


def test_clock_when_set_by_ntp_under_load_then_it_is_trusted(row: Row, switches: Emulated) -> None:
    """A time server of ours, on the box itself: systemd-timesyncd asks it by the real protocol."""
    stage, guest = switches, switches.guest
    stage.start()
    stage.wait_good()
    boot_to_utc_ns = time.time_ns() - int(float(guest.do("cat /proc/uptime").split()[0]) * 1e9)
    guest.write("/var/tmp/ntp.py", SERVER)
    guest.do(f"systemd-run --quiet --unit=time-server python3.11 /var/tmp/ntp.py {boot_to_utc_ns}")
    guest.do("mkdir -p /etc/systemd/timesyncd.conf.d")
    guest.write("/etc/systemd/timesyncd.conf.d/box.conf", "[Time]\nNTP=127.0.0.1\n")
    guest.do(_SET.format("now - 1 hour"))
    guest.do("systemctl restart systemd-timesyncd; timedatectl set-ntp true")
    synchronised = "timedatectl show --value --property=NTPSynchronized"
    guest.wait_for("NTP", lambda: guest.do(synchronised).strip() == "yes", 120)
    stage.wait_scans(50)
    off_s = stage.platform_off_s()
    said = guest.do("jiahe clock")
    guest.do("systemctl stop time-server; rm /etc/systemd/timesyncd.conf.d/box.conf")
    row.settle("the clock an hour late, then set by NTP", f"right within {off_s:.1f} s")
    assert "synchronised by the system" in said, said
    assert off_s < 5
