"""The registers and bits of one simulated device: an image for each step of its values.

Values repeat after 64 steps of the counter, so what a request shows is worked out once a step and
kept: answering is then a look-up, and a benchmark measures its client and not this.
"""

from __future__ import annotations

from collections.abc import Sequence

from drivers.modbus.address import Space
from drivers.modbus.simulator.values import PHASES, SimTag, encode, raw_value

_KEPT = 64 * PHASES


class Store:
    """Everything that a device shows but its counter. An address that no tag names holds 0."""

    def __init__(self, tags: Sequence[SimTag], seed: str) -> None:
        self.tags = tuple(tags)
        self.seed = seed
        self._words: dict[int, dict[tuple[Space, int], bytes]] = {}
        self._bits: dict[int, dict[tuple[Space, int], bool]] = {}
        self._seen: dict[tuple[Space, int, int, int], bytes] = {}

    def read(self, space: Space, address: int, count: int, counter: int) -> bytes:
        """The data part of an answer: two bytes a register, or eight bits a byte, lowest first."""
        phase = counter % PHASES
        key = (space, address, count, phase)
        data = self._seen.get(key)
        if data is None:
            if len(self._seen) >= _KEPT:
                self._seen.clear()
            data = self._seen[key] = self._show(space, address, count, phase)
        return data

    def _show(self, space: Space, address: int, count: int, phase: int) -> bytes:
        if phase not in self._words:
            self._draw(phase)
        if space in ("holding", "input"):
            words = self._words[phase]
            return b"".join(words.get((space, address + i), b"\0\0") for i in range(count))
        bits = self._bits[phase]
        number = sum(1 << i for i in range(count) if bits.get((space, address + i), False))
        return number.to_bytes((count + 7) // 8, "little")

    def _draw(self, phase: int) -> None:
        words: dict[tuple[Space, int], bytes] = {}
        bits: dict[tuple[Space, int], bool] = {}
        for tag in sorted(self.tags, key=lambda t: t.address.bit is not None):
            space, number, bit = tag.address.space, tag.address.number, tag.address.bit
            value = raw_value(tag, phase, self.seed)
            if not tag.address.is_register:
                bits[space, number] = bool(value)
            elif tag.type == "bool":
                word = int.from_bytes(words.get((space, number), b"\0\0"), "big")
                mask = 1 << (bit or 0)
                word = word | mask if value else word & ~mask
                words[space, number] = word.to_bytes(2, "big")
            else:
                data = encode(tag, value)
                for i in range(tag.registers):
                    words[space, number + i] = data[2 * i : 2 * i + 2]
        self._words[phase], self._bits[phase] = words, bits
