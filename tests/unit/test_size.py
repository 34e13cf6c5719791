"""Very many devices alike: what one more costs is its rows, whatever the number of its tags."""

from __future__ import annotations

import ctypes
import gc
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from drivers.api import DeviceSpec, LinkSpec, OpenedLinks, TagSpec
from drivers.modbus.planner import plan_device
from drivers.scan import open_links
from gateway.report.recent import Recent
from native.rows.group import Group
from tests.kit.scans import data_bytes

SECOND = 10**9
DEVICES = 60


class _Heap(ctypes.Structure):
    """struct mallinfo2 of <malloc.h>."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks",
            "fordblks", "keepcost",
        )
    ]  # fmt: skip


def heap_bytes() -> int:
    """What the C library has given out."""
    mallinfo = ctypes.CDLL(None).mallinfo2
    mallinfo.restype = _Heap
    found = mallinfo()
    return int(found.uordblks + found.hblkhd)


@cache
def alike(tags: int) -> tuple[TagSpec, ...]:
    return tuple(TagSpec(f"t{i}", f"holding:{2 * i}", "float32", SECOND) for i in range(tags))


def opened(tags: int, devices: int = DEVICES) -> OpenedLinks:
    plans = []
    for number in range(devices):
        link = LinkSpec(f"l{number}", "tcp", host=f"127.0.0.{number + 1}")
        plans.append((link, [plan_device(DeviceSpec(f"d{number}", link, "modbus", alike(tags)))]))
    return open_links(plans, 0, {})


def cost(measured: Callable[[], int], tags: int) -> float:
    """Bytes a device, beside those of the first ones, that share theirs with all that follow."""
    kept: list[Any] = [opened(tags, 2)]
    gc.collect()
    before = measured()
    kept.append(opened(tags))
    gc.collect()
    return (measured() - before) / DEVICES


def test_device_with_more_tags_costs_no_more_objects() -> None:
    tracemalloc.start()
    try:
        few, many = (cost(lambda: tracemalloc.get_traced_memory()[0], tags) for tags in (10, 600))
    finally:
        tracemalloc.stop()
    assert many - few < 1024  # a learner waits for each of ten requests, not of one


def test_device_with_more_tags_costs_native_memory_for_its_rows_only() -> None:
    few, many = (cost(heap_bytes, tags) for tags in (10, 600))
    rows = 2 * 600 * 4  # the row in progress and the newest one
    assert many - few < rows + 2048


def test_look_at_all_devices_makes_no_object_a_tag() -> None:
    made = opened(600)
    for group in made.groups:
        _scan(group)
    (runner,) = made.runners
    runner.devices(True)  # what the first one makes for good
    tracemalloc.start()
    try:
        found = runner.devices(True)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(found) == DEVICES
    assert peak / DEVICES < 4096


def _scan(group: Group) -> None:
    """One whole row."""
    requests = group.plan.requests
    group.push(0, 0, 0, bytes([1] * len(requests)), bytes(data_bytes(group.plan)))


@pytest.mark.parametrize("brief", [False, True])
def test_devices_alike_are_told_apart_all_the_same(brief: bool) -> None:
    made = opened(3, 2)
    one, other = made.groups
    _scan(one)
    other.push(0, 0, 0, bytes([133]), bytes(12))
    assert [row["quality"] for row in made.latest("d0")] == [1, 1, 1]
    assert [row["quality"] for row in made.latest("d1")] == [133, 133, 133]
    assert one.plan.tags is other.plan.tags
    found = made.runners[0].devices(brief)
    assert [each["name"] for each in found] == ["d0", "d1"]


def test_looks_of_a_minute_are_kept_as_numbers() -> None:
    """Twelve looks at a device take less than one device takes otherwise."""
    made = opened(3)
    (runner,) = made.runners
    recent, seen = Recent(), 0
    tracemalloc.start()
    try:
        for second in range(0, 70, 5):
            links, devices = runner.links(), runner.devices(True)
            recent.look(links, devices, (second + 10) * SECOND)
            recent.forget((second + 10) * SECOND)
        del links, devices
        seen, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert seen / DEVICES < 2048


_HEAP = """
import ctypes, sys, threading
from native import heap
heap.settle(1000)
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.fopen.restype = ctypes.c_void_p
libc.free.argtypes = libc.fclose.argtypes = [ctypes.c_void_p]
libc.malloc_info.argtypes = [ctypes.c_int, ctypes.c_void_p]
together, first, kept = threading.Barrier(8), [], []
def use():
    together.wait()
    for _ in range(100):
        kept.append(libc.malloc(1000))
threads = [threading.Thread(target=use) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
for _ in range(2):  # after a first large block is freed, glibc would keep the next
    libc.free(libc.malloc(8 << 20))
    kept.append(libc.malloc(4 << 20))
out = libc.fopen(sys.argv[1].encode(), b"w")
libc.malloc_info(0, out)
libc.fclose(out)
"""


def test_heap_when_many_threads_use_it_has_two_arenas_and_keeps_no_large_block(
    tmp_path: Path,
) -> None:
    told = tmp_path / "heap.xml"
    subprocess.run([sys.executable, "-c", _HEAP, str(told)], check=True)
    found = ElementTree.parse(told).getroot()
    assert len(found.findall("heap")) <= 2
    (mapped,) = [each for each in found.findall("total") if each.get("type") == "mmap"]
    assert int(mapped.attrib["count"]) >= 2, "large blocks go back to the system when freed"
