"""What Modbus adds to the scanning of its devices on the native floor."""

from __future__ import annotations

from typing import Any

from drivers.api import DeviceSpec, GroupPlan, Speaker
from drivers.modbus.learn import Learner
from drivers.modbus.limits import limits_of
from drivers.modbus.planner import plan_group
from drivers.modbus.request import read_of
from drivers.modbus.station import station_of
from drivers.quality import BAD_REFUSED, BAD_WRONG_ANSWER
from native.modbus.codec import FRAMINGS

_FRAMINGS = {number + 1: name for name, number in FRAMINGS.items()}
_OTHER_FRAMING, _ONE_BEHIND, _WRONG_LENGTH, _WRONG_FUNCTION = 252, 253, 254, 255


class Limited:
    """The `drivers.scan.Learning` of one device: limits, from what it refuses."""

    def __init__(self, spec: DeviceSpec, kept: Any) -> None:
        self._spec = spec
        self._learner = Learner(spec, kept)
        self._first = int(self._learner.limits != limits_of(spec))

    @property
    def revision(self) -> int:
        return self._learner.limits.revision + self._first

    @property
    def curious(self) -> bool:
        return self._learner.curious

    def answered(self, spec: bytes) -> None:
        self._learner.answered(read_of(spec))

    def refused(self, spec: bytes, code: int) -> None:
        self._learner.refused(read_of(spec), code)

    def reconsider(self, now_ns: int) -> None:
        self._learner.reconsider(now_ns)

    def replan(self, group: GroupPlan) -> GroupPlan:
        return plan_group(self._spec, group.tags, group.period_ns, self._learner.limits)

    def said(self) -> list[dict[str, Any]]:
        return self._learner.said()

    def kept(self) -> dict[str, Any]:
        return self._learner.limits.to_json()


def _cause(quality: int, code: int) -> dict[str, Any] | None:
    if quality == BAD_WRONG_ANSWER:
        # As native/modbus/exchange tells it: another unit, or the bytes that came and were asked.
        if code < 256:
            return {"id": "device.wrong_unit", "args": {"answers": code}}
        if code & 0xFF == _OTHER_FRAMING:
            return {"id": "device.other_framing", "args": {"framing": _FRAMINGS[code >> 8]}}
        if code & 0xFF == _ONE_BEHIND:
            return {"id": "device.one_behind", "args": {}}
        if code & 0xFF == _WRONG_LENGTH:
            return {"id": "device.wrong_length", "args": {}}
        if code & 0xFF == _WRONG_FUNCTION:
            return {"id": "device.wrong_function", "args": {"function": code >> 8}}
        return {"id": "device.wrong_size", "args": {"bytes": code >> 8, "asked": code & 0xFF}}
    if quality != BAD_REFUSED:
        return None
    return {"id": "device.refused", "args": {"code": code if 1 <= code <= 3 else "1-3"}}


SPEAKER = Speaker(station_of, Limited, _cause, single="learned.no_tid", orders=True)
