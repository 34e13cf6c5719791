"""The opening of a stream: what a Hello must be, and the pages of the Welcome that answers it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest import limits
from ingest.refusal import quoted
from ingest.stores.api import Known, Speaker


class HelloError(Exception):
    """A Hello that can't be answered: the gRPC status, and words."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


def check_hello(hello: pb.Hello, identity: str | None) -> None:
    """Raises HelloError. `identity`: the id in the certificate; None: there is none."""
    if identity is not None and hello.gateway != identity:
        raise HelloError(
            "PERMISSION_DENIED",
            f"the certificate is of gateway {quoted(identity)}, Hello says"
            f" {quoted(hello.gateway)}; set gateway.id to the certificate's, or enroll again",
        )
    size = len(hello.gateway.encode())
    if not 0 < size <= limits.GATEWAY_ID_BYTES_MAX or not hello.gateway.isprintable():
        raise _invalid("gateway is empty, too long or unprintable")
    if not 0 < hello.epoch < limits.EPOCH_END:
        raise _invalid(f"epoch {hello.epoch} is not in 1..2^53-1")
    boot = hello.boot_id
    if not 0 < len(boot) <= limits.BOOT_ID_CHARS_MAX or not boot.isprintable():
        raise _invalid("boot_id is empty, too long or unprintable")
    for what, name in (("installation", hello.installation), ("machine", hello.machine)):
        if len(name) not in (0, limits.ID_BYTES):
            raise _invalid(f"{what} has {len(name)} bytes, not 0 or {limits.ID_BYTES}")
    if len(hello.earlier) > limits.HELLO_EPOCHS_MAX:
        raise _invalid(f"more than {limits.HELLO_EPOCHS_MAX} earlier epochs")
    for one in hello.earlier:
        if not 0 < one.epoch < limits.EPOCH_END:
            raise _invalid(f"earlier epoch {one.epoch} is not in 1..2^53-1")
    for names in (hello.catalogs, *(one.catalogs for one in hello.earlier)):
        if any(len(name) not in (0, limits.ID_BYTES) for name in names):
            raise _invalid("a catalog's id is not of 16 bytes")


def _invalid(detail: str) -> HelloError:
    return HelloError("INVALID_ARGUMENT", f"Hello: {detail}")


def speaker(hello: pb.Hello, address: str, utc_ns: int, bound_heard_ns: int) -> Speaker:
    return Speaker(
        hello.gateway,
        hello.epoch,
        hello.boot_id,
        hello.installation,
        hello.machine,
        hello.software[: limits.SOFTWARE_CHARS_MAX],
        tuple(hello.catalogs),
        tuple((one.epoch, tuple(one.catalogs)) for one in hello.earlier),
        address,
        utc_ns,
        bound_heard_ns,
    )


def notice(
    kind: pb.NoticeKind.ValueType, words: str, utc_ns: int, address: str = ""
) -> pb.StreamResponse:
    said = pb.Notice(kind=kind, detail=words, address=address, utc_ns=utc_ns)
    return pb.StreamResponse(notice=said)


@dataclass(frozen=True, slots=True)
class Page:
    welcome: pb.Welcome
    first: bool


def welcome_pages(known: Known) -> Iterator[Page]:
    """At least one page; each of WELCOME_PAGE ranges, names and epochs at most."""
    welcome = pb.Welcome(
        window_blocks=limits.WINDOW_BLOCKS,
        block_bytes_max=limits.BLOCK_BYTES_MAX,
        message_bytes_max=limits.MESSAGE_BYTES_MAX,
        heartbeat_ms=limits.HEARTBEAT_MS,
        highest_epoch=known.highest_epoch,
    )
    room, first = limits.WELCOME_PAGE, True
    for place, part in _parts(known):
        size = 1 + len(part.held) if isinstance(part, pb.EpochHeld) else 1
        if size > room:
            welcome.more = True
            yield Page(welcome, first)
            welcome, room, first = pb.Welcome(), limits.WELCOME_PAGE, False
        room -= size
        if isinstance(part, bytes):
            welcome.tag_sets.append(part)
        elif place == "held":
            welcome.held.append(part)
        else:
            welcome.ends_lacking.append(part)
    yield Page(welcome, first)


def _parts(known: Known) -> Iterator[tuple[str, pb.EpochHeld | bytes]]:
    for place, epochs in (("held", known.held), ("ends_lacking", known.ends_lacking)):
        for epoch in epochs:
            for part in _split(epoch):
                yield place, part
    for name in known.tag_sets:
        yield "tag_sets", name


def _split(held: pb.EpochHeld) -> Iterable[pb.EpochHeld]:
    """An epoch of more ranges than a page has room for, in parts that each name it."""
    most = limits.WELCOME_PAGE - 1
    if len(held.held) <= most:
        return (held,)
    return (
        pb.EpochHeld(
            epoch=held.epoch, closed=held.closed, catalog_revision=held.catalog_revision,
            held=held.held[start : start + most],
        )
        for start in range(0, len(held.held), most)
    )  # fmt: skip
