"""One gateway's stream as a state machine: messages and store results in, commands out. No I/O.

States: `hello` (nothing said yet) -> `opening` (the store is asked) -> `open` (tag sets, catalogs,
blocks) -> `ended`. Whatever comes in a state that does not expect it ends the stream with
INVALID_ARGUMENT and words; nothing a peer sends raises.

`receive` takes the bytes of one request and is a generator: it yields commands, and is sent back
what came of each. `Open` gives a Known; `Load` what the store's method of that name gives; `Check`
the last thing that its steps yield, or the RefusedError that they raise; `Send`, `Store` and `End`
give nothing. One request is finished before the next is begun; only heartbeats pass (`urgent`). The
results of `Store` come whenever the store has them, through `stored`, and become acknowledgements.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from itertools import groupby

from google.protobuf.message import DecodeError
from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest import limits
from ingest.check import Carried, check_carried, check_name, names
from ingest.commands import Check, Command, End, Load, Open, Send, Steps, Store
from ingest.fields import only_field
from ingest.layouts import Layouts
from ingest.opening import HelloError, check_hello, notice, speaker, welcome_pages
from ingest.refusal import RefusedError
from ingest.shelf import PieceError, Pieces, Shelf
from ingest.stores.api import (
    Known,
    Outcome,
    Outcomes,
    Put,
    PutBlocks,
    PutCatalog,
    PutTagSet,
)

__all__ = ["Check", "Command", "End", "Load", "Open", "Send", "Session", "Steps", "Store"]

#: Numbers of pb.Feature: what this version reads.
FEATURES = frozenset(
    (
        pb.FEATURE_BUNDLES, pb.FEATURE_EVENTS, pb.FEATURE_PARTS, pb.FEATURE_SOURCE_TIME,
        pb.FEATURE_PLAIN_FLOATS,
    )
)  # fmt: skip
_NUMBERS = {field.number: field.name for field in pb.StreamRequest.DESCRIPTOR.fields}
#: What may come in pieces, and how large it may be.
_PIECED = {
    "tag_set": limits.PIECED_BYTES_MAX,
    "catalog": limits.PIECED_BYTES_MAX,
    "block": limits.BLOCK_PIECES_BYTES_MAX,
    "bundle": limits.BLOCK_PIECES_BYTES_MAX,
}
#: Blocks that no healthy box sends; a stream that sends many is ended.
_BROKEN = (pb.REJECT_REASON_TOO_LARGE, pb.REJECT_REASON_CHECKSUM, pb.REJECT_REASON_MALFORMED)


class Session:
    """`identity` is the gateway's id in its certificate; None on a plain-text stream. `window`
    gives how many bytes the stream may have on its way. `features` is what the receiver reads:
    shorter than FEATURES, it plays an older one. `broken_max`: after more blocks that were none it
    ends; None: never."""

    def __init__(
        self,
        identity: str | None,
        utc_ns: Callable[[], int],
        *,
        address: str = "",
        shelf: Shelf | None = None,
        pieces: Pieces | None = None,
        window: Callable[[], int] = lambda: limits.WINDOW_BYTES,
        bound_heard_ns: Callable[[str], int] = lambda gateway: 0,
        features: Collection[int] = FEATURES,
        versions: tuple[int, int] = (limits.PROTOCOL, limits.PROTOCOL),
        software: str = "",
        broken_max: int | None = limits.BROKEN_BLOCKS_MAX,
    ) -> None:
        self.state = "hello"
        self.gateway = ""
        self.epoch = 0
        self.broken = 0
        self._identity = identity
        self._utc_ns = utc_ns
        self._address = address
        self._shelf = Shelf() if shelf is None else shelf
        self._pieces = Pieces() if pieces is None else pieces
        self._window = window
        self._bound_heard_ns = bound_heard_ns
        self._features = frozenset(features)
        self._versions = versions
        self._software = software
        self._broken_max = broken_max
        self._layouts = Layouts("", self._shelf, self._features)

    def urgent(self, data: bytes) -> list[Command] | None:
        """The answer to a heartbeat; None when the request is something else, and must wait for
        those before it."""
        if self.state not in ("opening", "open") or only_field(data) != 7:
            return None
        try:
            beat = pb.StreamRequest.FromString(data).heartbeat
        except DecodeError:
            return None
        return [Send(self._answer(beat))]

    def _answer(self, beat: pb.Heartbeat) -> pb.StreamResponse:
        utc_ns = self._utc_ns() if beat.wants_utc else 0
        return pb.StreamResponse(heartbeat=pb.Heartbeat(id=beat.id, utc_ns=utc_ns))

    def receive(self, data: bytes) -> Steps:
        """The caller keeps no name of `data`: it is let go here once it is parsed."""
        if self.state == "ended":
            return
        number = only_field(data)
        kind = _NUMBERS.get(number, "")
        try:
            if self.state == "hello" or kind == "hello":
                yield from self._receive_hello(kind, data)
                return
            request = pb.StreamRequest() if not kind else pb.StreamRequest.FromString(data)
            del data
            if kind == "piece":
                yield from self._receive_piece(request.piece)
            elif kind:
                yield from self._receive_whole(kind, request)
            elif not number:
                yield self._end("INVALID_ARGUMENT", "a request that is no StreamRequest")
            # else: of a newer box, a message that this version does not know
        except DecodeError as error:
            yield self._end("INVALID_ARGUMENT", f"a request can't be parsed: {error}")

    def _end(self, code: str, detail: str) -> End:
        self.state = "ended"
        return End(code, detail)

    # ---- Hello ------------------------------------------------------------------------------

    def _receive_hello(self, kind: str, data: bytes) -> Steps:
        if self.state != "hello" or kind != "hello":
            said = kind or "something else"
            yield self._end("INVALID_ARGUMENT", f"{said} is not expected in state {self.state}")
            return
        if len(data) > limits.HELLO_BYTES_MAX:
            words = f"a Hello of {len(data)} bytes, the most is {limits.HELLO_BYTES_MAX}"
            yield self._end("INVALID_ARGUMENT", words)
            return
        hello = pb.StreamRequest.FromString(data).hello
        low, high = self._versions
        if not (hello.protocol_min <= high and low <= hello.protocol_max):
            welcome = pb.Welcome(protocol_min=low, protocol_max=high, software=self._software)
            yield Send(pb.StreamResponse(welcome=welcome))
            words = f"{hello.protocol_min} to {hello.protocol_max}, this receiver {low} to {high}"
            detail = f"the box speaks protocol {words}; update the older of the two"
            yield self._end("FAILED_PRECONDITION", detail)
            return
        try:
            check_hello(hello, self._identity)
        except HelloError as error:
            yield self._end(error.code, str(error))
            return
        self.state, self.gateway, self.epoch = "opening", hello.gateway, hello.epoch
        bound = self._bound_heard_ns(hello.gateway)
        known: Known = yield Open(speaker(hello, self._address, self._utc_ns(), bound))
        yield from self._opened(known)

    def _opened(self, known: Known) -> Steps:
        if known.bound_to is not None:
            yield self._end(
                "ALREADY_EXISTS",
                f"{self.gateway!r} is bound to another box, at {known.bound_to}, which was heard"
                f" within {limits.CLONE_REFUSED_S // 60} minutes. Was this card copied? Give this"
                " box an id and a certificate of its own; or, if it replaces that one, switch that"
                " one off and wait",
            )
            return
        self.state = "open"
        self._layouts = Layouts(self.gateway, self._shelf, self._features)
        for page in welcome_pages(known):
            if page.first:
                low, high = self._versions
                page.welcome.protocol_min, page.welcome.protocol_max = low, high
                page.welcome.features.extend(sorted(self._features))
                page.welcome.software = self._software
                page.welcome.window_bytes = self._window()
                page.welcome.utc_ns = self._utc_ns()
                progress = self._pieces.progress(self.gateway)
                if progress is not None:
                    page.welcome.piece.CopyFrom(progress)
            yield Send(pb.StreamResponse(welcome=page.welcome))
        if known.taken_from is not None:
            words = f"this box took the id over from the one at {known.taken_from}"
            kind = pb.NOTICE_KIND_TAKEN_OVER
            yield Send(notice(kind, words, self._utc_ns(), known.taken_from))

    # ---- What comes then --------------------------------------------------------------------

    def _receive_piece(self, piece: pb.Piece) -> Steps:
        try:
            whole = self._pieces.add(self.gateway, piece)
        except PieceError as error:
            yield self._end("INVALID_ARGUMENT", str(error))
            return
        if whole is None:
            return
        kind = _NUMBERS.get(only_field(whole), "")
        if len(whole) > _PIECED.get(kind, 0):
            words = f"a {kind or 'message of no known kind'} of {len(whole)} bytes in pieces"
            yield self._end("INVALID_ARGUMENT", words)
            return
        request = pb.StreamRequest.FromString(whole)
        del whole
        yield from self._receive_whole(kind, request)

    def _receive_whole(self, kind: str, request: pb.StreamRequest) -> Steps:
        match kind:
            case "tag_set":
                content = request.tag_set.content
                request.Clear()
                yield from self._receive_tag_set(content)
            case "catalog":
                yield from self._receive_catalog(request.catalog)
            case "heartbeat":
                yield Send(self._answer(request.heartbeat))
            case "block":
                yield from self._receive_block(request.block)
            case "bundle":
                yield from self._receive_block(request.bundle)

    def _receive_tag_set(self, content: bytes) -> Steps:
        """Keep it if it is good. Why it can't be used is said with each block that needs it."""
        name = yield from self._layouts.learn_tag_set(content)
        if name is not None:
            yield Store(PutTagSet(self.gateway, name, content))

    def _receive_catalog(self, catalog: pb.Catalog) -> Steps:
        item = yield from self._layouts.learn(catalog)
        if item is not None:
            yield Store(item)

    def _receive_block(self, carried: Carried) -> Steps:
        try:
            check_name(carried, self._features)
            layout = yield from self._layouts.get(carried.epoch, carried.catalog_revision)
            steps = check_carried(carried, layout, self._features)
            found = yield Check(steps, carried.payload_size)
            if isinstance(found, RefusedError):
                raise found
        except RefusedError as error:
            first, last = names(carried)
            yield self._reject(carried.epoch, first, last, error)
            self.broken += error.reason in _BROKEN
            if self._broken_max is not None and self.broken > self._broken_max:
                words = f"{self.broken} blocks of this stream could not be taken; the last:"
                yield self._end("RESOURCE_EXHAUSTED", f"{words} {error.detail}")
            return
        first, _ = names(carried)
        chain = self._layouts.chain(carried.epoch, carried.catalog_revision)
        yield Store(PutBlocks(self.gateway, carried, first, chain, found, self._utc_ns()))

    def _reject(self, epoch: int, first: int, last: int, error: RefusedError) -> Send:
        last_seq = last if first < last < 1 << 64 else 0  # as long as a seq of the wire may be
        reject = pb.Reject(
            epoch=epoch, seq=first, last_seq=last_seq, reason=error.reason, detail=error.detail
        )
        return Send(pb.StreamResponse(reject=reject))

    # ---- Results ----------------------------------------------------------------------------

    def stored(self, results: Iterable[tuple[Put, Outcomes]]) -> list[Send]:
        """What became of items, durable now: one Ack in ranges, and a Reject a conflict."""
        commands: list[Send] = []
        acked: list[tuple[int, int]] = []
        for item, outcomes in results:
            if isinstance(item, PutCatalog):
                if outcomes[0] is Outcome.CONFLICT:  # another stream was faster
                    self._layouts.refuse(item.epoch, item.revision, "came with two contents")
            elif isinstance(item, PutBlocks):
                seq, epoch = item.first_seq, item.carried.epoch
                for outcome, alike in groupby(outcomes):
                    last = seq + len(list(alike)) - 1
                    if outcome in (Outcome.STORED, Outcome.DUPLICATE):
                        acked += [(epoch, one) for one in range(seq, last + 1)]
                    else:
                        commands.append(self._reject(epoch, seq, last, _NOT_STORED[outcome]))
                    seq = last + 1
                if _says_lost(item):
                    kind, words = pb.NOTICE_KIND_PLATFORM_LOST, _LOST_WORDS
                    commands.append(Send(notice(kind, words, self._utc_ns())))
        if acked:
            commands.append(Send(pb.StreamResponse(ack=pb.Ack(ranges=_ranges(acked)))))
        return commands


_NOT_STORED = {
    Outcome.CONFLICT: RefusedError(
        pb.REJECT_REASON_CONFLICT, "this name is held with other content, which stays as it is"
    ),
    Outcome.UNKNOWN: RefusedError(
        pb.REJECT_REASON_UNKNOWN_CATALOG, "its catalog revision is held with another content"
    ),
    Outcome.CONTRADICTS: RefusedError(
        pb.REJECT_REASON_MALFORMED,
        "tick 0 of one of its groups is held with another time; a new schedule is a new group",
    ),
}
_LOST_WORDS = (
    "this platform acknowledged blocks that it no longer holds: was its store put back to an older"
    " state? What the box no longer has is counted as platform_lost"
)


def _says_lost(item: PutBlocks) -> bool:
    return any(
        gap.reason == pb.GAP_REASON_PLATFORM_LOST
        for block in item.facts.blocks
        if block.extra is not None
        for gap in block.extra.gaps
    )


def _ranges(acked: list[tuple[int, int]]) -> list[pb.AckRange]:
    ranges: list[pb.AckRange] = []
    for epoch, seq in sorted(set(acked)):
        if ranges and ranges[-1].epoch == epoch and ranges[-1].last == seq - 1:
            ranges[-1].last = seq
        else:
            ranges.append(pb.AckRange(epoch=epoch, first=seq, last=seq))
    return ranges
