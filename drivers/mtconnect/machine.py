"""The machine that simulated agents and adapters serve, and how its values look in XML."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from xml.sax.saxutils import quoteattr

NAMESPACE = "urn:mtconnect.org:MTConnect{}:1.3"
#: category, element, id, name, component, begins with
MACHINE = (
    ("EVENT", "Availability", "avail", "avail", "Device", "AVAILABLE"),
    ("EVENT", "ControllerMode", "mode", "mode", "Controller", "AUTOMATIC"),
    ("EVENT", "Execution", "exec", "execution", "Path", "ACTIVE"),
    ("EVENT", "EmergencyStop", "estop", "estop", "Controller", "ARMED"),
    ("EVENT", "Program", "pgm", "program", "Path", "O1234"),
    ("EVENT", "Line", "line", "line", "Path", "0"),
    ("EVENT", "PartCount", "pc", "part_count", "Path", "0"),
    ("EVENT", "ToolId", "tool", "tool_id", "Path", "1"),
    ("EVENT", "Message", "msg", "message", "Controller", ""),
    ("SAMPLE", "Position", "xabs", "Xabs", "Linear", "0"),
    ("SAMPLE", "Position", "yabs", "Yabs", "Linear", "0"),
    ("SAMPLE", "Position", "zabs", "Zabs", "Linear", "0"),
    ("SAMPLE", "PathPosition", "ppos", "path_pos", "Path", "0 0 0"),
    ("SAMPLE", "PathFeedrate", "frt", "Frt", "Path", "0"),
    ("SAMPLE", "SpindleSpeed", "sspd", "Sspeed", "Rotary", "0"),
    ("SAMPLE", "Load", "sload", "Sload", "Rotary", "0"),
    ("CONDITION", "SYSTEM", "sys", "system", "Controller", "Normal"),
    ("CONDITION", "LOGIC_PROGRAM", "logic", "logic", "Controller", "Normal"),
)


#: Time between two steps of the machine at work; ns.
STEP_NS = 100_000_000


class Work:
    """A machine that cuts: what changes, step by step. Without a clock."""

    def __init__(self, seed: str) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - a simulation
        self._x, self._line, self._parts = 0.0, 0, 0

    def step(self, steps: int = 1) -> list[tuple[str, str]]:
        """The data items that change in so many steps, in order, and their new values."""
        self._x += self._chance.gauss(0, math.sqrt(steps))
        x = self._x
        self._line += steps
        changed = [
            ("xabs", f"{x:.4f}"),
            ("ppos", f"{x:.4f} {-x:.4f} {x / 2:.4f}"),
            ("sspd", f"{8000 + self._chance.gauss(0, 5):.1f}"),
            ("sload", f"{40 + self._chance.gauss(0, 3):.1f}"),
            ("line", str(self._line)),
        ]
        if self._line // 100 != self._parts:
            self._parts = self._line // 100
            changed.append(("pc", str(self._parts)))
        return changed


class Seen(NamedTuple):
    """One observation in the ring."""

    sequence: int
    item: str
    value: str  # of a condition: its level
    at: str
    code: str = ""
    text: str = ""


def boxes_of(seen: Iterable[Seen]) -> str:
    """What a ComponentStream holds."""
    kinds = {item: (category, element) for category, element, item, _, _, _ in MACHINE}
    boxes: dict[str, list[str]] = {"SAMPLE": [], "EVENT": [], "CONDITION": []}
    for each in seen:
        category, element = kinds[each.item]
        head = f'dataItemId="{each.item}" sequence="{each.sequence}" timestamp="{each.at}"'
        if category == "CONDITION":
            code = f" nativeCode={quoteattr(each.code)}" if each.code else ""
            boxes[category].append(
                f'<{each.value} {head} type="{element}"{code}>{text_of(each.text)}</{each.value}>'
            )
        else:
            boxes[category].append(f"<{element} {head}>{text_of(each.value)}</{element}>")
    return "".join(
        f"<{name}>{''.join(boxes[key])}</{name}>"
        for key, name in (
            ("SAMPLE", "Samples"),
            ("EVENT", "Events"),
            ("CONDITION", "Condition"),
        )
        if boxes[key]
    )


def stamp() -> str:
    """The present time by the machine's own clock."""
    since = timedelta(microseconds=time.clock_gettime_ns(time.CLOCK_REALTIME) // 1000)
    return (datetime(1970, 1, 1, tzinfo=UTC) + since).isoformat().replace("+00:00", "Z")


def text_of(value: str) -> str:
    return value.replace("&", "&amp;").replace("<", "&lt;")


def type_name(element: str) -> str:
    """PathFeedrate as the model has it: PATH_FEEDRATE."""
    if element.isupper():
        return element
    return "".join("_" + c if c.isupper() and i else c for i, c in enumerate(element)).upper()
