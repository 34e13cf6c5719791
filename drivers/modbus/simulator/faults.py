"""What can be wrong with a simulated device, switched while it runs.

    slow MS        answers that much later (on a bus: over its answer time)
    late MS        the same, for the answers that `one_in` picks: the rest come in time
    mute           does not answer
    noise N        flips one bit in about one byte of N
    garbage N      N random bytes before and N after each answer
    truncate N     sends the first N bytes of an answer only
    wrong WHAT     answers for another unit, transaction, function or count (a byte count that lies)
    exception N    answers everything with exception N
    max_registers N, max_bits N     refuses longer reads, with `refusal`
    holes R,R      refuses reads that touch these addresses ("holding:10-19"), with `refusal`
    refusal N      2 (illegal data address) or any other exception code
    split N        sends answers in pieces of N bytes (TCP: a segment each)
    trickle MS     sends a byte each MS (TCP)
    drop           closes the connection instead of answering (TCP)
    echo           returns the request before the answer, as some two-wire adapters do
    one_in N       late, garbage, truncate, wrong, drop: only each Nth answer (1: each)

`mute`, `drop` and `echo` take on or off; without a value they mean on.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, fields

from drivers.modbus.address import AddressError, Range, parse_range
from drivers.modbus.limits import MAX_BITS, MAX_REGISTERS
from drivers.simulate_said import SimulatorError

WRONG = ("unit", "transaction", "function", "count")


class FaultError(SimulatorError):
    """A fault that there is not, or a value that it cannot have; says which and what would be
    right.
    """


class CommandError(FaultError):
    """A line that is no command at all."""


@dataclass(slots=True)
class Faults:
    """The faults of one device; all off at first. Set them from any thread."""

    slow: float = 0.0
    late: float = 0.0
    mute: bool = False
    noise: int = 0
    garbage: int = 0
    truncate: int = 0
    wrong: str = ""
    exception: int = 0
    max_registers: int = MAX_REGISTERS
    max_bits: int = MAX_BITS
    holes: tuple[Range, ...] = ()
    refusal: int = 2
    split: int = 0
    trickle: float = 0.0
    drop: bool = False
    echo: bool = False
    one_in: int = 1
    random: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311 - noise, no secret
    _answers: int = 0
    spoils: bool = False  # whether any fault is on that touches frames

    def set(self, name: str, value: str = "on") -> None:
        """Switch one fault. Raises FaultError."""
        if name not in NAMES:
            raise FaultError("no_fault", name=name, known=", ".join(NAMES))
        now = getattr(self, name)
        try:
            if isinstance(now, bool):
                setattr(self, name, {"on": True, "off": False}[value])
            elif name == "holes":
                self.holes = tuple(parse_range(part) for part in value.split(",") if part)
            elif name == "wrong":
                if value not in (*WRONG, "off"):
                    raise ValueError(value)
                self.wrong = "" if value == "off" else value
            else:
                setattr(self, name, type(now)(value))
        except (ValueError, KeyError, AddressError) as error:
            raise FaultError("fault_value", name=name, value=value) from error
        self._mark()

    def clear(self) -> None:
        """Everything off."""
        clean = Faults()
        for one in fields(self):
            if one.name not in ("random", "_answers"):
                setattr(self, one.name, getattr(clean, one.name))

    def strikes(self) -> bool:
        """Whether this answer is one of those that `one_in` picks. Counts: once an answer."""
        self._answers += 1
        return self.one_in <= 1 or self._answers % self.one_in == 0

    def lie(self, unit: int, transaction: int, pdu: bytes) -> tuple[int, int, bytes]:
        """The answer with the one thing wrong that `wrong` names."""
        if self.wrong == "unit":
            return unit % 247 + 1, transaction, pdu
        if self.wrong == "transaction":
            return unit, (transaction + 1) % 65536, pdu
        if self.wrong == "function":
            return unit, transaction, bytes([pdu[0] ^ 1]) + pdu[1:]
        if self.wrong == "count" and len(pdu) > 1:
            return unit, transaction, pdu[:1] + bytes([pdu[1] ^ 2]) + pdu[2:]
        return unit, transaction, pdu

    def damage(self, frame: bytes, struck: bool) -> bytes:
        """The frame as the wire leaves it."""
        if struck and self.truncate:
            frame = frame[: self.truncate]
        if self.noise:
            spoilt = bytearray(frame)
            for i in range(len(spoilt)):
                if self.random.randrange(self.noise) == 0:
                    spoilt[i] ^= 1 << self.random.randrange(8)
            frame = bytes(spoilt)
        if struck and self.garbage:
            before, after = self.random.randbytes(self.garbage), self.random.randbytes(self.garbage)
            frame = before + frame + after
        return frame

    def _mark(self) -> None:
        clean = Faults()
        self.spoils = any(
            getattr(self, name) != getattr(clean, name)
            for name in ("slow", "late", "mute", "noise", "garbage", "truncate", "wrong",
                         "exception", "split", "trickle", "drop", "echo")
        )  # fmt: skip


#: Every fault that can be switched.
NAMES = tuple(f.name for f in fields(Faults) if f.name not in ("random", "_answers", "spoils"))
