"""Drivers by name, found without importing the ones that are not used.

A driver of this project is a folder `drivers/<name>`; one from elsewhere announces itself with an
entry point of the group "jiahe.drivers" that names its `DRIVER` object. A name of ours is never
replaced.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, cast

from drivers.api import BoxDriver, Driver, HostedDriver

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

ENTRY_POINTS = "jiahe.drivers"

#: Every driver here, and the module that offers it as `DRIVER`.
_OURS = {
    "dlt645": "drivers.dlt645",
    "modbus": "drivers.modbus",
    "mtconnect": "drivers.mtconnect",
    "s7": "drivers.s7",
}
#: The one that no device of a configuration names, and its module.
_BOX = ("box", "drivers.box")


class UnknownDriverError(LookupError):
    """No driver has this name; `names()` lists those there are."""


def ours() -> list[str]:
    """Every driver of this project, in order."""
    return sorted(_OURS)


def names() -> list[str]:
    """Every driver that can be used here, in order."""
    return sorted({*_OURS, *(point.name for point in _theirs())})


def get(name: str) -> Driver:
    """The driver, imported now if it was not before. Raises UnknownDriverError."""
    if name == _BOX[0]:
        return of_the_box()
    if module := _OURS.get(name):
        return cast(Driver, import_module(module).DRIVER)
    for point in _theirs():
        if point.name == name:
            return cast(Driver, point.load())
    raise UnknownDriverError(name)


@cache
def _theirs() -> tuple[EntryPoint, ...]:
    from importlib.metadata import entry_points  # here: it takes a megabyte, and few have others

    return tuple(entry_points(group=ENTRY_POINTS))


def is_hosted(name: str) -> bool:
    """Whether its links run in a process beside the daemon: its sources may push values."""
    driver = get(name)
    return isinstance(driver, HostedDriver) and not isinstance(driver, BoxDriver)


def of_the_box() -> BoxDriver:
    """The driver that reads the box itself; [box] of a configuration has it."""
    return cast(BoxDriver, import_module(_BOX[1]).DRIVER)


def lacks(name: str) -> tuple[str, ...]:
    """Keys of devices that this driver's have no use for, where it names some (`lacks`); none of a
    driver that is not known.
    """
    try:
        return tuple(getattr(get(name), "lacks", ()))
    except UnknownDriverError:
        return ()
