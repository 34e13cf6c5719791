"""`watch` with many tags and many who watch: bounded in rows and in the loop's time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from jiahe.ingest.v1 import ingest_pb2 as pb

from drivers.api import TagSpec
from gateway.clock import SystemClock
from gateway.control.server import Peer, RequestError
from gateway.report.watching import EVERY_MS_MAX, ROWS_A_SECOND, ROWS_MAX, Watching

PEER = Peer(1, 1000, 1000)


class Scanning:
    """Devices of so many tags each, all of them read, with this quality."""

    def __init__(self, quality: int = pb.QUALITY_GOOD, **devices: int) -> None:
        self._quality, self._devices = quality, devices

    def device_names(self) -> list[str]:
        return list(self._devices)

    def latest(self, device: str) -> list[dict[str, Any]]:
        return [
            {"tag": TagSpec(f"t{n}", f"holding:{n}", "int16", 10**9),
             "quality": self._quality, "raw": n, "time_ns": 1}
            for n in range(self._devices[device])
        ]  # fmt: skip


def rows(watching: Watching, **params: Any) -> list[dict[str, Any]]:
    """The first look."""

    async def look() -> list[dict[str, Any]]:
        stream = watching.stream(params, PEER)
        found: list[dict[str, Any]] = await anext(stream)
        await stream.aclose()
        return found

    return asyncio.run(look())


def test_watch_when_there_are_more_tags_than_may_be_then_a_device_is_asked_for() -> None:
    watching = Watching(Scanning(big=ROWS_MAX, more=1), SystemClock())
    with pytest.raises(RequestError) as caught:
        rows(watching)
    assert (caught.value.message, caught.value.arguments["device"]) == ("cli.too_many_rows", "big")
    assert len(rows(watching, target="big")) == ROWS_MAX
    assert len(rows(watching, target="more")) == 1
    assert len(rows(watching, target="big.t7")) == 1


@pytest.mark.parametrize(
    ("quality", "word", "cause"),
    [
        (pb.QUALITY_GOOD, "good", None),
        (pb.QUALITY_UNCERTAIN_OUT_OF_RANGE, "uncertain", "device.value_out_of_range"),
        (pb.QUALITY_UNCERTAIN_ANOTHER_ASKER, "uncertain", "device.value_another_asker"),
        (pb.QUALITY_UNCERTAIN_SOURCE_DOUBTS, "uncertain", "device.value_doubted"),
        (pb.QUALITY_BAD_REFUSED, "bad", "device.value_refused"),
        (pb.QUALITY_BAD_BUSY, "bad", "device.value_busy"),
        (pb.QUALITY_UNSPECIFIED, "starting", None),
    ],
)
def test_watch_when_a_value_has_a_quality_then_its_class_and_cause(
    quality: int, word: str, cause: str | None
) -> None:
    (row,) = rows(Watching(Scanning(quality, a=1), SystemClock()))
    assert (row["quality"], row["cause"] and row["cause"]["id"]) == (word, cause)


@pytest.mark.parametrize("every_ms", [1e400, "5", None, True, [], EVERY_MS_MAX + 1, 10**400])
def test_watch_when_the_period_is_none_then_refused(every_ms: object) -> None:
    with pytest.raises(RequestError) as caught:
        rows(Watching(Scanning(a=1), SystemClock()), every_ms=every_ms)
    assert caught.value.message == "daemon.bad_request"


@pytest.mark.parametrize("target", ["b", "a.", "a.t9", "", 7, ["a"], {"a": 1}, "\ud800"])
def test_watch_when_the_target_is_none_then_refused(target: object) -> None:
    with pytest.raises(RequestError) as caught:
        rows(Watching(Scanning(a=1), SystemClock()), target=target)
    assert caught.value.message == "cli.no_target"


def test_watch_when_many_watch_then_together_they_get_so_many_rows_a_second() -> None:
    watching = Watching(Scanning(a=ROWS_MAX), SystemClock())

    async def look(streams: int) -> float:
        opened = [watching.stream({"every_ms": 1}, PEER) for _ in range(streams)]
        for stream in opened:
            await anext(stream)
        pause_s = watching._pause_s(ROWS_MAX, 1)
        for stream in opened:
            await stream.aclose()
        return pause_s

    for streams in (1, 10):
        assert asyncio.run(look(streams)) == streams * ROWS_MAX / ROWS_A_SECOND
    assert watching._pause_s(1, 1) == 0.1
