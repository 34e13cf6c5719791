"""Live values for whoever watches: bounded in rows, and in the share of the loop that all who watch
get together.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol

from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.control.server import Peer, RequestError
from gateway.ports import Clock
from gateway.report.snapshot import Said
from gateway.report.values import show

EVERY_MS_MIN, EVERY_MS_MAX = 100, 86_400_000
#: Rows in one answer, about a megabyte: nobody reads more by eye, and a script asks device by
#: device.
ROWS_MAX = 5_000
#: Rows a second for all watchers together. Each takes some 10 us of the event loop, which also
#: seals blocks: a tenth of its time.
ROWS_A_SECOND = 10_000


class _Scanning(Protocol):
    def device_names(self) -> list[str]: ...

    def latest(self, device: str) -> Sequence[dict[str, Any]]: ...


_QUALITY_IDS = {
    pb.QUALITY_BAD_NO_ANSWER: "device.no_answer",
    pb.QUALITY_BAD_LINK_DOWN: "device.link_down",
    pb.QUALITY_BAD_DAMAGED: "device.damaged",
    pb.QUALITY_BAD_WRONG_ANSWER: "device.wrong_answer",
    pb.QUALITY_BAD_REFUSED: "device.value_refused",
    pb.QUALITY_BAD_DEVICE_FAILURE: "device.value_failure",
    pb.QUALITY_BAD_BUSY: "device.value_busy",
    pb.QUALITY_BAD_GATEWAY: "device.value_gateway",
    pb.QUALITY_BAD_NOT_A_VALUE: "device.not_a_value",
    pb.QUALITY_BAD_NOT_ASKED: "device.no_answer",
    pb.QUALITY_BAD_NO_VALUE: "device.value_none",
    pb.QUALITY_UNCERTAIN_OUT_OF_RANGE: "device.value_out_of_range",
    pb.QUALITY_UNCERTAIN_ANOTHER_ASKER: "device.value_another_asker",
    pb.QUALITY_UNCERTAIN_SOURCE_DOUBTS: "device.value_doubted",
}


class Watching:
    """The handler of `watch`, within one event loop."""

    def __init__(self, scanning: _Scanning, clock: Clock) -> None:
        self._scanning = scanning
        self._clock = clock
        self._streams = 0

    async def stream(self, params: Mapping[str, Any], peer: Peer) -> AsyncIterator[Any]:
        """Params: target (None, "device" or "device.tag"), every_ms. The rows of each look."""
        target, every_ms = params.get("target"), params.get("every_ms", 1000)
        if type(every_ms) is not int or every_ms > EVERY_MS_MAX:
            raise RequestError("daemon.bad_request", error="every_ms is no number of milliseconds")
        devices, tag = self._resolve(target)
        if tag is None:
            self._judge(devices)
        self._streams += 1
        try:
            while True:
                rows = [row for device in devices for row in self._values(device, tag)]
                yield rows
                await asyncio.sleep(self._pause_s(len(rows), every_ms))
        finally:
            self._streams -= 1

    def _pause_s(self, rows: int, every_ms: int) -> float:
        return max(EVERY_MS_MIN, every_ms, 1000 * rows * self._streams / ROWS_A_SECOND) / 1000

    def _judge(self, devices: Sequence[str]) -> None:
        """Refuse more rows than may be watched at once."""
        count = 0
        for device in devices:
            count += len(self._scanning.latest(device))
            if count > ROWS_MAX:
                raise RequestError("cli.too_many_rows", most=ROWS_MAX, device=devices[0])

    def _resolve(self, target: Any) -> tuple[list[str], str | None]:
        names = self._scanning.device_names()
        if target is None:
            return names, None
        if target in names:
            return [target], None
        # Names of devices and tags may hold dots: the longest device name that fits.
        for name in sorted(names, key=len, reverse=True):
            if isinstance(target, str) and target.startswith(name + "."):
                tag = target[len(name) + 1 :]
                if any(found["tag"].name == tag for found in self._scanning.latest(name)):
                    return [name], tag
        raise RequestError("cli.no_target", target=str(target))

    def _values(self, device: str, tag: str | None) -> list[dict[str, Any]]:
        now_ns = self._clock.now_ns()
        rows = []
        for found in self._scanning.latest(device):
            spec, quality = found["tag"], found["quality"]
            if tag is not None and spec.name != tag:
                continue
            text = _class_of(quality)
            said = found.get("said") or _QUALITY_IDS.get(quality)
            rows.append(
                {
                    "device": device,
                    "tag": spec.name,
                    "value": show(spec, found["raw"]),
                    "unit": spec.unit,
                    "quality": text,
                    "cause": Said(id=said, args={}) if said else None,
                    "age_s": (now_ns - found["time_ns"]) / 1e9 if found["time_ns"] else None,
                }
            )
        return rows


def _class_of(quality: int) -> str:
    if quality == pb.QUALITY_UNSPECIFIED:
        return "starting"
    if quality < pb.QUALITY_UNCERTAIN:
        return "good"
    return "uncertain" if quality < pb.QUALITY_BAD else "bad"
