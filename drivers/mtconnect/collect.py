"""An agent over HTTP, in the host: probe, current, then what changes, as it changes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping

from drivers.host.connect import connect
from drivers.host.source import DeviceSaid, LinkAsked, Source, SourceError
from drivers.mtconnect.adapter import AdapterSource
from drivers.mtconnect.documents import Document, DocumentError
from drivers.mtconnect.documents import parse as parse_document
from drivers.mtconnect.follow import Next
from drivers.mtconnect.http import Answer, HttpError, Parts, request
from drivers.mtconnect.tags import TagSource

#: The agent says something at least this often; after two of them without a byte it is dead.
HEARTBEAT_MS = 1000
#: Observations that one document brings at most.
COUNT = 1000
#: Seconds between two readings of everything, which show what a stream left out.
CURRENT_EVERY_S = 600.0
#: Documents that can't be read before the connection is made anew.
DAMAGED_MAX = 3
_READ_BYTES = 1 << 16


class AgentSource(TagSource):
    """One agent. Streams where the agent can, else asks again and again for what is new, or, where
    that fails at the place that the agent itself names, for everything; that is learned.
    """

    def __init__(self, asked: LinkAsked, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(asked, clock)
        self._polls = False
        self._current_only = False
        period_ns = min(group.period_ns for group in asked.groups)
        self._interval_ms = max(1, min(1000, period_ns // 1_000_000))

    async def follow(self) -> None:
        """One connection. Raises SourceError, OSError, TimeoutError."""
        try:
            wire = AgentConnection(*await connect(self._asked, self._timeout_s))
        except (OSError, SourceError):
            self.up = False
            raise
        self._polls = self._current_only = False
        try:
            await self._session(wire)
        except (HttpError, DocumentError) as error:
            self.counters.damaged += 1
            args = {"target": self._asked.target, "error": str(error)}
            raise SourceError("mtconnect.not_an_agent", **args) from error
        except TimeoutError:
            self.counters.timeouts += 1
            raise
        finally:
            self.up = False
            wire.close()

    def devices(self) -> Mapping[str, DeviceSaid]:
        learned = []
        known = self.follower
        if known.lost_max:
            args = {"count": known.lost_max, "times": known.overruns}
            learned.append({"id": "mtconnect.lost", "args": args})
        if self._polls:
            learned.append({"id": "mtconnect.polled", "args": {}})
        return {name: DeviceSaid(self.cause(name), learned) for name in self.names}

    # ---- a session ---------------------------------------------------------------------------

    async def _session(self, wire: AgentConnection) -> None:
        next_: Next = "probe"
        is_jump = False
        while True:
            if next_ == "probe":
                self.follower.probed(await self._document(wire, "/probe", "Devices"))
                self.find_items()
            if next_ in ("probe", "current"):
                document = await self._document(wire, "/current", "Streams")
                before = self.follower.next_sequence
                next_ = self._stands(document, is_jump)
                if is_jump and self.follower.next_sequence == before:
                    self._current_only = self._polls = True  # nothing was lost, it can't do it
                is_jump = False
                if next_ != "go_on":
                    continue
                # What stands in the ring since comes first: till then older values are no news.
                self.up = self.up or not self.follower.behind
            if self._current_only:
                await asyncio.sleep(self._interval_ms / 1000)
                next_ = "current"
                continue
            next_ = await (self._poll(wire) if self._polls else self._stream(wire))
            is_jump = next_ == "current"
            if next_ == "go_on":  # time to read everything again
                next_ = "current"

    def _stands(self, document: Document, is_jump: bool) -> Next:
        """Everything as it stands, taken as what follows it wants."""
        if is_jump:
            return self.follower.jumped(document)
        if self._current_only:
            return self.follower.current(document)
        return self.follower.rejoined(document)

    async def _stream(self, wire: AgentConnection) -> Next:
        """Until the agent restarts, its ring runs over, or everything is to be read again."""
        path = (
            f"/sample?from={self.follower.next_sequence}&interval={self._interval_ms}"
            f"&count={COUNT}&heartbeat={HEARTBEAT_MS}"
        )
        until, damaged = time.monotonic() + CURRENT_EVERY_S, 0
        wait_s = 2 * HEARTBEAT_MS / 1000
        async for data in self._documents(wire, path, max(wait_s, self._timeout_s), wait_s):
            try:
                document = parse_document(data)
            except DocumentError:
                self.counters.damaged += 1
                damaged += 1
                if damaged >= DAMAGED_MAX:
                    raise
                # What it said is not known: everything is read again.
                await wire.again(self._asked, self._timeout_s)
                return "current"
            damaged = 0
            next_ = self._took(document)
            if next_ != "go_on" or self._polls or time.monotonic() >= until:
                await wire.again(self._asked, self._timeout_s)
                return next_
        return "go_on" if self._polls else "probe"

    async def _poll(self, wire: AgentConnection) -> Next:
        """Read from an agent that does not stream."""
        until = time.monotonic() + CURRENT_EVERY_S
        while time.monotonic() < until:
            begun = time.monotonic()
            path = f"/sample?from={self.follower.next_sequence}&count={COUNT}"
            before = self.follower.next_sequence
            next_ = self._took(await self._document(wire, path))
            if next_ != "go_on" or self._current_only:
                return next_
            if self.follower.next_sequence - before < COUNT // 2:
                rest_s = self._interval_ms / 1000 - (time.monotonic() - begun)
                await asyncio.sleep(max(0.01, rest_s))
        return "go_on"

    def _took(self, document: Document) -> Next:
        """One document of the sample; an error other than an overrun means that it can't stream, or
        not be sampled at all, while this connection lasts.
        """
        next_ = self.follower.sampled(document)
        if document.kind == "Error":
            self.counters.exceptions += 1
            if next_ == "go_on":
                self._current_only = self._polls
                self._polls = True
        elif next_ == "go_on":
            self.up = True
        return next_

    async def _document(self, wire: AgentConnection, path: str, kind: str = "") -> Document:
        """One answer. Raises HttpError, DocumentError, SourceError, OSError, TimeoutError."""
        body = b""
        async for data in self._documents(wire, path, self._timeout_s, self._timeout_s):
            body = data
        document = parse_document(body)
        if kind and document.kind != kind:
            code, text = document.errors[0] if document.errors else (document.kind, "")
            args = {"target": self._asked.target, "code": code, "text": text}
            raise SourceError("mtconnect.refused", **args)
        return document

    async def _documents(
        self, wire: AgentConnection, path: str, first_s: float, then_s: float
    ) -> AsyncIterator[bytes]:
        """The documents of one answer as they come; waits so long for the first byte and then."""
        if not wire.keeps:
            await wire.again(self._asked, self._timeout_s)
        self.counters.requests += 1
        self.counters.bytes_out += await wire.ask(request(self._asked.target, path))
        answer, parts, whole = Answer(), None, bytearray()
        wait_s = first_s
        while not answer.is_complete:
            async with asyncio.timeout(wait_s):
                data = await wire.read()
            self.counters.bytes_in += len(data)
            if data:
                answer.feed(data)
            else:
                wire.keeps = False
                answer.closed()
            if answer.head is None:
                continue
            wait_s = then_s
            if parts is None and (boundary := answer.head.boundary) is not None:
                parts = Parts(boundary)
            if parts is None:
                whole += answer.take()
                continue
            for document in parts.feed(answer.take()):
                self.counters.answers += 1
                yield document
            if parts.is_last:
                break
        if answer.head is not None and not answer.head.keeps:
            wire.keeps = False
        if parts is not None:
            wire.keeps = False
        else:
            self.counters.answers += 1
            yield bytes(whole)


class AgentConnection:
    """A connection to the agent, which is made again as often as an agent closes it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.keeps = True

    async def again(self, asked: LinkAsked, within_s: float) -> None:
        self.close()
        self._reader, self._writer = await connect(asked, within_s)
        self.keeps = True

    async def ask(self, data: bytes) -> int:
        self._writer.write(data)
        await self._writer.drain()
        return len(data)

    async def read(self) -> bytes:
        """b"" where the agent hung up."""
        return await self._reader.read(_READ_BYTES)

    def close(self) -> None:
        self._writer.close()


def open_source(asked: LinkAsked) -> Source:
    """What the host makes of a link."""
    return AdapterSource(asked) if asked.framing == "shdr" else AgentSource(asked)
