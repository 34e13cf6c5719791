"""What a key of the configuration is. The tables of gateway/config/schema.py are made of them, and
so is what a driver's devices have beyond it (`Driver.keys`).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

Kind = Literal[
    "text", "int", "bool", "duration", "size", "rate", "decimal", "choice",
    "deadband", "labels", "texts", "raws", "units", "in_flight", "packet", "table",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Key:
    """One key. `default`, `low` and `high` are in base units: nanoseconds, bytes.

    `example` is the value as TOML, the default where there is one. `only`: the types of link, or of
    tag, that have it; empty: all.
    """

    name: str
    kind: Kind
    example: str
    zh: str
    en: str
    default: Any = None
    required: bool = False
    low: int | Decimal | None = None
    high: int | Decimal | None = None
    choices: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    in_profiles: bool = False  # of a driver's own: a profile may say it for its devices
