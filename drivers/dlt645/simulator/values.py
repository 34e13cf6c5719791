"""What a simulated meter shows: numbers that move a little with each answer, as the standard packs
them.
"""

from __future__ import annotations

import zlib
from decimal import Decimal

from drivers.dlt645.identifiers import Value, value_of

PHASES = 64
#: When its demands occurred, YYMMDDhhmm, and its clock at step 0.
DEMAND_TIME = "2611201430"
_DATE = "26112005"

#: Least and greatest by unit; those of the last line where nothing is known.
_RANGES = {
    "V": ("215", "238"), "A": ("0.5", "48"), "kW": ("-3", "31"), "kvar": ("-2", "9"),
    "kVA": ("1", "33"), "Hz": ("49.9", "50.1"), "kWh": ("1200", "90000"), "°": ("0", "120"),
    "kvarh": ("300", "20000"), "kVAh": ("1300", "95000"), "%": ("0", "4"), "°C": ("-9", "41"),
    "min": ("1", "90"), "元": ("0", "900"), "": ("0", "0.999"),
}  # fmt: skip


def raw_value(identifier: str, step: int, seed: str) -> int:
    """The number behind an identifier as an integer of its last digit."""
    value = value_of(identifier)
    assert value is not None
    low, high = (Decimal(edge) for edge in _RANGES[value.unit])
    if not value.signed:
        low = max(low, Decimal(0))
    h = zlib.crc32(f"{seed}:{identifier}".encode())
    saw = (h + step % PHASES) % PHASES
    wave = 2 * saw if saw < PHASES // 2 else 2 * PHASES - 1 - 2 * saw
    exact = low + (high - low) * (saw if value.rises else wave) / (PHASES - 1)
    whole = int(exact / value.scale) if value.scale != 1 else wave
    return int(min(whole, 10 ** (2 * value.length) // (2 if value.signed else 1) - 1))


def pack(number: int, value: Value) -> bytes:
    """Packed decimal, low byte first; the top bit is the sign."""
    packed = bytearray(bytes.fromhex(f"{abs(number):0{2 * value.length}d}")[::-1])
    if number < 0:
        packed[-1] |= 0x80
    return bytes(packed)


def shown(identifier: str, step: int, seed: str) -> bytes | None:
    """The data behind an identifier; None: there is no such data."""
    value = value_of(identifier)
    if value is None:
        return None
    if value.type == "string":
        return f"{identifier}-{seed}".encode()[: value.length].ljust(value.length)[::-1]
    if identifier in ("04000101", "C010"):
        return bytes.fromhex(_DATE)[::-1]
    if identifier in ("04000102", "C011"):
        return bytes.fromhex(_clock(step))[::-1]
    if identifier == "0400010C":
        return bytes.fromhex(_DATE + _clock(step))[::-1]
    number = raw_value(identifier, step, seed)
    if value.type == "uint16":
        return number.to_bytes(value.length, "little")
    packed = pack(number, value)
    if len(identifier) == 8 and identifier.startswith("01"):
        packed += bytes.fromhex(DEMAND_TIME)[::-1]
    return packed


def _clock(step: int) -> str:
    return f"{step // 3600 % 24:02}{step // 60 % 60:02}{step % 60:02}"
