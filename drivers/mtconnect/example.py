"""Rows and pushed values for the forecast of bytes: the machine that `jiahe-sim` serves, at work.

A tag whose data item that machine does not have moves by its type: a number at each of the
machine's steps, a text or a bool seldom.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from drivers.api import DeviceSpec, GroupPlan, TagSpec
from drivers.host.frames import Event
from drivers.host.pushing import HAND_OVER_NS
from drivers.host.values import encode
from drivers.mtconnect.address import Address, parse
from drivers.mtconnect.documents import DataItem, Document, Header, Observation
from drivers.mtconnect.follow import Follower
from drivers.mtconnect.machine import MACHINE, STEP_NS, Work, type_name
from drivers.mtconnect.reading import read

#: When the simulated machine's clock begins.
_BEGAN_NS = 1_700_000_000 * 10**9
#: Time between two values of one step of the machine, and how far a step's time varies; ns.
_APART_NS, _JITTER_NS = 40_000, 2_000_000
#: Time between two values when the box takes them; ns.
_TAKEN_NS = 30_000


def rows(group: GroupPlan, seed: str, count: int) -> list[bytes]:
    """The data of `count` successive scans."""
    machine = _Machine(group.tags, seed)
    tags = range(len(group.tags))
    made: list[bytes] = []
    for scan in range(1, count + 1):
        steps = scan * group.period_ns // STEP_NS - (scan - 1) * group.period_ns // STEP_NS
        if steps or not made:
            machine.step(max(1, steps))
            row = b"".join(value for _, value in map(machine.value, tags))
        made.append(row)
    return made


def pushes(
    device: DeviceSpec, group: GroupPlan, fastest_ns: int, seed: str, until_ns: int
) -> list[list[Event]]:
    """What comes of the group's tags that are reported on change, as `Pushing.pushes` has it. An
    agent sends what changed once a shortest period of its link, an adapter at once.
    """
    pushed = [
        number
        for number, tag in enumerate(group.tags)
        if tag.report == "change" and parse(tag.address).aspect != "time"
    ]
    if not pushed:
        return []
    is_adapter = device.framing == "shdr"
    wait_ns = HAND_OVER_NS if is_adapter else max(HAND_OVER_NS, min(fastest_ns, 10**9))
    machine = _Machine(group.tags, seed)
    last = {number: machine.value(number) for number in pushed}
    waiting: dict[int, list[Event]] = {}
    for step in range(1, until_ns // STEP_NS + 1):
        changed = machine.step()
        taken_ns = -(-step * STEP_NS // wait_ns) * wait_ns
        together = waiting.setdefault(taken_ns, [])
        for number in pushed:
            value = machine.value(number)
            if number in changed and value != last[number]:
                last[number] = value
                at_ns = taken_ns + len(together) * _TAKEN_NS
                together.append(Event(number, at_ns, changed[number], *value))
    return [together for together in waiting.values() if together]


class _Machine:
    """The machine, as a tag source knows it."""

    def __init__(self, tags: tuple[TagSpec, ...], seed: str) -> None:
        self._work = Work(seed)
        self._chance = random.Random(f"{seed} times")  # noqa: S311 - a simulation
        self._steps = 0
        self._follower = Follower()
        items = [
            DataItem(item, name, category, type_name(element), ("VMC-1",))
            for category, element, item, name, _, _ in MACHINE
        ]
        self._follower.probed(Document("Devices", Header("1"), tuple(items)))
        for category, _, item, _, _, value in MACHINE:
            level = "NORMAL" if category == "CONDITION" else ""
            self._follower.observe([Observation(item, item, 0, _BEGAN_NS, value, level=level)])
        self._tags = [(tag, parse(tag.address)) for tag in tags]
        self._items = [self._item(address) for _, address in self._tags]
        self._others = {
            number: _values(tag, f"{seed} {tag.name}")
            for number, (tag, _) in enumerate(self._tags)
            if not self._items[number]
        }
        self._other = {number: next(values) for number, values in self._others.items()}

    def step(self, steps: int = 1) -> dict[int, int]:
        """Steps of the machine: which tags may have changed, and when by its own clock."""
        self._steps += steps
        at_ns = _BEGAN_NS + self._steps * STEP_NS + self._chance.randrange(_JITTER_NS)
        when: dict[str, int] = {}
        for item, value in self._work.step(steps):
            at_ns += _APART_NS + self._chance.randrange(_APART_NS)
            when[item] = at_ns // 1000 * 1000
            self._follower.observe([Observation(item, item, 0, when[item], value)])
        changed = {number: when[item] for number, item in enumerate(self._items) if item in when}
        for number, values in self._others.items():
            self._other[number] = next(values)
            changed[number] = at_ns // 1000 * 1000
        return changed

    def value(self, number: int) -> tuple[int, bytes]:
        """(quality, bytes) of that tag now."""
        tag, address = self._tags[number]
        if number in self._other:
            return self._other[number]
        return read(self._follower, tag, address)

    def _item(self, address: Address) -> str:
        """The id of its data item; "" where the machine has none."""
        found = self._follower.find(address.item)
        return found.id if found else ""


def _values(tag: TagSpec, seed: str) -> Iterator[tuple[int, bytes]]:
    """Values, step by step, of a data item that the simulated machine does not have."""
    chance = random.Random(seed)  # noqa: S311 - a simulation
    value = chance.uniform(0, 100)
    state = 0
    while True:
        value += chance.gauss(0, 0.5)
        state += chance.random() < 0.002
        if tag.type in ("float32", "float64"):
            yield encode(tag, round(value, 4))
        elif tag.type == "string":
            yield encode(tag, ("ACTIVE", "READY", "O1234")[state % 3])
        elif tag.type == "bool":
            yield encode(tag, bool(state % 2))
        else:
            yield encode(tag, state)
