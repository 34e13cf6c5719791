"""A meter: what it answers to a frame, and what can be wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from drivers.dlt645.identifiers import Block, block_of
from drivers.dlt645.simulator.frames import Frame
from drivers.dlt645.simulator.values import shown

_READ, _MORE, _ADDRESS, _READ_1997 = 0x11, 0x12, 0x13, 0x01
_ANSWER, _ERROR, _FOLLOWS = 0x80, 0x40, 0x20
_NO_DATA = 0x02
_DATA_MAX = 200


@dataclass(slots=True)
class Faults:
    """Each of them was met in the field."""

    mute: bool = False
    no_blocks: bool = False  # refuses what ends in FF
    refuses: frozenset[str] = frozenset()  # identifiers that it does not have
    error: int = _NO_DATA  # the error word of a refusal
    phases: int = 3  # 1: a block of phases brings one
    piece: int = _DATA_MAX  # bytes of data a frame: the rest in further frames
    preamble: int = 4  # FE in front of an answer
    any_address: bool = False  # answers as AA…AA
    damage: bool = False  # a character of each answer is wrong
    answer_ms: float = 20.0


@dataclass(slots=True)
class Meter:
    """`address`: the twelve digits on its plate. `fixed`: data behind identifiers that stay as they
    are, in the wire's order.
    """

    address: str
    tariffs: int = 4
    seed: str = "0"
    fixed: Mapping[str, bytes] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    step: int = 0  # rises with each answer
    _rest: dict[str, tuple[int, bytes]] = field(default_factory=dict)

    def hears(self, address: str) -> bool:
        """Whether a frame to this address is for it: AA stands for any two digits."""
        return all(
            address[at : at + 2].upper() in ("AA", self.address[at : at + 2])
            for at in range(0, 12, 2)
        )

    def answer(self, asked: Frame) -> Frame | None:
        """None: it says nothing."""
        if self.faults.mute or not self.hears(asked.meter):
            return None
        name = "AA" * 6 if self.faults.any_address else self.address
        if asked.control == _ADDRESS and not asked.data:
            return Frame(name, _ADDRESS | _ANSWER, bytes.fromhex(self.address)[::-1])
        size = {_READ: 4, _MORE: 5, _READ_1997: 2}.get(asked.control)
        if size is None:
            return None  # it sets or clears something: not for a reader's meter
        if len(asked.data) != size:
            return self._error(name, asked, 0x01)
        if asked.control == _MORE:
            return self._further(name, asked)
        data = self._data(asked.data[::-1].hex().upper())
        if data is None:
            return self._error(name, asked, self.faults.error)
        self.step += 1
        return self._first(name, asked, data)

    def _first(self, name: str, asked: Frame, data: bytes) -> Frame:
        room = min(self.faults.piece, _DATA_MAX - len(asked.data))
        code = asked.control | _ANSWER
        if len(data) > room:
            self._rest[asked.data.hex()] = (1, data[room:])
            code |= _FOLLOWS
        return Frame(name, code, asked.data + data[:room])

    def _further(self, name: str, asked: Frame) -> Frame:
        identifier, number = asked.data[:4], asked.data[4]
        due, rest = self._rest.get(identifier.hex(), (0, b""))
        if number != due or not rest:
            return self._error(name, asked, 0x01)
        room = min(self.faults.piece, _DATA_MAX - len(asked.data))
        code = _MORE | _ANSWER
        if len(rest) > room:
            code |= _FOLLOWS
            self._rest[identifier.hex()] = (number + 1, rest[room:])
        return Frame(name, code, identifier + rest[:room] + bytes([number]))

    def _error(self, name: str, asked: Frame, word: int) -> Frame:
        return Frame(name, asked.control | _ANSWER | _ERROR, bytes([word]))

    def _data(self, identifier: str) -> bytes | None:
        if identifier in self.faults.refuses:
            return None
        if identifier in self.fixed:
            return self.fixed[identifier]
        block = block_of(identifier)
        if block is None:
            return shown(identifier, self.step, self.seed)
        if self.faults.no_blocks:
            return None
        brought = [
            self.fixed.get(item) or shown(item, self.step, self.seed) or b""
            for item in block.items[: self._items(block)]
        ]
        return b"".join(brought)

    def _items(self, block: Block) -> int:
        if block.open:
            return self.tariffs + 1
        if block.identifier.startswith("02"):
            return len(block.items) * self.faults.phases // 3
        return len(block.items)
