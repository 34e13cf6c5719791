"""The host's program: `python -m drivers.host.child FD`, started by `runner` and by nobody else.

One asyncio loop, a task a link that connects and connects again, and a task a group that scans at
its ticks. A source that fails of a bug of its own is logged, told as such and begun again like one
whose connection ended; the other links go on. The host ends when the daemon's end of the socket is
closed; where nothing here runs, with a signal from the kernel when the daemon is gone.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from drivers.host.frames import (
    CONFIG,
    GO,
    READY,
    STATE,
    UTC,
    Frames,
    Next,
    Row,
    pack,
    pack_events,
    pack_json,
    pack_row,
    unpack_json,
)
from drivers.host.source import GroupAsked, LinkAsked, Source, SourceError, asked_from_json
from drivers.host.values import row_bytes
from drivers.quality import BAD_LINK_DOWN
from native.rows.ticks import Schedule

_log = logging.getLogger(__name__)

#: Seconds between two reports, which are the sign of life as well, and between two looks at links
#: that came or went.
STATE_EVERY_S, LOOK_EVERY_S = 0.5, 0.05
#: Before a connection is tried again: at first, and at most, in seconds.
BACKOFF_S, BACKOFF_S_MAX = 0.25, 3.0
#: A connection that lasted so long begins with the first back-off again.
GOOD_S = 10.0
#: The longest that a first row waits for its link, in seconds; never longer than its period.
FIRST_S_MAX = 1.5
FIRST_LOOKS = 30
#: More than this is not kept for a daemon that does not read; the rows are lost, and announced.
UNREAD_BYTES_MAX = 4 << 20


def now_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def backoff_s(failures: int, uniform: float) -> float:
    """Before try number `failures`; `uniform`: 0 to 1, so that many do not come at once."""
    return min(BACKOFF_S_MAX, BACKOFF_S * 2.0 ** min(failures, 10)) * (0.75 + 0.25 * uniform)


class Link:
    """One link's connection, and what is said of it."""

    def __init__(self, asked: LinkAsked, source: Source) -> None:
        self.asked, self.source = asked, source
        self.cause: dict[str, Any] | None = None

    async def live(self) -> None:
        failures = 0
        while True:
            begun = time.monotonic()
            # A task of its own: what it ends with is looked at, not caught.
            session = asyncio.create_task(self.source.follow())
            try:
                await asyncio.wait([session])
            finally:
                session.cancel()
            self.cause = self._why(session)
            failures = 0 if time.monotonic() - begun >= GOOD_S else failures + 1
            self.source.counters.reconnects += 1
            await asyncio.sleep(backoff_s(failures, random.random()))  # noqa: S311 - no secret

    def _why(self, session: asyncio.Task[None]) -> dict[str, Any]:
        error, target = session.exception(), self.asked.target
        if error is None:
            return {"id": "link.reset", "args": {"target": target}}
        if isinstance(error, SourceError):
            return error.said()
        if isinstance(error, socket.gaierror):
            return {"id": "link.no_name", "args": {"target": target, "host": self.asked.host}}
        if isinstance(error, TimeoutError):
            return {"id": "link.timeout", "args": {"target": target}}
        if isinstance(error, ConnectionRefusedError):
            return {"id": "link.refused", "args": {"target": target}}
        if isinstance(error, ConnectionError):
            return {"id": "link.reset", "args": {"target": target}}
        if isinstance(error, OSError):
            return {"id": "link.unreachable", "args": {"target": target}}
        _log.error("link %s: the driver failed", self.asked.name, exc_info=error)
        args = {"link": self.asked.name, "error": f"{type(error).__name__}: {error}"}
        return {"id": "host.driver_failed", "args": args}

    def said(self) -> dict[str, Any]:
        return {
            "up": self.source.up,
            "cause": None if self.source.up else self.cause,
            "counters": self.source.counters.as_json(),
            "devices": {
                name: {"cause": each.cause, "learned": each.learned}
                for name, each in self.source.devices().items()
            },
        }


class Host:
    """Everything that one driver reads."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._frames = Frames()
        self._waiting: list[tuple[int, bytes]] = []
        self._schedules: list[Schedule] = []
        self._utc_ahead_ns = 0  # not known

    async def run(self) -> None:
        """Until the daemon hangs up."""
        config = unpack_json(await self._next(CONFIG))
        module, _, name = str(config["source"]).partition(":")
        make = getattr(import_module(module), name)
        links = [Link(asked, make(asked)) for asked in asked_from_json(config["links"])]
        self._writer.write(pack(READY))
        go = unpack_json(await self._next(GO))
        tasks = [asyncio.create_task(self._report(links)), asyncio.create_task(self._hear())]
        for link in links:
            tasks.append(asyncio.create_task(link.live()))
            for group in link.asked.groups:
                start_ns, tick, aligned, shift_ns = go[str(group.number)]
                schedule = Schedule(group.period_ns, aligned)
                schedule.begin(start_ns)
                schedule.follow(shift_ns, 0)
                schedule.know_utc(self._utc_ahead_ns)
                self._schedules.append(schedule)
                tasks.append(asyncio.create_task(self._ticks(link.source, group, schedule, tick)))
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            task.result()

    async def _next(self, kind: int | None = None) -> bytes:
        """The payload of the next frame of this kind; of UTC is taken note. Raises ConnectionError
        for another one, and where the daemon hung up.
        """
        while True:
            while not self._waiting:
                if not (data := await self._reader.read(1 << 16)):
                    raise ConnectionResetError("the daemon hung up")
                self._waiting += self._frames.feed(data)
            came, payload = self._waiting.pop(0)
            if came == kind:
                return payload
            if came != UTC:
                raise ConnectionResetError(f"frame {came} where {kind} is due")
            self._utc_ahead_ns = unpack_json(payload)
            for schedule in self._schedules:
                schedule.know_utc(self._utc_ahead_ns)

    async def _hear(self) -> None:
        """What the daemon says, until it hangs up."""
        await self._next()

    async def _report(self, links: list[Link]) -> None:
        told: list[bool] = []
        due = 0.0
        while True:
            self._push(links)
            up = [link.source.up for link in links]
            if up != told or time.monotonic() >= due:
                told, due = up, time.monotonic() + STATE_EVERY_S
                if self._writer.transport.get_write_buffer_size() < UNREAD_BYTES_MAX:
                    said = {link.asked.name: link.said() for link in links}
                    self._writer.write(pack_json(STATE, said))
            await asyncio.sleep(LOOK_EVERY_S)

    def _push(self, links: list[Link]) -> None:
        """Hand on what sources pushed; what the daemon does not read is lost, and counted."""
        for link in links:
            pushed = link.source.pushed
            if self._writer.transport.get_write_buffer_size() >= UNREAD_BYTES_MAX:
                pushed.drop()
            for group, lost, events in pushed.take():
                self._writer.write(pack_events(group, lost, events))

    async def _ticks(
        self, source: Source, group: GroupAsked, schedule: Schedule, tick: int
    ) -> None:
        size = row_bytes(group.tags)
        away = bytes([BAD_LINK_DOWN]) * len(group.tags), bytes(size)
        await _until(schedule.due_ns(tick))
        # No first row says that the link is down because it was not there at once.
        await _once_up(source, min(FIRST_S_MAX, group.period_ns / 1e9))
        while True:
            await _until(schedule.due_ns(tick))
            begun_ns = now_ns()
            status, data = await source.scan(group) if source.up else away
            ended_ns = now_ns()
            span_ns = ended_ns - begun_ns
            # The newest tick that is due; those between are overrun.
            following = schedule.following(max(tick + 1, schedule.newest(ended_ns)))
            row = Row(
                group.number, tick, begun_ns + span_ns // 2,
                min(span_ns // 2000, (1 << 32) - 1), status, data,
                Next(following, schedule.passed, schedule.shift_ns),
            )  # fmt: skip
            if self._writer.transport.get_write_buffer_size() < UNREAD_BYTES_MAX:
                self._writer.write(pack_row(row))
            tick = following


async def _once_up(source: Source, within_s: float) -> None:
    for _ in range(FIRST_LOOKS):
        if source.up:
            return
        await asyncio.sleep(within_s / FIRST_LOOKS)


async def _until(due_ns: int) -> None:
    left_ns = due_ns - now_ns()
    await asyncio.sleep(max(0.0, left_ns / 1e9))


async def _live(end: socket.socket) -> None:
    reader, writer = await asyncio.open_connection(sock=end)
    try:
        await Host(reader, writer).run()
    finally:
        writer.close()


def end_with_the_daemon() -> None:
    """Standard input is a pipe whose other end the daemon holds. When that is closed, by whatever
    end, the kernel sends SIGIO, which ends a process that does not handle it: also one that hangs.
    """
    fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_ASYNC)


def main(arguments: Mapping[int, str]) -> int:
    """Returns the exit status: 0 where the daemon hung up."""
    end_with_the_daemon()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    for number in (signal.SIGINT, signal.SIGHUP):  # a terminal's; the daemon decides
        signal.signal(number, signal.SIG_IGN)
    try:
        asyncio.run(_live(socket.socket(fileno=int(arguments[1]))))
    except ConnectionError:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main(dict(enumerate(sys.argv))))
