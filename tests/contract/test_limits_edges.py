"""Each entry of the one table of sizes, driven to its edge: at the most it is taken, one beyond is
refused in words. An entry without a case here fails.

What the receiver must refuse goes through its real session, checks and tables; what `jiahe check`
must refuse through the box's configuration; what the box must refuse through its real channel.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from jiahe.ingest import limits
from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.ports import ChannelError
from gateway.uplink.channel import METHOD, GrpcChannel
from ingest.count import BLOCK, TooManyError, check_counts
from ingest.payload import crc32c
from tests.contract import encode, examples, receiver
from tests.contract.examples import EPOCH
from tests.contract.sized import tags_of, texts_of
from tests.contract.streams import Box, said
from tests.unit import test_config_capacity as capacity
from tests.unit.test_config import DEVICE, HEAD, TAGS

#: Words of what refuses, or "" where all of it is taken.
Told = str
#: Told at the limit, and one beyond.
Case = Callable[[Path], Iterator[Told]]
CASES: dict[str, Case] = {}
#: Of the cases that were played: some are of several limits.
TOLD: dict[Case, tuple[Told, ...]] = {}


def case(*names: str) -> Callable[[Case], Case]:
    def add(made: Case) -> Case:
        CASES.update(dict.fromkeys(names, made))
        return made

    return add


# ---- What the receiver says ---------------------------------------------------------------------


def told(*requests: pb.StreamRequest, hello: pb.StreamRequest | None = None) -> Told:
    """The first reject or end that a stream with these requests comes to."""
    one = Box().stream()
    answers = said(one, hello or receiver.hello(EPOCH), *requests)
    if one.ended is not None:
        return one.ended.detail
    rejects = [answer.reject.detail for answer in answers if answer.HasField("reject")]
    if rejects:
        return rejects[0]
    blocks = any(request.HasField("block") or request.HasField("bundle") for request in requests)
    assert not blocks or answers[-1].HasField("ack"), answers
    return ""


def hello(**changes: Any) -> pb.StreamRequest:
    request = receiver.hello(EPOCH)
    for name, value in changes.items():
        setattr(request.hello, name, value)
    return request


def block(payload: pb.BlockPayload, **changes: Any) -> pb.StreamRequest:
    """A block of it. `encode` sums bit by bit, which takes long for megabytes."""
    plain = payload.SerializeToString()
    made = encode.block(EPOCH, changes.pop("seq", 1), pb.BlockPayload(), **changes)
    made.payload_size, made.payload_crc32c = len(plain), crc32c(plain)
    made.payload = encode.compress(made.compression, plain)
    made.scans, made.samples = encode.counts(payload.runs)
    return pb.StreamRequest(block=made)


def with_tags(tags: pb.TagSetContent, *more: pb.StreamRequest, **keys: Any) -> Told:
    """A stream with one group of these tags, and `more`; without more, a block of no rows."""
    tagged = examples.tag_set(tags)
    group = examples.group(tagged=tagged)
    for key, value in keys.items():
        setattr(group, key, value)
    return told(
        pb.StreamRequest(tag_set=tagged),
        pb.StreamRequest(catalog=examples.catalog(made=examples.content([group]))),
        *(more or [block(pb.BlockPayload(anchors=[examples.anchor()]))]),
    )


def with_tag(**keys: Any) -> Told:
    made = {"name": "t", "type": pb.VALUE_TYPE_INT} | keys
    return with_tags(pb.TagSetContent(tags=[pb.Tag(**made)]))


def numbers(count: int) -> pb.TagSetContent:
    return pb.TagSetContent(
        tags=[pb.Tag(name=f"t{n}", type=pb.VALUE_TYPE_INT) for n in range(count)]
    )


def rows(count: int, columns: int, **keys: Any) -> pb.GroupRun:
    """A run of so many rows, all 0: lists that end early."""
    return encode.run(1, 0, count, [pb.Column() for _ in range(columns)], **keys)


@case("GATEWAY_ID_BYTES_MAX")
def gateway_id(folder: Path) -> Iterator[Told]:
    for size in (limits.GATEWAY_ID_BYTES_MAX, limits.GATEWAY_ID_BYTES_MAX + 1):
        yield told(hello=hello(gateway="g" * size))


@case("BOOT_ID_CHARS_MAX")
def boot_id(folder: Path) -> Iterator[Told]:
    for size in (limits.BOOT_ID_CHARS_MAX, limits.BOOT_ID_CHARS_MAX + 1):
        yield told(hello=hello(boot_id="b" * size))


@case("ID_BYTES")
def ids(folder: Path) -> Iterator[Told]:
    for size in (limits.ID_BYTES, limits.ID_BYTES + 1):
        yield told(hello=hello(installation=bytes(size)))


@case("HELLO_EPOCHS_MAX")
def hello_epochs(folder: Path) -> Iterator[Told]:
    for count in (limits.HELLO_EPOCHS_MAX, limits.HELLO_EPOCHS_MAX + 1):
        yield told(hello=receiver.hello(EPOCH, earlier=tuple(range(1, count + 1))))


@case("HELLO_BYTES_MAX")
def hello_bytes(folder: Path) -> Iterator[Told]:
    over = len(hello(software="x" * (60 << 10)).SerializeToString()) - (60 << 10)
    for size in (limits.HELLO_BYTES_MAX, limits.HELLO_BYTES_MAX + 1):
        request = hello(software="x" * (size - over))
        assert len(request.SerializeToString()) == size
        yield told(hello=request)


@case("EPOCH_END")
def epochs(folder: Path) -> Iterator[Told]:
    for epoch in (limits.EPOCH_END - 1, limits.EPOCH_END):
        yield told(hello=receiver.hello(epoch))


@case("SEQ_END")
def seqs(folder: Path) -> Iterator[Told]:
    for seq in (limits.SEQ_END - 1, limits.SEQ_END):
        payload = pb.BlockPayload(anchors=[examples.anchor()])
        yield told(*examples.opening(), block(payload, seq=seq))


@case("NAME_BYTES_MAX")
def names(folder: Path) -> Iterator[Told]:
    for size in (limits.NAME_BYTES_MAX, limits.NAME_BYTES_MAX + 1):
        yield with_tag(name="n" * size)


@case("TEXT_BYTES_MAX")
def texts(folder: Path) -> Iterator[Told]:
    for size in (limits.TEXT_BYTES_MAX, limits.TEXT_BYTES_MAX + 1):
        yield with_tag(description="d" * size)


@case("LABELS_MAX")
def labels(folder: Path) -> Iterator[Told]:
    for count in (limits.LABELS_MAX, limits.LABELS_MAX + 1):
        longest = "嘉" * (limits.LABEL_BYTES_MAX // 3)
        yield with_tag(labels=dict.fromkeys(range(count), longest))


@case("DECIMAL_CHARS_MAX")
def decimals(folder: Path) -> Iterator[Told]:
    for size in (limits.DECIMAL_CHARS_MAX, limits.DECIMAL_CHARS_MAX + 1):
        yield with_tag(scale="0." + "1" * (size - 2))


@case("TAGS_MAX", "COLUMNS_MAX")
def tags(folder: Path) -> Iterator[Told]:
    """As many tags as there may be, and a column each."""
    most = limits.COLUMNS_MAX
    at, beyond = (block(pb.BlockPayload(runs=[rows(1, count)])) for count in (most, most + 1))
    beyond.block.seq = 2
    made = numbers(limits.TAGS_MAX)
    more = with_tags(made, at, beyond)
    assert "300001 columns" in more  # and not one word of the block before
    yield ""
    made.tags.add(name="one more", type=pb.VALUE_TYPE_INT)
    yield with_tags(made)


@case("GROUPS_MAX")
def groups(folder: Path) -> Iterator[Told]:
    for count in (limits.GROUPS_MAX, limits.GROUPS_MAX + 1):
        made = examples.content([examples.group(number) for number in range(1, count + 1)])
        yield told(
            pb.StreamRequest(tag_set=examples.tag_set()),
            pb.StreamRequest(catalog=examples.catalog(made=made)),
            pb.StreamRequest(block=examples.block(1)),
        )


@case("EPOCH_GROUPS_MAX")
def epoch_groups(folder: Path) -> Iterator[Told]:
    """Revision after revision, each ends the groups of the one before."""
    at_once = limits.GROUPS_MAX
    revisions = limits.EPOCH_GROUPS_MAX // at_once
    requests = [pb.StreamRequest(tag_set=examples.tag_set())]
    for revision in range(revisions + 1):
        first = revision * at_once + 1
        count = at_once if revision < revisions else 1
        ended = [pb.GroupEnd(id=first - 1 - n) for n in range(at_once)] if revision else []
        made = examples.content([examples.group(first + n) for n in range(count)], ended)
        requests.append(
            pb.StreamRequest(catalog=examples.catalog(revision=revision + 1, made=made))
        )
    payload = pb.BlockPayload(anchors=[examples.anchor()])
    at, beyond = (block(payload, seq=n, revision=n) for n in (revisions, revisions + 1))
    more = told(*requests[:-1], at, requests[-1], beyond)
    assert f"catalog revision {revisions + 1}" in more  # and not one word of the block before
    yield ""
    yield more


@case("TAG_SET_BYTES_MAX")
def tag_set_bytes(folder: Path) -> Iterator[Told]:
    for size in (limits.TAG_SET_BYTES_MAX, limits.TAG_SET_BYTES_MAX + 1):
        content = tags_of(size)
        name = examples.content_id(content)
        made = examples.content([pb.Group(id=1, device="d", tag_set=name, period_ns=1)])
        yield told(
            *examples.pieces(pb.StreamRequest(tag_set=pb.TagSet(content=content))),
            pb.StreamRequest(catalog=examples.catalog(made=made)),
            block(pb.BlockPayload(anchors=[examples.anchor()])),
        )


@case("PIECED_BYTES_MAX")
def pieced(folder: Path) -> Iterator[Told]:
    for size in (limits.PIECED_BYTES_MAX, limits.PIECED_BYTES_MAX + 1):
        piece = pb.Piece(message_id=bytes(16), message_size=size, data=bytes(1000))
        yield told(pb.StreamRequest(piece=piece))


# ---- Blocks -------------------------------------------------------------------------------------


def with_text(*more: pb.StreamRequest) -> Told:
    return with_tags(pb.TagSetContent(tags=[pb.Tag(name="t", type=pb.VALUE_TYPE_BYTES)]), *more)


@case("BLOCK_BYTES_MAX")
def block_bytes(folder: Path) -> Iterator[Told]:
    for size in (limits.BLOCK_BYTES_MAX, limits.BLOCK_BYTES_MAX + 1):
        made = block(texts_of(size, 10), compression=pb.COMPRESSION_NONE)
        yield with_text(*examples.pieces(made))


@case("PAYLOAD_BYTES_MAX")
def payload_bytes(folder: Path) -> Iterator[Told]:
    for size in (limits.PAYLOAD_BYTES_MAX, limits.PAYLOAD_BYTES_MAX + 1):
        yield with_text(block(texts_of(size, 200_000)))


@case("ROWS_MAX")
def most_rows(folder: Path) -> Iterator[Told]:
    for count in (limits.ROWS_MAX, limits.ROWS_MAX + 1):
        yield with_tags(numbers(1), block(pb.BlockPayload(runs=[rows(count, 1)])))


@case("SAMPLES_MAX")
def most_samples(folder: Path) -> Iterator[Told]:
    wide = limits.SAMPLES_MAX // limits.ROWS_MAX
    for count in (wide, wide + 1):
        run = rows(limits.ROWS_MAX, count)
        yield with_tags(numbers(count), block(pb.BlockPayload(runs=[run])))


@case("ANCHORS_MAX")
def most_anchors(folder: Path) -> Iterator[Told]:
    for count in (limits.ANCHORS_MAX, limits.ANCHORS_MAX + 1):
        yield told(*examples.opening(), block(pb.BlockPayload(anchors=[examples.anchor()] * count)))


@case("GAPS_MAX")
def most_gaps(folder: Path) -> Iterator[Told]:
    gap = pb.Gap(epoch=5, reason=pb.GAP_REASON_CRASH, blocks=[pb.SeqRange(first=1, last=1)])
    for count in (limits.GAPS_MAX, limits.GAPS_MAX + 1):
        yield told(*examples.opening(), block(pb.BlockPayload(gaps=[gap] * count)))


@case("GAP_RANGES_MAX")
def most_gap_ranges(folder: Path) -> Iterator[Told]:
    for count in (limits.GAP_RANGES_MAX, limits.GAP_RANGES_MAX + 1):
        ranges = [pb.SeqRange(first=2 * n, last=2 * n) for n in range(1, count + 1)]
        gap = pb.Gap(epoch=5, reason=pb.GAP_REASON_CRASH, blocks=ranges)
        yield told(*examples.opening(), block(pb.BlockPayload(gaps=[gap])))


@case("RUNS_MAX", "PIECES_MAX", "FIELDS_MAX")
def counted(folder: Path) -> Iterator[Told]:
    """Messages in a payload, whose count is taken before anything is parsed."""
    for what, most, made in (
        ("runs", limits.RUNS_MAX, lambda count: b"\x12\x00" * count + _PADDING),
        ("quality runs", limits.PIECES_MAX, _qualities),
        ("fields", limits.FIELDS_MAX, lambda count: b"\x20\x0a" * count),
    ):
        assert not _counted(made(most)), what
        beyond = _counted(made(most + 1))
        assert what in beyond and str(most) in beyond
    yield ""
    yield beyond


#: So that the payload is large enough to be counted.
_PADDING = encode.varint(15 << 3 | 2) + encode.varint(1_100_000) + b"\x0a" * 1_100_000


def _qualities(count: int) -> bytes:
    column = b"\x2a\x00" * count
    run = b"\x52" + encode.varint(len(column)) + column
    return b"\x12" + encode.varint(len(run)) + run + _PADDING


def _counted(payload: bytes) -> Told:
    try:
        for _ in check_counts(payload, BLOCK):
            pass
    except TooManyError as error:
        return str(error)
    return ""


@case("BUNDLE_BLOCKS_MAX")
def bundle_blocks(folder: Path) -> Iterator[Told]:
    for count in (limits.BUNDLE_BLOCKS_MAX, limits.BUNDLE_BLOCKS_MAX + 1):
        made = examples.bundle(1, count, ticks=1)
        yield told(*examples.opening(), pb.StreamRequest(bundle=made))


@case("NEEDS_MAX")
def needs(folder: Path) -> Iterator[Told]:
    for count in (limits.NEEDS_MAX, limits.NEEDS_MAX + 1):
        payload = pb.BlockPayload(anchors=[examples.anchor()])
        yield told(*examples.opening(), block(payload, needs=[pb.FEATURE_PARTS] * count))


# ---- Numbers ------------------------------------------------------------------------------------


@case("INT64_END")
def int64(folder: Path) -> Iterator[Told]:
    for first in (limits.INT64_END - 2, limits.INT64_END - 1):
        lost = pb.Gap(epoch=EPOCH, reason=pb.GAP_REASON_OVERRUN)
        lost.events.add(group=1, first=first, count=1)
        yield told(*examples.opening(), block(pb.BlockPayload(gaps=[lost])))


@case("SPAN_NS_MAX")
def span(folder: Path) -> Iterator[Told]:
    for period_ns in (limits.SPAN_NS_MAX, limits.SPAN_NS_MAX + 1):
        yield with_tags(numbers(1), period_ns=period_ns)


@case("LATE_US_MAX")
def late(folder: Path) -> Iterator[Told]:
    for late_us in (limits.LATE_US_MAX, limits.LATE_US_MAX + 1):
        run = rows(1, 1, late_us=[late_us])
        yield with_tags(numbers(1), block(pb.BlockPayload(runs=[run])))


# ---- What the wire carries ----------------------------------------------------------------------


@case("MESSAGE_BYTES_MAX")
def message(folder: Path) -> Iterator[Told]:
    async def heard(address: str, size: int) -> Told:
        async with receiver.stream(address) as call:
            await call.write(receiver.hello(EPOCH))
            await receiver.answer(call)
            request = pb.StreamRequest(tag_set=pb.TagSet(content=bytes(size - 8)))
            assert len(request.SerializeToString()) == size
            try:
                await call.write(request)
                await call.write(pb.StreamRequest(heartbeat=pb.Heartbeat(id=1)))
                assert (await receiver.answer(call)).heartbeat.id == 1
            except grpc.aio.AioRpcError as error:
                return str(error.details())
            return ""

    with receiver.serving(folder / "store.db") as (address, _):
        for size in (limits.MESSAGE_BYTES_MAX, limits.MESSAGE_BYTES_MAX + 1):
            yield asyncio.run(heard(address, size))


@case("RESPONSE_BYTES_MAX")
def response(folder: Path) -> Iterator[Told]:
    async def heard(size: int) -> Told:
        async def answer(requests: Any, context: Any) -> Any:
            yield bytes(size)

        server = grpc.aio.server()
        service, name = METHOD.strip("/").split("/")
        handler = grpc.stream_stream_rpc_method_handler(answer)
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service, {name: handler}),)
        )
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        stream = await GrpcChannel(f"127.0.0.1:{port}", None).open()
        try:
            async for got in stream.messages():
                assert len(got) == size
        except ChannelError as error:
            return str(error.arguments["error"])
        finally:
            await stream.close()
            await server.stop(0)
        return ""

    for size in (limits.RESPONSE_BYTES_MAX, limits.RESPONSE_BYTES_MAX + 1):
        yield asyncio.run(heard(size))


@case("HEARTBEAT_MS")
def heartbeat(folder: Path) -> Iterator[Told]:
    """No size, and nothing is refused: what the receiver says is what the table has."""
    (first, *_) = said(Box().stream(), receiver.hello(EPOCH))
    yield "" if first.welcome.heartbeat_ms == limits.HEARTBEAT_MS else "another"
    yield "no limit"


# ---- What `jiahe check` says --------------------------------------------------------------------


@case("LINKS_MAX")
def links(folder: Path) -> Iterator[Told]:
    for count in (limits.LINKS_MAX, limits.LINKS_MAX + 1):
        made = "".join(
            f'[links.l{n}]\ntype = "tcp"\naddress = "10.1.{n // 200}.{n % 200}"\n'
            for n in range(count - 1)
        )
        yield " ".join(capacity.said(folder, HEAD + made + DEVICE + TAGS))


@case("LABEL_BYTES_MAX")
def label_bytes(folder: Path) -> Iterator[Told]:
    for size in (limits.LABEL_BYTES_MAX, limits.LABEL_BYTES_MAX + 1):
        yield " ".join(capacity.said(folder, capacity.tag(labels=capacity.labels(1, size))))


@case("CATALOG_BYTES_MAX")
def catalog_bytes(folder: Path) -> Iterator[Told]:
    """Megabytes beyond what files of a legal size come to, so with a lower one."""
    text = HEAD + DEVICE + capacity.table(folder, "t.csv", 100)
    for most in (100 * (96 + 3 + 10 + 16), 100 * 96):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("gateway.config.capacity.CATALOG_BYTES_MAX", most)
            yield " ".join(capacity.said(folder, text))


# ---- The test -----------------------------------------------------------------------------------

NAMES = sorted(name for name in vars(limits) if name.isupper())


@pytest.mark.parametrize("name", NAMES)
def test_limit_when_driven_to_its_edge_then_taken_at_the_most_and_refused_beyond(
    name: str, tmp_path: Path
) -> None:
    assert name in CASES, f"{name} stands in the table of sizes, and nothing drives it to its edge"
    if CASES[name] not in TOLD:
        TOLD[CASES[name]] = tuple(CASES[name](tmp_path))
    at, beyond = TOLD[CASES[name]]
    assert at == ""
    assert beyond != "" and beyond.isprintable() and len(beyond) <= 500
