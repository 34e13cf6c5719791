"""What a device takes: how much at once, and where it must not be touched.

The configuration gives the first limits; `learn` narrows them from what the device refuses. They
are frozen: a plan is a pure function of the device and its limits, and `revision` says when to plan
again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from drivers.api import DeviceSpec
from drivers.modbus.address import Range, parse_range

#: Answers carry their length in a byte, and a PDU is at most 253 bytes (V1.1b3 sections 4.1, 6.1,
#: 6.3).
MAX_REGISTERS = 125
MAX_BITS = 2000


def most_of(function: int) -> int:
    """What one read by this function, 1 to 4, can ask for."""
    return MAX_BITS if function <= 2 else MAX_REGISTERS


def data_bytes(function: int, count: int) -> int:
    """Bytes of the answer's data part for `count` registers or bits."""
    return 2 * count if function > 2 else (count + 7) // 8


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one device. Addresses are on the wire."""

    max_registers: int = MAX_REGISTERS
    max_bits: int = MAX_BITS
    holes: tuple[Range, ...] = ()  # never read to bridge; a tag inside one has a request to itself
    refused: tuple[Range, ...] = ()  # tags that were refused by themselves: holes, asked rarely
    cuts: tuple[tuple[str, int], ...] = ()  # (space, address): no request spans it; while learning
    revision: int = 0

    def to_json(self) -> dict[str, Any]:
        """What is worth keeping over a restart; cuts are not, they are questions still open."""
        return {
            "max_registers": self.max_registers,
            "max_bits": self.max_bits,
            "holes": [str(hole) for hole in self.holes],
            "refused": [str(refused) for refused in self.refused],
        }


@dataclass(frozen=True, slots=True)
class Declared:
    """What the file says of a device's limits, or the standard where it says nothing."""

    max_registers: int = MAX_REGISTERS
    max_bits: int = MAX_BITS
    holes: tuple[str, ...] = ()


def declared_of(device: DeviceSpec) -> Declared:
    """Unjudged: drivers/modbus/check says what is wrong with it."""
    return Declared(**dict(device.own))


def limits_of(device: DeviceSpec, kept: Mapping[str, Any] | None = None) -> Limits:
    """The limits that the configuration gives, narrowed by what `to_json` kept of an earlier run.

    Never above what the file allows. Raises AddressError for a hole that cannot be read, and
    ValueError, KeyError or TypeError where `kept` is not what `to_json` gave: start without it
    then.
    """
    said = declared_of(device)
    declared = tuple(parse_range(hole) for hole in said.holes)
    if kept is None:
        return Limits(said.max_registers, said.max_bits, tuple(sorted(set(declared))))
    learned = tuple(parse_range(hole) for hole in kept["holes"])
    return Limits(
        max_registers=max(1, min(said.max_registers, int(kept["max_registers"]))),
        max_bits=max(1, min(said.max_bits, int(kept["max_bits"]))),
        holes=tuple(sorted({*declared, *learned})),
        refused=tuple(sorted({parse_range(refused) for refused in kept["refused"]})),
    )
