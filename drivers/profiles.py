"""Profiles by name: tag lists of makes and models, shipped beside the driver that reads them."""

from __future__ import annotations

import tomllib
from pathlib import Path

_HERE = Path(__file__).parent


class UnknownProfileError(LookupError):
    """No shipped profile has this name; `names()` lists those there are."""


def names(driver: str | None = None) -> list[str]:
    """Every shipped profile, or those of one driver, in order."""
    shipped = _HERE.glob("*/profiles/*.toml")
    return sorted(path.stem for path in shipped if driver in (None, path.parts[-3]))


def find(name: str) -> Path:
    """The file of a shipped profile. Raises UnknownProfileError."""
    for path in _HERE.glob("*/profiles/*.toml"):
        if path.stem == name:
            return path
    raise UnknownProfileError(name)


def driver_of(path: Path) -> str:
    """The driver that a profile or a map is of; "modbus" where it says none, or can't be read."""
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return "modbus"
    profile = document.get("profile")
    return str(profile.get("driver", "modbus")) if isinstance(profile, dict) else "modbus"
