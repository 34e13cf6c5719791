"""Lines of an adapter (SHDR), without a socket.

    2026-11-30T08:00:00.123Z|Xact|12.5|execution|ACTIVE       pairs of key and value
    2026-11-30T08:00:00.123Z|system|FAULT|1010|||EMERGENCY    a condition: level, native code,
                                                              severity, qualifier, text
    2026-11-30T08:00:00.123Z|msg|17|coolant is low            a message: native code, text
    2026-11-30T08:00:00.123Z|wave|3|100|1 2 3                 a time series: count, rate, values
    * PONG 10000                                              of the adapter itself

No line says what kind it is; an agent knows by its model. Without one a condition is told by its
six fields and its level, a message by three, a time series by a number where a key would stand. A
key of one machine of several is `machine:key`. Values are taken as they stand.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from drivers.mtconnect.documents import UNAVAILABLE, Observation, time_ns

_LEVELS = ("NORMAL", "WARNING", "FAULT")
#: A bar that stands for itself, and one that does not.
_BAR = re.compile(r"(?<!\\)\|")
_TIMED = re.compile(r"@[\d.]+$")  # behind the time: how long an event lasted


class LineError(ValueError):
    """Not a line of an adapter."""


def pong_ms(line: str) -> int:
    """How often the adapter is to be asked whether it is there; 0: the line does not say."""
    found = re.fullmatch(r"\* ?PONG (\d{1,7})", line.strip(), re.IGNORECASE)
    return int(found[1]) if found else 0


def parse(line: str, conditions: Collection[str] = ()) -> list[Observation]:
    """What a line says, in order; of the adapter's own lines and of assets nothing. `conditions`:
    keys that are known to be some. Raises LineError.
    """
    line = line.strip()
    if not line or line.startswith("*"):
        return []
    stamp, *fields = (each.replace("\\|", "|").strip() for each in _BAR.split(line))
    if not fields:
        raise LineError(f"no bar in {line[:40]!r}")
    at_ns = time_ns(_TIMED.sub("", stamp))
    if not at_ns and not re.fullmatch(r"[\d.]*", stamp):  # some count milliseconds, some say none
        raise LineError(f"no time: {stamp[:40]!r}")
    key = fields[0]
    if key.startswith("@"):  # an asset
        return []
    if _is_condition(fields, conditions):
        return [_condition(at_ns, fields)]
    if len(fields) == 3:
        return [_said(at_ns, key, fields[2], code=fields[1])]
    if len(fields) == 4 and fields[2].replace(".", "", 1).isdecimal():
        return [_said(at_ns, key, fields[3])]
    values = [*fields, ""] if len(fields) % 2 else fields
    return [_said(at_ns, *pair) for pair in zip(values[::2], values[1::2], strict=True) if pair[0]]


def _is_condition(fields: Sequence[str], conditions: Collection[str]) -> bool:
    if fields[0] in conditions and len(fields) >= 2:
        return True
    if len(fields) != 6:
        return False
    level, qualifier = fields[1].upper(), fields[4].upper()
    if level == UNAVAILABLE:
        return not any(fields[2:])
    return level in _LEVELS and qualifier in ("", "HIGH", "LOW")


def _condition(at_ns: int, fields: Sequence[str]) -> Observation:
    key, level, code, _, _, text = [*fields, *[""] * 6][:6]
    return Observation(key, key, 0, at_ns, text, level=level.upper(), code=code, key=code)


def _said(at_ns: int, key: str, value: str, code: str = "") -> Observation:
    unavailable = value.upper() == UNAVAILABLE
    return Observation(key, key, 0, at_ns, UNAVAILABLE if unavailable else value, code=code)
