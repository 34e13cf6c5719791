"""What passes between the daemon and a host, on one local socket.

A frame is the length of its payload (u32), its kind (u8) and the payload, big-endian. The daemon
sends CONFIG when the host has started, GO when it is ready, and UTC; all else comes from the host.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Collection, Iterable
from typing import Any, Final, NamedTuple

CONFIG: Final = 1  # JSON: what to read
GO: Final = 2  # JSON: group number -> [boot time of tick 0 in ns, the next tick, aligned, shift]
READY: Final = 3  # empty: the driver is imported
ROW: Final = 4  # a `Row`
STATE: Final = 5  # JSON: how links and devices are; also the sign of life
EVENTS: Final = 6  # of one group: what its source pushed
UTC: Final = 7  # JSON: how far UTC is ahead of the boot clock, in ns; when that is known or changes

#: Nothing that either side has to say is longer: 300,000 statuses and their bytes fit.
FRAME_BYTES_MAX: Final = 16 << 20

_HEAD = struct.Struct(">IB")
_ROW = struct.Struct(">IQqIQQ?qI")
_EVENTS = struct.Struct(">IQ")
_EVENT = struct.Struct(">HqqBH")


class FrameError(ValueError):
    """The other side does not keep to this format."""


class Next(NamedTuple):
    """When a host scans next, as its `native.rows.ticks.Schedule` has it."""

    tick: int
    passed: int = 0  # the last tick that no multiple of the period fell to; 0: none
    shift_ns: int | None = None  # ticks are due so much later than their numbers say


class Row(NamedTuple):
    """One scan. `status`: a quality a tag; `data`: the tags' bytes one after another. When it
    scans next the host alone decides, while it lives: two that follow UTC each by itself may part
    by a period.
    """

    group: int
    tick: int
    mid_ns: int  # boot clock
    half_span_us: int
    status: bytes
    data: bytes
    next: Next


class Event(NamedTuple):
    """One value that a source pushed."""

    tag: int  # which of its group
    at_ns: int  # boot clock: when the box took it
    source_ns: int  # since 1970 by the source's own clock; 0: it said none
    quality: int
    data: bytes  # as in a row


def pack(kind: int, payload: bytes = b"") -> bytes:
    """A frame. Raises FrameError for a payload that no reader would take."""
    if len(payload) > FRAME_BYTES_MAX:
        raise FrameError(f"{len(payload)} bytes are no frame")
    return _HEAD.pack(len(payload), kind) + payload


def pack_json(kind: int, said: Any) -> bytes:
    return pack(kind, json.dumps(said, ensure_ascii=False).encode())


def pack_row(row: Row) -> bytes:
    following, passed, shift_ns = row.next
    head = _ROW.pack(
        row.group, row.tick, row.mid_ns, row.half_span_us,
        following, passed, shift_ns is not None, shift_ns or 0, len(row.status),
    )  # fmt: skip
    return pack(ROW, head + row.status + row.data)


def unpack_row(payload: bytes) -> Row:
    """Raises FrameError."""
    if len(payload) < _ROW.size:
        raise FrameError("a row is cut short")
    *scan, following, passed, on_grid, shift_ns, tags = _ROW.unpack_from(payload)
    if len(payload) < _ROW.size + tags:
        raise FrameError("a row lacks some of its statuses")
    end = _ROW.size + tags
    next_ = Next(following, passed, shift_ns if on_grid else None)
    group, tick, mid_ns, half_span_us = scan
    data = payload[end:]
    return Row(group, tick, mid_ns, half_span_us, payload[_ROW.size : end], data, next_)


def pack_events(group: int, lost: int, events: Iterable[Event]) -> bytes:
    """`lost`: how many before these the host could not keep."""
    made = bytearray(_EVENTS.pack(group, lost))
    for one in events:
        made += _EVENT.pack(one.tag, one.at_ns, one.source_ns, one.quality, len(one.data))
        made += one.data
    return pack(EVENTS, bytes(made))


def unpack_events(payload: bytes) -> tuple[int, int, list[Event]]:
    """Group, how many were lost before, events. Raises FrameError."""
    if len(payload) < _EVENTS.size:
        raise FrameError("events are cut short")
    group, lost = _EVENTS.unpack_from(payload)
    at, found = _EVENTS.size, []
    while at < len(payload):
        if at + _EVENT.size > len(payload):
            raise FrameError("an event is cut short")
        tag, at_ns, source_ns, quality, size = _EVENT.unpack_from(payload, at)
        at += _EVENT.size + size
        if at > len(payload):
            raise FrameError("an event lacks some of its bytes")
        found.append(Event(tag, at_ns, source_ns, quality, payload[at - size : at]))
    return group, lost, found


def unpack_json(payload: bytes) -> Any:
    """Raises FrameError."""
    try:
        return json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise FrameError(f"no JSON: {error}") from None


def unpack_state(payload: bytes, links: Collection[str]) -> dict[str, Any]:
    """What a host says of these links: `up`, `cause`, `counters`, `devices` each, which are shown
    as they stand. Raises FrameError for anything of another shape.
    """
    said = unpack_json(payload)
    if not isinstance(said, dict) or said.keys() != set(links):
        raise FrameError("a state that is not of its links")
    for one in said.values():
        if not (
            isinstance(one, dict)
            and one.keys() >= {"up", "cause", "counters", "devices"}
            and isinstance(one["up"], bool)
            and (one["cause"] is None or _is_said(one["cause"]))
            and isinstance(one["counters"], dict)
            and all(isinstance(n, int) and 0 <= n < 1 << 63 for n in one["counters"].values())
            and isinstance(one["devices"], dict)
            and all(map(_is_device, one["devices"].values()))
        ):
            raise FrameError("a state of another shape")
    return said


def _is_device(one: Any) -> bool:
    return (
        isinstance(one, dict)
        and one.keys() >= {"cause", "learned"}
        and (one["cause"] is None or _is_said(one["cause"]))
        and isinstance(one["learned"], list)
        and all(map(_is_said, one["learned"]))
    )


def _is_said(one: Any) -> bool:
    return (
        isinstance(one, dict) and isinstance(one.get("id"), str)
        and isinstance(one.get("args"), dict)
    )  # fmt: skip


class Frames:
    """Cuts a stream of bytes into frames."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """(kind, payload) of every frame that is whole now. Raises FrameError."""
        self._pending += data
        found, at = [], 0
        while len(self._pending) - at >= _HEAD.size:
            size, kind = _HEAD.unpack_from(self._pending, at)
            if size > FRAME_BYTES_MAX:
                raise FrameError(f"a frame of {size} bytes")
            end = at + _HEAD.size + size
            if len(self._pending) < end:
                break
            found.append((kind, bytes(self._pending[at + _HEAD.size : end])))
            at = end
        del self._pending[:at]
        return found
