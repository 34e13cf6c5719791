"""A simulated CPU: its memory, what it grants, what is wrong with it, and its answers.

Code of its own: nothing here is shared with native/s7. It answers what a CPU answers that reads are
permitted from; a write is refused with the item code 03, as a CPU does that protects its memory.

Faults, switched while it runs:

    grant N          the longest PDU that it grants (240, 480, 960)
    jobs N           how many requests at once it grants
    real N           what it really takes, whatever it granted: longer is refused with 8500
    items N          answers the first N items only, as if those were all
    refuse HEX       answers every read with this error of the header (8104: PUT/GET not permitted)
    optimised N,N    data blocks that are optimised: their items come back with code 05
    missing N,N      data blocks that there are not: code 0A
    end N            data blocks end after N bytes
    spoilt N,N       bytes of DB1: a read of one of them is refused as a whole, with 8500
    state N          8 run, 4 stop; 0: the service is refused, as an S7-1200 does
    slow MS          answers that much later
    late MS          the same, for the answers that `one_in` picks
    mute             does not answer
    fragment N       ISO 8073 fragments of N bytes
    split N          TCP segments of N bytes
    fill             a fill byte behind the last item, too
    bare             a connection confirm without the size of its TPDU
    tsap HEX,HEX     hangs up on every other called TSAP
    drop             closes the connection instead of answering
    one_in N         late, drop: only each Nth answer
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, fields

from drivers.s7.simulator.values import SimTag, encode
from drivers.simulate_said import SimulatorError

_AREAS = {0x81: "I", 0x82: "Q", 0x83: "M", 0x84: "DB", 0x1C: "C", 0x1D: "T"}
_GONE, _OUTSIDE, _DENIED, _FINE = 0x0A, 0x05, 0x03, 0xFF


class FaultError(SimulatorError):
    """A fault that there is not, or a value that it cannot have."""


@dataclass(slots=True)
class Faults:
    """What is wrong with one CPU; nothing at first."""

    grant: int = 960
    jobs: int = 8
    real: int = 0
    items: int = 0
    refuse: int = 0
    optimised: tuple[int, ...] = ()
    missing: tuple[int, ...] = ()
    end: int = 0
    spoilt: tuple[int, ...] = ()
    state: int = 8
    slow: float = 0.0
    late: float = 0.0
    mute: bool = False
    fragment: int = 0
    split: int = 0
    fill: bool = False
    bare: bool = False
    tsap: tuple[int, ...] = ()
    drop: bool = False
    one_in: int = 1

    def set(self, name: str, text: str = "on") -> None:
        """Switch one fault. Raises FaultError."""
        if name not in NAMES:
            raise FaultError("no_fault", name=name, known=", ".join(NAMES))
        now = getattr(self, name)
        base = 16 if name in ("refuse", "tsap") else 10
        try:
            if isinstance(now, bool):
                made: object = {"on": True, "off": False}[text]
            elif isinstance(now, tuple):
                made = tuple(int(part, base) for part in text.split(",") if part != "off")
            else:
                made = float(text) if isinstance(now, float) else int(text, base)
        except (ValueError, KeyError) as error:
            raise FaultError("fault_value", name=name, value=text) from error
        setattr(self, name, made)

    def clear(self) -> None:
        clean = Faults()
        for one in fields(self):
            setattr(self, one.name, getattr(clean, one.name))


NAMES = tuple(one.name for one in fields(Faults))


class Plc:
    """One CPU. Everything in the server's thread but `faults`."""

    def __init__(self, tags: Sequence[SimTag] = (), name: str = "plc") -> None:
        self.name = name
        self.tags = tuple(tags)
        self.faults = Faults()
        self.counter = 0  # read requests answered: the values move with it
        self.memory: dict[tuple[str, int], bytearray] = {}
        for tag in self.tags:
            numbered = tag.address.numbered
            at = tag.address.number * (2 if numbered else 1)
            held = self.memory.setdefault((tag.address.area, tag.address.db), bytearray())
            held.extend(bytes(max(0, at + tag.size + tag.size % 2 - len(held))))

    def grow(self, area: str, db: int, size: int) -> bytearray:
        """Make an area that long at least; returns it."""
        held = self.memory.setdefault((area, db), bytearray())
        held.extend(bytes(max(0, size - len(held))))
        return held

    def step(self) -> None:
        """The values of the next read."""
        self.counter += 1
        self._draw()

    def struck(self) -> bool:
        """Whether the answer is one of those that `one_in` picks."""
        return self.faults.one_in <= 1 or self.counter % self.faults.one_in == 0

    def answer(self, pdu: bytes) -> bytes:
        """The PDU that answers a PDU; b"": none. Raises ValueError for what no CPU understands."""
        if len(pdu) < 10 or pdu[0] != 0x32:
            raise ValueError("no S7 PDU")
        kind, reference, params_n, data_n = struct.unpack(">BxxHHH", pdu[1:10])
        params, data = pdu[10 : 10 + params_n], pdu[10 + params_n :]
        if len(params) != params_n or len(data) != data_n or not params:
            raise ValueError("lengths that don't fit")
        if kind == 7:
            return self._state(reference)
        if kind != 1:
            raise ValueError("no job")
        if params[0] == 0xF0 and params_n == 8:
            return self._setup(reference, params)
        if params[0] == 4 and params_n >= 2:
            return self._read(reference, params, len(pdu))
        if params[0] == 5 and params_n >= 2:
            return _acknowledge(reference, params[:2], bytes([_DENIED] * params[1]))
        return _acknowledge(reference, b"", b"", error=0x8104)

    def _setup(self, reference: int, params: bytes) -> bytes:
        jobs, pdu = struct.unpack(">2xH2xH", params)
        jobs, pdu = min(jobs, self.faults.jobs), min(pdu, self.faults.grant)
        return _acknowledge(reference, struct.pack(">BxHHH", 0xF0, jobs, jobs, pdu), b"")

    def _read(self, reference: int, params: bytes, size: int) -> bytes:
        self.step()
        if self.faults.refuse:
            return _acknowledge(reference, b"", b"", error=self.faults.refuse)
        items = [params[2 + 12 * n : 14 + 12 * n] for n in range(params[1])]
        if len(params) != 2 + 12 * len(items):
            raise ValueError("items that don't fit")
        if self.faults.items:
            items = items[: self.faults.items]
        data = b""
        for number, item in enumerate(items):
            found = self._item(item)
            last = number + 1 == len(items)
            data += found + (b"\xa5" if len(found) % 2 and (not last or self.faults.fill) else b"")
        most = self.faults.real or self.faults.grant
        if size > most or 14 + len(data) > most or any(map(self._is_spoilt, items)):
            return _acknowledge(reference, b"", b"", error=0x8500)
        return _acknowledge(reference, bytes([4, len(items)]), data)

    def _is_spoilt(self, item: bytes) -> bool:
        count, db, at = *struct.unpack(">4xHH", item[:8]), int.from_bytes(item[9:], "big") // 8
        return item[8] == 0x84 and db == 1 and any(at <= n < at + count for n in self.faults.spoilt)

    def _item(self, item: bytes) -> bytes:
        kind, count, db, code = struct.unpack(">3xBHHB", item[:9])
        at = int.from_bytes(item[9:], "big")
        area = _AREAS.get(code, "")
        if area in ("T", "C"):
            first, size, form = 2 * at, 2 * count, 9
        elif kind == 1 and count == 1:
            first, size, form = at // 8, 1, 3
        else:
            first, size, form = at // 8, count * {2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 4, 8: 4}.get(
                kind, 0
            ), 4  # fmt: skip
        held = self.memory.get((area, db if area == "DB" else 0))
        if held is None or (area == "DB" and db in self.faults.missing):
            return bytes([_GONE, 0, 0, 0])
        end = self.faults.end if area == "DB" and self.faults.end else len(held)
        if (
            size == 0
            or first + size > min(end, len(held))
            or (area == "DB" and db in self.faults.optimised)
        ):
            return bytes([_OUTSIDE, 0, 0, 4])  # with a length and no data, as some have it
        data = bytes(held[first : first + size])
        if form == 3:
            return bytes([_FINE, 3, 0, 1, data[0] >> at % 8 & 1])
        return struct.pack(">BBH", _FINE, form, 8 * size if form == 4 else size) + data

    def _state(self, reference: int) -> bytes:
        """The system status list 0424, the only one here; a CPU that has it not says 8104."""
        head = bytes.fromhex("000112081284010000000000")
        if not self.faults.state:
            head = head[:-2] + b"\x81\x04"
            return struct.pack(">BB2xHHH", 0x32, 7, reference, 12, 4) + head + b"\x0a\0\0\0"
        record = bytes([2, 0x51, 0xFF, self.faults.state]) + bytes(16)
        data = struct.pack(">BBHHHHH", _FINE, 9, 28, 0x0424, 0, 20, 1) + record
        return struct.pack(">BB2xHHH", 0x32, 7, reference, 12, len(data)) + head + data

    def _draw(self) -> None:
        for tag in self.tags:
            at, data = tag.address, encode(tag, self.counter)
            held = self.memory[at.area, at.db]
            if tag.type == "bool":
                bit = max(0, at.bit)
                held[at.number] = held[at.number] & ~(1 << bit) | data[0] << bit
            else:
                first = at.number * (2 if at.numbered else 1)
                held[first : first + len(data)] = data


def _acknowledge(reference: int, params: bytes, data: bytes, error: int = 0) -> bytes:
    """An answer with its class and code of error. Refused as a whole it has no data, and kind 2."""
    kind = 2 if error else 3
    head = struct.pack(">BB2xHHHH", 0x32, kind, reference, len(params), len(data), error)
    return head + params + data
