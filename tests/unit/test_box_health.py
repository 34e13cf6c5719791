"""The box's health, out of trees as kernels of other boxes make them: what this machine has not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from drivers.box.bands import lte_band, nr_band
from drivers.box.flash import OVERWRITES
from drivers.box.health import Health

DAY_S = 86_400


class Box:
    """A tree of /proc and /sys, with the buffer on one partition of an eMMC of 8 GiB."""

    def __init__(self, root: Path) -> None:
        self.root, self.buffer = root, root / "buffer"
        self.buffer.mkdir()
        self.disk = root / "sys/devices/mmc/block/mmcblk0"
        partition = self.disk / "mmcblk0p2"
        self.put("sys/devices/mmc/block/mmcblk0/mmcblk0p2/partition", "2\n")
        self.put("sys/devices/mmc/block/mmcblk0/size", f"{(8 << 30) // 512}\n")
        device = self.buffer.stat().st_dev
        link = root / f"sys/dev/block/{os.major(device)}:{os.minor(device)}"
        link.parent.mkdir(parents=True)
        link.symlink_to(partition)
        self.at(uptime_s=1000)
        self.put("proc/loadavg", "0.42 0.30 0.20 1/123 4567\n")
        self.put("proc/meminfo", "MemTotal: 1024000 kB\nMemAvailable: 614400 kB\n")
        self.put("proc/stat", "cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 1 2 3\n")
        self.put("proc/self/statm", "90000 11520 5000 1 0 2 0\n")

    def put(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def at(self, *, uptime_s: float, written_mib: int = 0) -> None:
        self.put("proc/uptime", f"{uptime_s:.2f} 1.0\n")
        stat = f"1 2 3 4 5 6 {written_mib * 2048} 8 9 10 11\n"
        self.put("sys/devices/mmc/block/mmcblk0/stat", stat)


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def test_health_when_the_kernel_tells_all_then_each_value_is_there(box: Box) -> None:
    box.put("sys/class/thermal/thermal_zone0/type", "gpu-thermal\n")
    box.put("sys/class/thermal/thermal_zone0/temp", "91000\n")
    box.put("sys/class/thermal/thermal_zone1/type", "cpu-thermal\n")
    box.put("sys/class/thermal/thermal_zone1/temp", "48312\n")
    box.put("sys/class/hwmon/hwmon2/in0_lcrit_alarm", "1\n")
    box.put("sys/devices/mmc/block/mmcblk0/device/life_time", "0x02 0x01\n")
    box.at(uptime_s=2 * 3600, written_mib=40)
    health = Health(box.buffer, box.root)
    found = health.read()
    free = os.statvfs(box.buffer)
    assert found.pop("buffer_free") == pytest.approx(free.f_bavail * free.f_frsize >> 20, abs=64)
    years = 0.8 * OVERWRITES * (8 << 30) / (480 << 20) / 365.25
    assert found.pop("flash_years_left") == pytest.approx(years)
    assert found == {
        "cpu_temperature": 48.312, "cpu_busy": 15.0, "load_1min": 0.42, "memory_available": 600,
        "memory_service": 11520 * os.sysconf("SC_PAGE_SIZE") >> 20, "uptime": 2,
        "under_voltage": True, "buffer_read_only": False, "flash_written": 480,
        "flash_life_used": 20,
    }  # fmt: skip
    box.put("proc/stat", "cpu  190 0 60 800 50 0 0 0 0 0\n")
    assert health.read()["cpu_busy"] == 100.0, "since the last look"


def test_health_when_the_box_has_no_sensors_then_they_are_left_out(tmp_path: Path) -> None:
    found = Health(tmp_path, tmp_path / "nothing").read()
    assert set(found) == {"buffer_free", "buffer_read_only"}


@pytest.mark.parametrize(
    ("zones", "wanted"),
    [
        ({"zone a": "52000"}, 52.0),  # no processor by name: the hottest that there is
        ({"soc": "55000", "cpu-little": "61000", "battery": "80000"}, 61.0),
        ({"cpu": "", "board": "40000"}, 40.0),
        ({"cpu": "-274000"}, None),
        ({"cpu": "none of numbers"}, None),
    ],
)
def test_temperature_when_there_are_several_zones_then_the_processors(
    box: Box, zones: dict[str, str], wanted: float | None
) -> None:
    for number, (kind, said) in enumerate(zones.items()):
        box.put(f"sys/class/thermal/thermal_zone{number}/type", kind)
        box.put(f"sys/class/thermal/thermal_zone{number}/temp", said)
    assert Health(box.buffer, box.root).read().get("cpu_temperature") == wanted


def test_flash_when_days_pass_then_the_last_one_counts(box: Box) -> None:
    health = Health(box.buffer, box.root)
    written = []
    for step in range(1, 3 * 144 + 1):  # each ten minutes: a day of much, two of little
        mib = min(step, 144) * 10 + max(0, step - 144)
        box.at(uptime_s=600 * step, written_mib=mib)
        written.append(health.read()["flash_written"])
    assert (written[0], written[143], written[-1]) == (1440, 1440, 144)
    box.at(uptime_s=3 * DAY_S + 60, written_mib=5)
    assert "flash_written" not in health.read(), "another disk, looked at for a moment"


@pytest.mark.parametrize(
    ("said", "used"),
    [("0x01 0x01", 10), ("0x00 0x00", None), ("0x0b 0x03", 100), ("0x03 0x0a", 100), ("", None)],
)
def test_life_when_the_emmc_tells_it_in_tenths_then_percent_at_most(
    box: Box, said: str, used: Any
) -> None:
    box.put("sys/devices/mmc/block/mmcblk0/device/life_time", said + "\n")
    assert Health(box.buffer, box.root).read().get("flash_life_used") == used


def test_flash_when_the_buffer_is_on_a_mapped_device_then_the_disk_below(box: Box) -> None:
    device = box.buffer.stat().st_dev
    link = box.root / f"sys/dev/block/{os.major(device)}:{os.minor(device)}"
    link.unlink()
    mapped = box.root / "sys/devices/virtual/block/dm-0"
    (mapped / "slaves").mkdir(parents=True)
    (mapped / "slaves/mmcblk0p2").symlink_to(box.disk / "mmcblk0p2")
    link.symlink_to(mapped)
    box.put("sys/devices/mmc/block/mmcblk0/device/life_time", "0x01 0x01\n")
    assert Health(box.buffer, box.root).read()["flash_life_used"] == 10


def test_bands_when_a_channel_lies_in_one_then_its_name() -> None:
    assert [lte_band(n) for n in (0, 1300, 3599, 38400, 40936, 70000)] == [
        "B1", "B3", "B8", "B39", "B41", None,
    ]  # fmt: skip
    assert [nr_band(n) for n in (504990, 636666, 670000, 723360, 156490, 1)] == [
        "n41", "n78", "n77", "n79", "n28", None,
    ]  # fmt: skip
