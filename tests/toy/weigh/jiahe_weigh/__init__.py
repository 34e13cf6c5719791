"""Scales: `address` is an item, 0 to 255; `scale` is the number set on the instrument."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from drivers.api import (
    DevicePlan,
    DeviceSpec,
    Field,
    GroupPlan,
    NativeDriver,
    Problem,
    Request,
    Speaker,
    Station,
    TagSpec,
)
from drivers.keys import Key
from drivers.words import Message

ASK_CHARS, ANSWER_CHARS, DATA_BYTES = 5, 9, 4
#: What a scale takes to answer, for the forecast of `jiahe check`.
ANSWER_NS = 20_000_000


class WeighDriver:
    """The `drivers.api.NativeDriver` of scales. Stateless; any thread."""

    name = "weigh"
    keys = (Key("scale", "int", "1", "秤上设的号", "its number", default=1, low=0, high=255),)
    lacks = ("unit", "framing")
    words: Mapping[str, Message] = {
        "weigh.address": Message(
            "地址 {text} 看不懂", "the address {text} makes no sense",
            "写项目号，0 到 255", "Write the number of an item, 0 to 255",
        ),
        "weigh.type": Message(
            "秤的值不能是 {type}", "a value of a scale can't be {type}",
            'type = "int32"', 'type = "int32"',
        ),
    }  # fmt: skip

    def check(self, device: DeviceSpec) -> list[Problem]:
        return [problem for tag in device.tags for problem in _wrong(tag)]

    def plan(self, device: DeviceSpec) -> DevicePlan:
        """A request a tag; a group a period."""
        periods: dict[int, list[TagSpec]] = {}
        for tag in device.tags:
            periods.setdefault(tag.every_ns, []).append(tag)
        chars_ns = (ASK_CHARS + ANSWER_CHARS) * device.link.char_ns
        groups = [
            GroupPlan(
                device=device.name,
                period_ns=period_ns,
                tags=tuple(tags),
                requests=tuple(
                    Request(bytes([int(tag.address)]), (DATA_BYTES,), ASK_CHARS, ANSWER_CHARS)
                    for tag in tags
                ),
                fields=tuple(
                    Field(part, 0, "int32", "ABCD", DATA_BYTES, -1) for part in range(len(tags))
                ),
                scan_ns=len(tags) * (ANSWER_NS + chars_ns),
            )
            for period_ns, tags in sorted(periods.items())
        ]
        return DevicePlan(device, tuple(groups))

    def example(self, group: GroupPlan, seed: str, count: int) -> list[bytes]:
        """A load that creeps: what `jiahe check` takes for the bytes a day."""
        rows = ((1000 + row // 10) * len(group.tags) for row in range(count))
        return [row.to_bytes(DATA_BYTES, "big") * len(group.tags) for row in rows]

    def speaker(self) -> Speaker:
        return Speaker(_station)

    def shares(self, device: DeviceSpec) -> bool:
        """Its frames have a mark, a number and a checksum: others may be on its line."""
        return True


def _wrong(tag: TagSpec) -> Iterator[Problem]:
    if not (tag.address.isdecimal() and int(tag.address) <= 255):
        yield Problem(("tags", tag.name, "address"), "weigh.address", {"text": tag.address})
    if tag.type != "int32":
        yield Problem(("tags", tag.name, "type"), "weigh.type", {"type": tag.type})


def _station(device: DeviceSpec) -> Station:
    from jiahe_weigh.protocol import PROTOCOL

    return Station(device.name, PROTOCOL, bytes([dict(device.own)["scale"]]), device.pause_ns)


DRIVER: NativeDriver = WeighDriver()
