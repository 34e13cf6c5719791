"""One gateway's stream as a state machine: messages and store results in, commands out. No I/O.

States: `hello` (nothing said yet) -> `pages` (HelloPage follow) -> `opening` (the store is asked)
-> `open` (catalogs, blocks, heartbeats) -> `ended`. Whatever comes in a state that does not expect
it ends the stream with INVALID_ARGUMENT and words; nothing a peer sends raises.

The driver executes commands in their order. After `Open` it calls `opened`, after `Load` it calls
`loaded`, after `Check` it calls `checked`, before it passes the next message; the results of
`Store` come whenever the store has them, through `stored`, and become acknowledgements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest import limits
from ingest.stores.api import Known, Outcome, Put, PutBlock, PutCatalog
from ingest.validate import RefusedError, check_block, check_catalog, check_name, quoted


@dataclass(frozen=True, slots=True)
class Send:
    message: pb.StreamResponse


@dataclass(frozen=True, slots=True)
class Open:
    """Ask the store's `hello`, then call `opened`."""

    gateway: str
    epoch: int
    boot_id: str
    software: str
    earlier: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Load:
    """Ask the store's `catalog`, then call `loaded`."""

    gateway: str
    epoch: int
    revision: int


@dataclass(frozen=True, slots=True)
class Check:
    """Call `run` in a thread, since it takes long, then `checked` with what it gave."""

    run: Callable[[], Verdict]


@dataclass(frozen=True, slots=True)
class Store:
    """Give the item to the store's `put`; pass what became of it to `stored`."""

    item: Put


@dataclass(frozen=True, slots=True)
class End:
    """End the stream with this gRPC status; nothing more is sent or taken."""

    code: str
    detail: str


#: What a check found: the payload of a good block, None for a good catalog.
Verdict = pb.BlockPayload | RefusedError | None
Command = Send | Open | Load | Check | Store | End
_CatalogName = tuple[int, int]


class Session:
    """`identity` is the gateway's id in its certificate; None on a plain-text stream."""

    def __init__(self, identity: str | None, utc_ns: Callable[[], int]) -> None:
        self.state = "hello"
        self.gateway = ""
        self.epoch = 0
        self.rejected = 0
        self._identity = identity
        self._utc_ns = utc_ns
        self._hello = pb.Hello()
        self._earlier: list[int] = []
        # Catalogs at hand; a text says why that revision can't be used.
        self._catalogs: dict[_CatalogName, pb.Catalog | str] = {}
        self._waiting: pb.Catalog | pb.Block | None = None

    def receive(self, request: pb.StreamRequest) -> list[Command]:
        if self.state == "ended":
            return []
        kind = request.WhichOneof("message")
        match (self.state, kind):
            case ("hello", "hello"):
                return self._receive_hello(request.hello)
            case ("pages", "hello_page"):
                return self._name_epochs(request.hello_page.earlier, request.hello_page.more)
            case ("open", "catalog"):
                return self._receive_catalog(request.catalog)
            case ("open", "block"):
                return self._receive_block(request.block)
            case ("open", "heartbeat"):
                beat = pb.Heartbeat(id=request.heartbeat.id, utc_ns=self._utc_ns())
                return [Send(pb.StreamResponse(heartbeat=beat))]
            case ("open", None):
                return []  # of a newer box: a message that this version does not know
        return self._end("INVALID_ARGUMENT", f"{kind} is not expected in state {self.state}")

    def _end(self, code: str, detail: str) -> list[Command]:
        self.state = "ended"
        return [End(code, detail)]

    # ---- Hello ------------------------------------------------------------------------------

    def _receive_hello(self, hello: pb.Hello) -> list[Command]:
        if hello.protocol != limits.PROTOCOL:
            welcome = pb.Welcome(protocol=limits.PROTOCOL)
            return [
                Send(pb.StreamResponse(welcome=welcome)),
                *self._end(
                    "FAILED_PRECONDITION",
                    f"the box speaks protocol {hello.protocol}, this receiver {limits.PROTOCOL};"
                    " update the older of the two",
                ),
            ]
        if self._identity is not None and hello.gateway != self._identity:
            return self._end(
                "PERMISSION_DENIED",
                f"the certificate is of gateway {quoted(self._identity)}, Hello says"
                f" {quoted(hello.gateway)}; set gateway.id to the certificate's, or enroll again",
            )
        size = len(hello.gateway.encode())
        if not 0 < size <= limits.GATEWAY_ID_BYTES_MAX or not hello.gateway.isprintable():
            return self._end("INVALID_ARGUMENT", "Hello: gateway is empty, too long or unprintable")
        if not 0 < hello.epoch < limits.EPOCH_END:
            return self._end("INVALID_ARGUMENT", f"Hello: epoch {hello.epoch} is not in 1..2^53-1")
        if not 0 < len(hello.boot_id) <= 64:
            return self._end("INVALID_ARGUMENT", "Hello: boot_id is empty or too long")
        self.gateway, self.epoch, self._hello = hello.gateway, hello.epoch, hello
        return self._name_epochs(hello.earlier, hello.more)

    def _name_epochs(self, kept: Sequence[pb.EpochKept], more: bool) -> list[Command]:
        if more and not kept:
            return self._end("INVALID_ARGUMENT", "Hello: a page without epochs says that more come")
        for one in kept:
            if not 0 < one.epoch < limits.EPOCH_END:
                return self._end(
                    "INVALID_ARGUMENT", f"Hello: earlier epoch {one.epoch} is not in 1..2^53-1"
                )
            self._earlier.append(one.epoch)
        if len(self._earlier) > limits.EPOCHS_NAMED_MAX:
            return self._end(
                "INVALID_ARGUMENT", f"Hello names more than {limits.EPOCHS_NAMED_MAX} epochs"
            )
        if more:
            self.state = "pages"
            return []
        self.state = "opening"
        hello = self._hello
        return [
            Open(
                hello.gateway,
                hello.epoch,
                hello.boot_id,
                hello.software[: limits.SOFTWARE_CHARS_MAX],
                tuple(self._earlier),
            )
        ]

    def opened(self, known: Known) -> list[Command]:
        assert self.state == "opening"
        if known.superseded:
            return self._end(
                "ALREADY_EXISTS",
                f"another box, or another run, speaks as {self.gateway!r} since: was its card"
                " copied? Give this box an id and a certificate of its own",
            )
        self.state = "open"
        self._earlier.clear()
        welcome = pb.Welcome(
            protocol=limits.PROTOCOL,
            window_blocks=limits.WINDOW_BLOCKS,
            window_bytes=limits.WINDOW_BYTES,
            block_bytes_max=limits.BLOCK_BYTES_MAX,
            heartbeat_ms=limits.HEARTBEAT_MS,
            highest_epoch=known.highest_epoch,
            utc_ns=self._utc_ns(),
        )
        page = limits.WELCOME_PAGE
        messages: list[Command] = []
        for start in range(0, max(len(known.held), 1), page):
            welcome.held.extend(known.held[start : start + page])
            welcome.more = start + page < len(known.held)
            messages.append(Send(pb.StreamResponse(welcome=welcome)))
            welcome = pb.Welcome()
        return messages

    # ---- Catalogs and blocks ----------------------------------------------------------------

    def _receive_catalog(self, catalog: pb.Catalog) -> list[Command]:
        """Keep it if it is good and new. Why it can't be used is said with each block of it."""
        self._waiting = catalog
        return self._check(catalog.ByteSize(), partial(check_catalog, catalog))

    def _checked_catalog(self, catalog: pb.Catalog, verdict: Verdict) -> list[Command]:
        name = (catalog.epoch, catalog.revision)
        if isinstance(verdict, RefusedError):
            words = f"catalog revision {catalog.revision} was refused: {verdict.detail}"
            self._remember(name, words)
            return []
        at_hand = self._catalogs.get(name)
        if isinstance(at_hand, pb.Catalog):
            return self._compare_catalog(catalog, at_hand)
        self._waiting = catalog
        return [Load(self.gateway, *name)]

    def _receive_block(self, block: pb.Block) -> list[Command]:
        try:
            check_name(block)
        except RefusedError as error:
            return self._reject(block, error)
        name = (block.epoch, block.catalog_revision)
        if name in self._catalogs:
            return self._check_block(block, self._catalogs[name])
        self._waiting = block
        return [Load(self.gateway, *name)]

    def loaded(self, held: pb.Catalog | None) -> list[Command]:
        """The answer to the last Load: the catalog that the store holds, if any."""
        waiting, self._waiting = self._waiting, None
        match waiting:
            case pb.Catalog():
                return self._compare_catalog(waiting, held)
            case pb.Block():
                if held is None:
                    return self._reject(
                        waiting,
                        RefusedError(
                            pb.REJECT_REASON_UNKNOWN_CATALOG,
                            f"catalog revision {waiting.catalog_revision} of epoch"
                            f" {waiting.epoch} is not held; send it before its first block",
                        ),
                    )
                self._remember((held.epoch, held.revision), held)
                return self._check_block(waiting, held)
        raise AssertionError("loaded without Load")

    def _compare_catalog(self, new: pb.Catalog, old: pb.Catalog | None) -> list[Command]:
        name = (new.epoch, new.revision)
        if old is None:
            self._remember(name, new)
            return [Store(PutCatalog(self.gateway, new))]
        if old != new:
            self._remember(name, f"catalog revision {new.revision} came with two contents")
        else:
            self._remember(name, old)
        return []

    def _remember(self, name: _CatalogName, catalog: pb.Catalog | str) -> None:
        self._catalogs.pop(name, None)
        self._catalogs[name] = catalog
        if len(self._catalogs) > limits.CATALOGS_CACHED_MAX:
            del self._catalogs[next(iter(self._catalogs))]

    def _check_block(self, block: pb.Block, catalog: pb.Catalog | str) -> list[Command]:
        if isinstance(catalog, str):
            refused = RefusedError(pb.REJECT_REASON_UNKNOWN_CATALOG, catalog)
            return self._reject(block, refused)
        self._waiting = block
        size = len(block.payload) + block.payload_size
        return self._check(size, partial(check_block, block, catalog))

    def _check(self, size: int, check: Callable[[], pb.BlockPayload | None]) -> list[Command]:
        run = partial(_verdict, check)
        return self.checked(run()) if size <= limits.CHECK_INLINE_BYTES else [Check(run)]

    def checked(self, verdict: Verdict) -> list[Command]:
        """What the last Check gave."""
        waiting, self._waiting = self._waiting, None
        match waiting, verdict:
            case pb.Catalog(), _:
                return self._checked_catalog(waiting, verdict)
            case pb.Block(), RefusedError():
                return self._reject(waiting, verdict)
            case pb.Block(), pb.BlockPayload():
                return [Store(PutBlock(self.gateway, waiting, verdict))]
        raise AssertionError("checked without Check")

    def _reject(self, block: pb.Block, error: RefusedError) -> list[Command]:
        self.rejected += 1
        reject = pb.Reject(
            epoch=block.epoch, seq=block.seq, reason=error.reason, detail=error.detail
        )
        return [Send(pb.StreamResponse(reject=reject))]

    # ---- Results ----------------------------------------------------------------------------

    def stored(self, results: Iterable[tuple[Put, Outcome]]) -> list[Command]:
        """What became of items, durable now: one Ack in ranges, and a Reject a conflict."""
        commands: list[Command] = []
        acked: list[tuple[int, int]] = []
        for item, outcome in results:
            if isinstance(item, PutCatalog):
                if outcome is Outcome.CONFLICT:  # another stream was faster with another content
                    name = (item.catalog.epoch, item.catalog.revision)
                    self._remember(name, f"catalog revision {name[1]} came with two contents")
            elif outcome is Outcome.CONFLICT:
                conflict = RefusedError(
                    pb.REJECT_REASON_CONFLICT,
                    "this name is held with other content, which stays as it is",
                )
                commands += self._reject(item.block, conflict)
            else:
                acked.append((item.block.epoch, item.block.seq))
        if acked:
            ack = pb.Ack(ranges=_ranges(acked))
            commands.append(Send(pb.StreamResponse(ack=ack)))
        return commands


def _verdict(check: Callable[[], pb.BlockPayload | None]) -> Verdict:
    try:
        return check()
    except RefusedError as error:
        return error


def _ranges(names: list[tuple[int, int]]) -> list[pb.AckRange]:
    ranges: list[pb.AckRange] = []
    for epoch, seq in sorted(set(names)):
        if ranges and ranges[-1].epoch == epoch and ranges[-1].last == seq - 1:
            ranges[-1].last = seq
        else:
            ranges.append(pb.AckRange(epoch=epoch, first=seq, last=seq))
    return ranges
