"""A Modbus read, and the request that the native floor carries it in."""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import NamedTuple

from drivers.api import Framing, GroupPlan, Request
from drivers.modbus.limits import data_bytes, most_of

#: Function, address, count: as `native/modbus` reads them.
_SPEC = struct.Struct(">BHH")
#: Characters of a request, and of its answer: around the data, and each byte of these (MODBUS over
#: Serial Line V1.02, 2.5.1 and 2.5.2; Messaging on TCP/IP V1.0b, 3.1).
_CHARS: dict[Framing, tuple[int, int, int]] = {
    "rtu": (8, 5, 1), "ascii": (17, 11, 2), "tcp": (12, 9, 1),
}  # fmt: skip


class Read(NamedTuple):
    """One read request."""

    function: int  # 1 coils, 2 discrete inputs, 3 holding registers, 4 input registers
    address: int  # on the wire, from 0
    count: int  # type: ignore[assignment]  # registers, or bits; hides tuple.count, unused

    @property
    def data_bytes(self) -> int:
        return data_bytes(self.function, self.count)


@lru_cache(maxsize=1 << 12)  # devices alike ask alike, and share what that needs
def request_of(read: Read, framing: Framing = "tcp") -> Request:
    """The request of this read in a plan. Raises ValueError for what the protocol can't ask."""
    function, address, count = read
    if not (
        1 <= function <= 4 and 1 <= count <= most_of(function) and 0 <= address <= 65536 - count
    ):
        raise ValueError(f"no request can be {read}")
    ask, around, each = _CHARS[framing]
    size = read.data_bytes
    return Request(_SPEC.pack(function, address, count), (size,), ask, around + each * size)


@lru_cache(maxsize=1 << 12)
def read_of(spec: bytes) -> Read:
    """The other way round."""
    return Read(*_SPEC.unpack(spec))


def reads_of(group: GroupPlan) -> list[Read]:
    """What the plan asks, in order."""
    return [read_of(request.spec) for request in group.requests]
