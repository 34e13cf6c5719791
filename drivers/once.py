"""One reading of tags that need not be in any plan, while the device is scanned.

The requests go out when the device's turn comes, by the same engine, with its time-outs and what
its protocol knows of late answers: nothing is asked beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from threading import Event
from typing import Any

from drivers.api import BusyError, DeviceSpec, Driver, TagSpec
from native.block.latest import latest
from native.engine.link import Link
from native.engine.loop import Loop
from native.rows.group import Group, Pool

#: The longest that a reader waits.
MOST_S = 5.0
_LOOK_S = 0.005
#: A single reading gets its turn within this time, also where the link has more to ask than it can
#: carry; ns.
_WANTED_NS = 1_000_000_000


def newest(group: Group) -> list[dict[str, Any]]:
    """Tags of a group with their newest raw values, as `drivers.api.OpenedLinks.latest`."""
    row = latest(group)
    values = row[1] if row else [(None, 0)] * len(group.plan.tags)
    return [
        {"tag": tag, "raw": raw, "quality": quality, "time_ns": row[0] if row else 0}
        for tag, (raw, quality) in zip(group.plan.tags, values, strict=True)
    ]


def read(
    driver: Driver, spec: DeviceSpec, tags: Sequence[TagSpec], loop: Loop, link: Link, index: int
) -> list[dict[str, Any]]:
    """See `drivers.api.OpenedLinks.read`; the device is number `index` on `link`."""
    wanted = replace(spec, tags=tuple(replace(tag, every_ns=_WANTED_NS) for tag in tags))
    if problems := [each for each in driver.check(wanted) if each.severity == "error"]:
        raise ValueError(f"{problems[0].message} {dict(problems[0].args)}")
    found: list[dict[str, Any]] = []
    for plan in driver.plan(wanted).groups:
        group = Group(0, plan, Pool())
        if not loop.welcome(link, index, group):
            raise BusyError(spec.link.name)
        try:
            _wait(group)
        finally:
            loop.dismiss(link, group)
        found += newest(group)
    return found


def _wait(group: Group) -> None:
    """Until it has a row. Raises TimeoutError after MOST_S."""
    pause = Event()
    for _ in range(round(MOST_S / _LOOK_S)):
        if latest(group) is not None:
            return
        pause.wait(_LOOK_S)
    raise TimeoutError
