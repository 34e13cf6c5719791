"""One simulated slave: request PDUs in, answer PDUs out.

Answers functions 1, 2, 3, 4 (V1.1b3 sections 6.1 to 6.4), 8/0 return query data (6.8), 17 report
server id (6.13) and 43/14 device identification (6.21). Every other function, all that write among
them, is refused with exception 1.

A 32-bit counter, high word first, lies in a register pair of the holding and of the input
registers. It rises by one with each answer that carries the pair whole, before it is put in, so the
first answer says 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from drivers.modbus.address import Range, Space
from drivers.modbus.limits import MAX_REGISTERS, most_of
from drivers.modbus.simulator.book import Book
from drivers.modbus.simulator.faults import Faults
from drivers.modbus.simulator.store import Store

_SPACE: Mapping[int, Space] = {1: "coil", 2: "discrete", 3: "holding", 4: "input"}
_ILLEGAL_FUNCTION, _ILLEGAL_ADDRESS, _ILLEGAL_VALUE = 1, 2, 3
_OBJECTS = (b"Jiahe", b"SIM", b"1.0")  # vendor, product code, revision: ids 0, 1, 2


class Answer(NamedTuple):
    """An answer PDU, and the counter that it carries (0: none)."""

    pdu: bytes
    counter: int


class Unit:
    """A slave with a number, a name for the book, its registers and its faults."""

    def __init__(
        self, number: int, name: str, store: Store, counters: Mapping[Space, int], book: Book
    ) -> None:
        self.number = number
        self.name = name
        self.store = store
        self.counter_at = dict(counters)
        self.book = book
        self.faults = Faults()
        self.max_registers = MAX_REGISTERS  # of the make; faults.max_registers comes on top
        self.holes: tuple[Range, ...] = ()  # likewise
        self.counter = 0
        self.requests = 0

    def answer(self, pdu: bytes) -> Answer:
        """What a healthy slave with these limits says; frame faults come later."""
        self.requests += 1
        function = pdu[0]
        if self.faults.exception:
            return self._refuse(function, self.faults.exception)
        space = _SPACE.get(function)
        if space is not None:
            return self._read(function, space, pdu)
        if function == 8 and pdu[1:3] == b"\0\0" and len(pdu) >= 5:
            return Answer(pdu, 0)
        if function == 17 and len(pdu) == 1:
            told = bytes([self.number, 0xFF]) + b"jiahe-sim"
            return Answer(bytes([17, len(told)]) + told, 0)
        if function == 43 and len(pdu) == 4 and pdu[1] == 14:
            return self._identify(pdu[2], pdu[3])
        return self._refuse(function, _ILLEGAL_FUNCTION)

    def _read(self, function: int, space: Space, pdu: bytes) -> Answer:
        if len(pdu) != 5:
            return self._refuse(function, _ILLEGAL_VALUE)
        address = pdu[1] << 8 | pdu[2]
        count = pdu[3] << 8 | pdu[4]
        faults = self.faults
        bits = function < 3
        if not 1 <= count <= most_of(function):
            return self._refuse(function, _ILLEGAL_VALUE)
        if address + count > 65536:
            return self._refuse(function, _ILLEGAL_ADDRESS)
        most = faults.max_bits if bits else min(self.max_registers, faults.max_registers)
        if count > most:
            return self._refuse(function, faults.refusal)
        if self.holes or faults.holes:
            asked = Range(space, address, address + count - 1)
            if any(hole.meets(asked) for hole in (*self.holes, *faults.holes)):
                return self._refuse(function, faults.refusal)
        at = self.counter_at.get(space, -1) - address
        carried = 0
        if at >= 0 and at + 2 <= count:
            self.counter = carried = self.counter % 0xFFFFFFFF + 1
        data = self.store.read(space, address, count, self.counter)
        if carried:
            data = data[: 2 * at] + carried.to_bytes(4, "big") + data[2 * at + 4 :]
        return Answer(bytes([function, len(data)]) + data, carried)

    def _identify(self, code: int, first: int) -> Answer:
        """Basic identification, as a stream (codes 1 to 3) or one object (code 4)."""
        if code not in (1, 2, 3, 4):
            return self._refuse(43, _ILLEGAL_VALUE)
        if code == 4 and first >= len(_OBJECTS):
            return self._refuse(43, _ILLEGAL_ADDRESS)
        start = first if first < len(_OBJECTS) else 0
        chosen = _OBJECTS[start : start + 1] if code == 4 else _OBJECTS[start:]
        told = b"".join(bytes([start + i, len(o)]) + o for i, o in enumerate(chosen))
        return Answer(bytes([43, 14, code, 0x81, 0, 0, len(chosen)]) + told, 0)

    @staticmethod
    def _refuse(function: int, code: int) -> Answer:
        return Answer(bytes([function | 0x80, code]), 0)
