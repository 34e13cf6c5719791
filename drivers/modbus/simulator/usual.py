"""Between which values a simulated tag moves, so that a trainee sees a plant and not noise.

A mains voltage stands near 220 V, not anywhere between its plausible limits. The range is looked up
by the tag's unit and kept within the limits of its profile; where the unit tells nothing it is the
middle tenth of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

Range = tuple[Decimal, Decimal]


def _range(low: str, high: str) -> Range:
    return Decimal(low), Decimal(high)


#: What a small machine shows at work.
_BY_UNIT: Mapping[str, Range] = {
    "V": _range("215", "225"), "A": _range("5", "7"), "mA": _range("8", "12"),
    "Hz": _range("49.95", "50.05"),
    "W": _range("2500", "3500"), "kW": _range("2.5", "3.5"),
    "var": _range("500", "700"), "kvar": _range("0.5", "0.7"),
    "VA": _range("2600", "3600"), "kVA": _range("2.6", "3.6"),
    "Wh": _range("8000000", "8006300"), "kWh": _range("8000", "8006.3"),
    "varh": _range("2000000", "2006300"), "kvarh": _range("2000", "2006.3"),
    "VAh": _range("9000000", "9006300"), "kVAh": _range("9000", "9006.3"),
    "°C": _range("35", "45"), "degC": _range("35", "45"), "K": _range("308", "318"),
    "%": _range("45", "55"), "%RH": _range("45", "55"),
    "rpm": _range("1440", "1460"), "r/min": _range("1440", "1460"),
    "rad": _range("-0.5", "0.5"), "rad/s": _range("-0.5", "0.5"),
    "bar": _range("5.8", "6.2"), "MPa": _range("0.58", "0.62"), "kPa": _range("580", "620"),
    "h": _range("1200", "1206.3"),
}  # fmt: skip
_BETWEEN_PHASES = _range("375", "385")
_BETWEEN_PHASES_FROM = 600  # V: a limit that a phase against neutral does not have
_POWER_FACTOR = _range("0.92", "0.98")
_ONE, _ZERO = _range("1", "1"), _range("0", "0")

#: Meters: they rise, and start over when the values repeat.
RISING = frozenset({"Wh", "kWh", "varh", "kvarh", "VAh", "kVAh", "h"})


def usual(unit: str, low: Decimal | None, high: Decimal | None) -> Range | None:
    """The range of a tag with these plausible limits, in its unit; None: nothing is known of it."""
    found = _BY_UNIT.get(unit)
    if low is None or high is None:
        return found
    if unit == "V" and high >= _BETWEEN_PHASES_FROM:
        found = _BETWEEN_PHASES
    if not unit and -2 < low <= -1 and 1 <= high < 2:
        found = _POWER_FACTOR
    if not unit and 0 < low <= 1 < high:
        found = _ONE  # a ratio, or a version
    if not unit and low == 0 and high <= 255:
        found = _ZERO  # a code: all is well
    if found is not None and low <= found[0] and found[1] <= high:
        return found
    middle, part = (low + high) / 2, (high - low) / 20
    return middle - part, middle + part
