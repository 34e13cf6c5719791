"""The rooms of native/ that name no protocol, with the scales of docs/drivers/adding.md on them.

`python tests/toy/alone.py ROOMS`, where `native` is a copy in the folder ROOMS that has no other.
"""

from __future__ import annotations

import importlib.util
import socket
import sys
import threading
from pathlib import Path

from jiahe_weigh import DRIVER, _station

import native
from drivers.api import DeviceSpec, LinkSpec, TagSpec
from native.engine.link import Link
from native.engine.loop import Loop
from native.engine.rig import Rig
from tests.kit.scans import Box, Sample

SECOND, MS = 10**9, 1_000_000
REFUSED = 133
PROTOCOLS = ("modbus", "dlt645", "s7")


def device(link: LinkSpec, items: str) -> DeviceSpec:
    tags = tuple(TagSpec(f"item{item}", item, "int32", SECOND) for item in items)
    return DeviceSpec("scale", link, "weigh", tags, own=(("scale", 3),))


def link_of(spec: LinkSpec, items: str) -> tuple[Box, Link]:
    made = device(spec, items)
    assert DRIVER.check(made) == []
    box = Box(DRIVER.plan(made).groups)
    return box, Link(spec, [(_station(made), box.groups)])


def frame(*parts: int) -> bytes:
    told = bytes(parts)
    return told + bytes([sum(told) & 255])


def answer(item: int, number: int, value: int) -> bytes:
    return frame(ord("!"), 3, item, number, *value.to_bytes(4, "big", signed=True))


def ask(item: int, number: int) -> bytes:
    return frame(ord("?"), 3, item, number)


def in_virtual_time() -> None:
    """An answer, one that is late, one that is damaged, a refusal, noise, another master."""
    spec = LinkSpec("silo", "tcp", host="127.0.0.1", timeout_ns=300 * MS)
    box, link = link_of(spec, "12")
    rig = Rig(link)
    rig.open()
    begun = rig.now
    sent = rig.wait(begun + SECOND // 2)
    assert sent == ask(1, 1), sent
    rig.feed(b"\x00\xff" + answer(1, 1, -5)[:4])
    rig.feed(answer(1, 1, -5)[4:])
    assert rig.wait(begun + SECOND // 2) == ask(2, 2)
    rig.feed(frame(ord("-"), 3, 2, 2))  # there is no such item
    assert rig.wait(begun + SECOND) == ask(1, 3)
    assert rig.wait(begun + 2 * SECOND) == ask(1, 4), "again, on a new connection: it had rested"
    rig.feed(answer(1, 3, 77) + ask(1, 9) + answer(1, 4, 6))  # late, another master's, ours
    assert rig.wait(begun + 2 * SECOND + 500 * MS) == ask(2, 5)
    spoilt = answer(2, 5, 88)
    rig.feed(spoilt[:-1] + bytes([spoilt[-1] ^ 1]))
    assert rig.wait(begun + 2 * SECOND + 900 * MS) == ask(2, 6), "asked once more"
    rig.feed(answer(2, 6, 9))
    rig.finish()
    entries = box.seal()
    assert values(entries, "item1") == ["-5", "6"], entries
    assert values(entries, "item2") == [None, "9"], entries
    bad = [each.quality for each in entries if each.value is None]
    assert bad == [REFUSED], bad


def values(entries: list[Sample], tag: str) -> list[str | None]:
    return [each.value for each in entries if each.tag == tag]


def on_a_socket() -> None:
    """The loop's thread against a scale in another, until ten rows are there."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        spec = LinkSpec("silo", "tcp", host="127.0.0.1", tcp_port=server.getsockname()[1])
        fast = device(spec, "1")
        tags = tuple(TagSpec("item1", "1", "int32", 10 * MS) for _ in fast.tags)
        made = DeviceSpec("scale", spec, "weigh", tags, own=fast.own)
        box = Box(DRIVER.plan(made).groups)
        loop = Loop([Link(spec, [(_station(made), box.groups)])])
        thread = threading.Thread(target=loop.run)
        thread.start()
        wire, _ = server.accept()
        with wire:
            for value in range(11):
                asked = wire.recv(5, socket.MSG_WAITALL)
                wire.sendall(answer(asked[2], asked[3], value))
        loop.stop()
        thread.join()
    got = values(box.seal(), "item1")
    assert got[:10] == [str(value) for value in range(10)], got


def main(rooms: str) -> None:
    assert Path(native.__file__).is_relative_to(rooms), native.__file__
    there = [name for name in PROTOCOLS if importlib.util.find_spec(f"native.{name}")]
    assert there == [], there
    in_virtual_time()
    on_a_socket()
    mapped = Path("/proc/self/maps").read_text("utf-8")
    assert not [name for name in PROTOCOLS if f"native/{name}/" in mapped]


if __name__ == "__main__":
    main(sys.argv[1])
