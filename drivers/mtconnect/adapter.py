"""An adapter of one or more machines, spoken to directly (SHDR), in the host."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping

from drivers.host.connect import connect
from drivers.host.source import DeviceSaid, LinkAsked, SourceError
from drivers.mtconnect.documents import DataItem, Document, Header
from drivers.mtconnect.shdr import LineError, parse, pong_ms
from drivers.mtconnect.tags import TagSource

PING = b"* PING\r\n"
#: Before the adapter has said how often it wants to be asked.
PING_S = 10.0
#: Lines that can't be read, one after another, before it is taken for something else.
STRANGE_MAX = 3
_LINE_BYTES_MAX = 1 << 16
_SEVERAL_LINES = "--multiline--"
#: An asset of several lines that is longer, or takes longer, has lost its end: what comes behind it
#: can't be told from it.
ASSET_BYTES_MAX, ASSET_S = 1 << 20, 3.0


class AdapterSource(TagSource):
    """One adapter. It says everything when it is connected to, then what changes. One that answers
    `* PING` is given up when it is silent for twice the time that it named.
    """

    def __init__(self, asked: LinkAsked, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(asked, clock)
        self._conditions: set[str] = set()
        items = {
            (address.device, address.item): DataItem(
                f"{address.device}:{address.item}" if address.device else address.item,
                address.item, "", "", (address.device,),
            )
            for address in self.addresses.values()
        }  # fmt: skip
        # It has no model: what is asked for may come.
        self.follower.probed(Document("Devices", Header(), items=tuple(items.values())))
        self.find_items()

    async def follow(self) -> None:
        """One connection. Raises SourceError, OSError, TimeoutError."""
        reader, writer = await connect(self._asked, self._timeout_s, _LINE_BYTES_MAX)
        try:
            await self._session(reader, writer)
        except TimeoutError:
            self.counters.timeouts += 1
            raise
        except ValueError as error:  # a line that never ends
            self.counters.damaged += 1
            raise self._stranger(str(error)) from error
        finally:
            self.up = False
            self.follower.held.clear()  # what it said is no longer known to hold
            writer.close()

    def devices(self) -> Mapping[str, DeviceSaid]:
        return {name: DeviceSaid(self.cause(name)) for name in self.names}

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        strange, silent_s = 0, 0.0  # no limit before it has answered a ping
        ping = asyncio.create_task(self._ping(writer))
        try:
            while True:
                async with asyncio.timeout(silent_s or None):
                    data = await reader.readline()
                if not data:
                    return
                self.counters.bytes_in += len(data)
                line = data.decode("utf-8", "replace").strip()
                if _SEVERAL_LINES in line:
                    await self._skip(reader, _SEVERAL_LINES + line.rpartition(_SEVERAL_LINES)[2])
                    continue
                if every_ms := pong_ms(line):
                    silent_s = max(1.0, 2 * every_ms / 1000)
                    self._ping_s = max(0.5, every_ms / 1000)
                strange = 0 if self._took(line) else strange + 1
                if strange >= STRANGE_MAX:
                    raise self._stranger(line[:40])
        finally:
            ping.cancel()

    async def _skip(self, reader: asyncio.StreamReader, ending: str) -> None:
        """The rest of an asset of several lines. Raises SourceError where it has no end."""
        size = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ASSET_S):
                while size <= ASSET_BYTES_MAX:
                    data = await reader.readline()
                    self.counters.bytes_in += len(data)
                    if not data or data.decode("utf-8", "replace").strip() == ending:
                        return
                    size += len(data)
        self.counters.damaged += 1
        raise SourceError("mtconnect.endless", target=self._asked.target, bytes=size)

    def _took(self, line: str) -> bool:
        """Whether it is a line of an adapter."""
        try:
            ones = parse(line, self._conditions)
        except LineError:
            self.counters.damaged += 1
            return False
        self.up = True
        self.counters.answers += bool(ones)
        wanted = [one for one in ones if one.item in self.follower.model]
        self._conditions.update(one.item for one in wanted if one.is_condition)
        self.follower.observe(wanted)
        return True

    async def _ping(self, writer: asyncio.StreamWriter) -> None:
        self._ping_s = PING_S
        while True:
            writer.write(PING)
            self.counters.requests += 1
            self.counters.bytes_out += len(PING)
            await asyncio.sleep(self._ping_s)

    def _stranger(self, text: str) -> SourceError:
        return SourceError("mtconnect.not_an_adapter", target=self._asked.target, error=text)
