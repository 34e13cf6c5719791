"""The conversation, without any wire: messages and store results in, commands out."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest import limits, session
from ingest.inline import Inline, InlineStore
from ingest.shelf import Pieces
from ingest.stores.schema import SCHEMA
from tests.contract import encode, examples, receiver
from tests.contract.examples import EPOCH
from tests.contract.streams import said, stream

UTC_NS = 1_795_000_000_000_000_000
MINUTE_NS = 60 * 10**9


class Box:
    """Streams of boxes to one receiver, whose store is in memory and whose clock is `utc_ns`."""

    def __init__(self) -> None:
        self.sql = sqlite3.connect(":memory:", isolation_level=None)
        for statement in SCHEMA.split(";\n"):
            self.sql.execute(statement)
        self.store = InlineStore(self.sql)
        self.pieces = Pieces()
        self.utc_ns = UTC_NS

    def stream(self, identity: str | None = None, **options: Any) -> Inline:
        options = {"address": "10.0.0.1:5000", "pieces": self.pieces} | options
        return stream(self.store, identity, utc_ns=lambda: self.utc_ns, **options)

    def opened(self, request: pb.StreamRequest | None = None, **options: Any) -> Inline:
        one = self.stream(**options)
        (first, *_) = said(one, request or receiver.hello(EPOCH))
        assert first.HasField("welcome")
        return one


@pytest.fixture
def box() -> Iterator[Box]:
    made = Box()
    yield made
    made.sql.close()


def ended(one: Inline) -> session.End:
    assert one.ended is not None
    return one.ended


def block(*args: Any, **options: Any) -> pb.StreamRequest:
    return pb.StreamRequest(block=examples.block(*args, **options))


def acked(answers: list[pb.StreamResponse]) -> list[tuple[int, int]]:
    return [(r.first, r.last) for answer in answers for r in answer.ack.ranges]


# ---- Hello ------------------------------------------------------------------------------------


def test_welcome_says_versions_features_limits_and_time(box: Box) -> None:
    (answer,) = said(box.stream(software="receiver 1"), receiver.hello(EPOCH))
    welcome = answer.welcome
    assert (welcome.protocol_min, welcome.protocol_max) == (1, 1)
    assert list(welcome.features) == [1, 2, 3, 4, 5]
    assert (welcome.software, welcome.heartbeat_ms, welcome.utc_ns) == (
        "receiver 1", 10_000, UTC_NS,
    )  # fmt: skip
    assert (welcome.window_blocks, welcome.window_bytes) == (64, 4 << 20)
    assert (welcome.block_bytes_max, welcome.message_bytes_max) == (1 << 20, 2 << 20)
    assert [one.epoch for one in welcome.held] == [EPOCH]
    assert welcome.highest_epoch == 0  # known before this Hello


def test_hello_under_another_id_than_the_certificate_s_is_denied(box: Box) -> None:
    for identity, code in (("gw-2", "PERMISSION_DENIED"), ("", "PERMISSION_DENIED")):
        one = box.stream(identity)
        assert said(one, receiver.hello(EPOCH)) == []
        assert ended(one).code == code
    assert said(box.stream("gw-1"), receiver.hello(EPOCH))


def test_hello_of_another_protocol_hears_which_one_is_spoken(box: Box) -> None:
    hello = receiver.hello(EPOCH)
    hello.hello.protocol_min = hello.hello.protocol_max = 2
    one = box.stream()
    (answer,) = said(one, hello)
    assert (answer.welcome.protocol_min, answer.welcome.protocol_max) == (1, 1)
    assert ended(one).code == "FAILED_PRECONDITION"
    hello.hello.protocol_min = 1
    assert said(box.stream(), hello)[0].welcome.held


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("gateway", ""), ("gateway", "a\x1bb"), ("gateway", "x" * 129), ("epoch", 0),
        ("epoch", 1 << 53), ("boot_id", ""), ("boot_id", "\n"), ("installation", b"x"),
        ("machine", b"x" * 15), ("catalogs", [b"x"]),
    ],
)  # fmt: skip
def test_hello_that_makes_no_sense_is_ended_in_words(box: Box, field: str, value: Any) -> None:
    hello = receiver.hello(EPOCH).hello
    hello.ClearField(field)  # type: ignore[arg-type]
    hello.MergeFrom(pb.Hello(**{field: value}))
    one = box.stream()
    said(one, pb.StreamRequest(hello=hello))
    assert ended(one).code == "INVALID_ARGUMENT"
    assert len(ended(one).detail) < 400


def test_bytes_before_hello_are_counted_before_they_are_parsed(box: Box) -> None:
    """field.md 6.1: a megabyte of empty messages, from anybody."""
    for request in (
        pb.StreamRequest(tag_set=pb.TagSet(content=b"\x0a\x00" * 1000)),
        pb.StreamRequest(hello=pb.Hello(earlier=[pb.EpochKept()] * limits.HELLO_BYTES_MAX)),
    ):
        one = box.stream()
        assert said(one, request) == []
        assert ended(one).code == "INVALID_ARGUMENT"
    twice = receiver.hello(EPOCH).SerializeToString() * 2
    one = box.stream()
    assert one.receive(twice) == [] and ended(one).code == "INVALID_ARGUMENT"


def test_hello_that_comes_again_ends_the_stream(box: Box) -> None:
    one = box.opened()
    said(one, receiver.hello(EPOCH))
    assert ended(one).code == "INVALID_ARGUMENT"


def test_welcome_of_many_ranges_comes_in_pages_of_ranges(box: Box) -> None:
    count = limits.WELCOME_PAGE + 100
    box.opened()
    box.sql.executemany(
        "INSERT INTO held VALUES ('gw-1', ?, ?, ?)",
        ((EPOCH, 2 * seq, 2 * seq) for seq in range(1, count + 1)),
    )
    pages = [answer.welcome for answer in said(box.stream(), receiver.hello(EPOCH))]
    assert [page.more for page in pages] == [True, False]
    assert all(page.held[0].epoch == EPOCH for page in pages)
    ranges = [(r.first, r.last) for page in pages for r in page.held[0].held]
    assert ranges == [(2 * seq, 2 * seq) for seq in range(1, count + 1)]
    assert all(page.ByteSize() <= limits.RESPONSE_BYTES_MAX for page in pages)
    assert not pages[1].protocol_max


def test_welcome_names_epochs_without_end_that_hello_did_not(box: Box) -> None:
    box.opened(receiver.hello(1))
    box.opened(receiver.hello(2))
    (answer,) = said(box.stream(), receiver.hello(3, earlier=(2,)))
    assert [one.epoch for one in answer.welcome.held] == [3, 2]
    assert [one.epoch for one in answer.welcome.ends_lacking] == [1]
    assert answer.welcome.highest_epoch == 2


# ---- Who speaks -------------------------------------------------------------------------------


def test_another_machine_is_refused_while_the_bound_one_was_heard_and_takes_over_after(
    box: Box,
) -> None:
    box.opened()
    clone = receiver.hello(EPOCH + 1, machine=bytes(16))
    box.utc_ns += 9 * MINUTE_NS
    one = box.stream(address="10.0.0.2:6000")
    assert said(one, clone) == []
    assert ended(one).code == "ALREADY_EXISTS" and "10.0.0.1:5000" in ended(one).detail
    box.utc_ns += 2 * MINUTE_NS
    welcome, notice = said(box.stream(address="10.0.0.2:6000"), clone)
    assert welcome.HasField("welcome")
    assert notice.notice.kind == pb.NOTICE_KIND_TAKEN_OVER
    assert notice.notice.address == "10.0.0.1:5000"
    innocent = box.stream()
    assert said(innocent, receiver.hello(EPOCH)) == []
    assert "10.0.0.2:6000" in ended(innocent).detail
    box.utc_ns += 11 * MINUTE_NS  # the other one is gone: it comes back by itself
    assert said(box.stream(), receiver.hello(EPOCH))[0].HasField("welcome")


def test_machine_that_only_beats_counts_as_heard(box: Box) -> None:
    box.opened()
    box.utc_ns += 30 * MINUTE_NS
    clone = receiver.hello(EPOCH + 1, machine=bytes(16))
    one = box.stream(bound_heard_ns=lambda gateway: box.utc_ns - MINUTE_NS)
    assert said(one, clone) == []
    assert ended(one).code == "ALREADY_EXISTS"


def test_without_names_of_hardware_the_installation_decides(box: Box) -> None:
    box.opened(receiver.hello(EPOCH, machine=b""))
    other = bytes(reversed(examples.INSTALLATION))
    one = box.stream()
    assert said(one, receiver.hello(EPOCH + 1, machine=b"", installation=other)) == []
    assert ended(one).code == "ALREADY_EXISTS"
    assert said(box.stream(), receiver.hello(EPOCH + 1, machine=b""))
    assert said(box.stream(), receiver.hello(EPOCH + 2))  # its hardware could be read this time


def test_copied_card_in_boxes_without_names_shows_by_the_return_of_an_earlier_run(
    box: Box,
) -> None:
    box.opened(receiver.hello(EPOCH, machine=b""))
    box.opened(receiver.hello(EPOCH + 1, machine=b"", boot_id="boot-b"))
    one = box.stream()
    assert said(one, receiver.hello(EPOCH, machine=b"")) == []
    assert ended(one).code == "ALREADY_EXISTS"
    two_boots = box.stream()
    said(two_boots, receiver.hello(EPOCH + 1, machine=b"", boot_id="boot-a"))
    assert ended(two_boots).code == "ALREADY_EXISTS"


def test_nobody_ends_an_epoch_of_another_machine(box: Box) -> None:
    said(box.opened(), *examples.opening(), block(1))
    box.utc_ns += 11 * MINUTE_NS
    clone = box.opened(receiver.hello(EPOCH + 1, machine=bytes(16)))
    crash = pb.Gap(reason=pb.GAP_REASON_CRASH, epoch=EPOCH, count_unknown=True, after_seq=1)
    ends = block(1, epoch=EPOCH + 1, gaps=(crash,))
    assert acked(said(clone, *examples.opening(EPOCH + 1), ends)) == [(1, 1)]
    closed = dict(box.sql.execute("SELECT epoch, closed FROM epochs"))
    assert closed == {EPOCH: 0, EPOCH + 1: 0}
    assert box.sql.execute("SELECT * FROM crash_ends").fetchall() == []


# ---- Catalogs ---------------------------------------------------------------------------------


def refused(answers: list[pb.StreamResponse]) -> pb.Reject:
    (answer,) = answers
    assert answer.HasField("reject"), answer
    return answer.reject


def test_block_whose_catalog_nobody_has_is_rejected_unknown_catalog(box: Box) -> None:
    reject = refused(said(box.opened(), block(1)))
    assert (reject.seq, reject.reason) == (1, pb.REJECT_REASON_UNKNOWN_CATALOG)


def test_block_is_taken_with_a_catalog_of_an_earlier_stream(box: Box) -> None:
    assert acked(said(box.opened(), *examples.opening(), block(1))) == [(1, 1)]
    assert acked(said(box.opened(), block(2))) == [(2, 2)]


def test_run_with_an_unchanged_catalog_sends_no_byte_of_it(box: Box) -> None:
    said(box.opened(), *examples.opening())
    name = examples.catalog().id
    one = box.stream()
    (answer,) = said(one, receiver.hello(EPOCH + 1, catalogs=(name,)))
    assert answer.welcome.held[0].catalog_revision == 1
    assert not answer.welcome.tag_sets
    assert acked(said(one, block(1, epoch=EPOCH + 1))) == [(1, 1)]


def test_tag_sets_are_named_only_where_a_catalog_that_hello_names_is_not_held(box: Box) -> None:
    said(box.opened(), *examples.opening())
    (answer,) = said(box.stream(), receiver.hello(EPOCH, catalogs=(b"x" * 16,)))
    assert list(answer.welcome.tag_sets) == [examples.content_id(examples.tag_set().content)]


def test_catalog_without_content_refers_to_one_that_is_held(box: Box) -> None:
    said(box.opened(), *examples.opening())
    named = examples.catalog(EPOCH + 1)
    named.ClearField("content")
    one = box.opened(receiver.hello(EPOCH + 1))
    answers = said(one, pb.StreamRequest(catalog=named), block(1, epoch=EPOCH + 1))
    assert acked(answers) == [(1, 1)]
    unknown = pb.Catalog(epoch=EPOCH + 1, revision=2, id=b"y" * 16)
    answers = said(one, pb.StreamRequest(catalog=unknown), block(2, epoch=EPOCH + 1, revision=2))
    assert refused(answers).reason == pb.REJECT_REASON_UNKNOWN_CATALOG


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c.groups[0].ClearField("device"), "device"),
        (lambda c: c.groups.add(id=1), "device"),
        (lambda c: c.groups.append(examples.group()), "twice"),
        (lambda c: c.ended.add(id=9, last_tick=1), "never there"),
        (lambda c: c.ended.add(id=1, last_tick=1), "revision that adds it"),
    ],
)
def test_catalog_that_is_refused_is_said_with_each_block_of_it(
    box: Box, change: Any, words: str
) -> None:
    made = examples.content()
    change(made)
    catalog = pb.StreamRequest(catalog=examples.catalog(made=made))
    one = box.opened()
    answers = said(one, examples.opening()[0], catalog, block(1))
    assert words in refused(answers).detail
    assert refused(said(one, block(2))).reason == pb.REJECT_REASON_UNKNOWN_CATALOG


def test_catalog_under_a_name_that_is_not_of_its_content_is_refused(box: Box) -> None:
    catalog = examples.catalog()
    catalog.id = b"z" * 16
    answers = said(box.opened(), examples.opening()[0], pb.StreamRequest(catalog=catalog), block(1))
    assert "not that of its content" in refused(answers).detail


def test_revisions_add_and_end_groups_and_never_change_one(box: Box) -> None:
    one = box.opened()
    said(one, *examples.opening())
    added = examples.content([examples.group(2, "robot-4")], [pb.GroupEnd(id=1, last_tick=19)])
    said(one, pb.StreamRequest(catalog=examples.catalog(revision=2, made=added)))
    assert acked(said(one, block(1), block(2, revision=2))) == [(1, 1), (2, 2)]
    beyond = refused(said(one, block(3, revision=2)))
    assert "ended with 19" in beyond.detail
    changed = examples.content([examples.group(1, "robot-5")])
    said(one, pb.StreamRequest(catalog=examples.catalog(revision=3, made=changed)))
    assert "new id" in refused(said(one, block(3, revision=3))).detail


def test_revision_with_two_contents_is_said_with_each_block_of_it(box: Box) -> None:
    said(box.opened(), *examples.opening(), block(1))
    other = examples.content()
    other.site = "elsewhere"
    one = box.opened()
    said(one, pb.StreamRequest(catalog=examples.catalog(made=other)))
    assert "two contents" in refused(said(one, block(2))).detail


def test_group_whose_tick_0_moves_is_refused(box: Box) -> None:
    one = box.opened()
    said(one, *examples.opening(), block(1))
    moved = examples.run(10, 10)
    moved.first_due_ns += 1
    sealed = encode.block(EPOCH, 2, pb.BlockPayload(runs=[moved]))
    reject = refused(said(one, pb.StreamRequest(block=sealed)))
    assert (reject.reason, "tick 0" in reject.detail) == (pb.REJECT_REASON_MALFORMED, True)


# ---- Blocks, bundles, pieces ------------------------------------------------------------------


def test_block_before_hello_ends_the_stream(box: Box) -> None:
    one = box.stream()
    said(one, block(1))
    assert ended(one).code == "INVALID_ARGUMENT"


def test_bundle_is_acknowledged_as_its_blocks_and_each_is_known_by_its_identity(
    box: Box,
) -> None:
    one = box.opened()
    said(one, *examples.opening())
    assert acked(said(one, block(2))) == [(2, 2)]
    bundle = pb.StreamRequest(bundle=examples.bundle(1, 4))
    assert acked(said(one, bundle)) == [(1, 4)]
    assert acked(said(one, block(3))) == [(3, 3)]
    stored = box.sql.execute("SELECT seq, place FROM blocks ORDER BY seq").fetchall()
    assert stored == [(1, 0), (2, 0), (3, 2), (4, 3)]
    assert box.sql.execute("SELECT duplicates FROM epochs").fetchone() == (2,)


def test_block_of_a_bundle_with_another_identity_is_a_conflict_of_that_block_only(
    box: Box,
) -> None:
    one = box.opened()
    said(one, *examples.opening(), block(2, add=7))
    reject, ack = said(one, pb.StreamRequest(bundle=examples.bundle(1, 3)))
    assert (reject.reject.seq, reject.reject.reason) == (2, pb.REJECT_REASON_CONFLICT)
    assert acked([ack]) == [(1, 1), (3, 3)]


def test_bundle_that_can_t_be_taken_is_refused_as_a_whole(box: Box) -> None:
    one = box.opened()
    said(one, *examples.opening())
    bundle = examples.bundle(1, 3)
    bundle.payload_crc32c += 1
    reject = refused(said(one, pb.StreamRequest(bundle=bundle)))
    assert (reject.seq, reject.last_seq, reject.reason) == (1, 3, pb.REJECT_REASON_CHECKSUM)


def test_platform_of_fewer_features_keeps_nothing_that_needs_them(box: Box) -> None:
    one = box.opened(features=())
    said(one, *examples.opening())
    needs = examples.block(1)
    needs.needs.append(pb.FEATURE_EVENTS)
    for request in (
        pb.StreamRequest(bundle=examples.bundle(1, 2)), pb.StreamRequest(block=needs),
    ):  # fmt: skip
        assert refused(said(one, request)).reason == pb.REJECT_REASON_UNSUPPORTED
    assert acked(said(one, block(1))) == [(1, 1)]


def pieces(request: pb.StreamRequest, size: int) -> list[pb.StreamRequest]:
    data = request.SerializeToString()
    name = examples.content_id(data)
    return [
        pb.StreamRequest(
            piece=pb.Piece(
                message_id=name, message_size=len(data), offset=at, data=data[at : at + size]
            )
        )
        for at in range(0, len(data), size)
    ]


def test_message_in_pieces_goes_on_where_an_earlier_stream_ended(box: Box) -> None:
    tag_set, catalog = examples.opening()
    parts = pieces(tag_set, 10)
    said(box.opened(), *parts[:3])
    one = box.stream()
    (answer,) = said(one, receiver.hello(EPOCH))
    assert answer.welcome.piece.have_bytes == 30
    said(one, *parts[3:], catalog, *pieces(block(1), 16)[:-1])
    assert acked(said(one, pieces(block(1), 16)[-1])) == [(1, 1)]
    assert not said(box.stream(), receiver.hello(EPOCH))[0].welcome.HasField("piece")


@pytest.mark.parametrize(
    "change",
    [
        {"message_size": limits.PIECED_BYTES_MAX + 1}, {"message_size": 0}, {"offset": 1},
        {"message_id": b""}, {"data": bytes(200)}, {"message_id": bytes(16)},
    ],
)  # fmt: skip
def test_piece_that_makes_no_sense_ends_the_stream_and_keeps_nothing(
    box: Box, change: dict[str, Any]
) -> None:
    (request,) = pieces(examples.opening()[0], 1000)
    piece = {field.name: getattr(request.piece, field.name) for field in pb.Piece.DESCRIPTOR.fields}
    one = box.opened()
    said(one, pb.StreamRequest(piece=pb.Piece(**(piece | change))))
    assert ended(one).code == "INVALID_ARGUMENT"
    assert box.pieces.progress("gw-1") is None


def test_pieces_of_all_gateways_stay_within_their_room() -> None:
    held = Pieces(bytes_max=100)
    for number in range(9):
        piece = pb.Piece(message_id=bytes(16), message_size=80, data=bytes(40))
        held.add(f"gw-{number}", piece)
    left = [n for n in range(9) if held.progress(f"gw-{n}") is not None]
    assert left == [7, 8]


# ---- The rest ---------------------------------------------------------------------------------


def test_heartbeat_is_answered_at_once_with_its_id_and_the_time(box: Box) -> None:
    request = pb.StreamRequest(heartbeat=pb.Heartbeat(id=9)).SerializeToString()
    one = box.opened()
    commands = one.session.urgent(request)
    assert commands is not None
    (command,) = commands
    assert isinstance(command, session.Send)
    beat = command.message.heartbeat
    assert (beat.id, beat.utc_ns) == (9, UTC_NS)
    assert one.session.urgent(block(1).SerializeToString()) is None


def test_stream_of_many_broken_blocks_is_ended(box: Box) -> None:
    one = box.opened()
    said(one, *examples.opening())
    broken = examples.block(1)
    broken.scans += 1
    for _ in range(limits.BROKEN_BLOCKS_MAX):
        assert refused(said(one, pb.StreamRequest(block=broken)))
    assert one.ended is None
    said(one, pb.StreamRequest(block=broken))
    assert ended(one).code == "RESOURCE_EXHAUSTED"


def test_blocks_that_wait_for_a_newer_platform_are_no_broken_ones(box: Box) -> None:
    one = box.opened()
    said(one, *examples.opening())
    later = examples.block(1)
    later.needs.append(99)
    for _ in range(limits.BROKEN_BLOCKS_MAX + 5):
        reject = refused(said(one, pb.StreamRequest(block=later)))
        assert reject.reason == pb.REJECT_REASON_UNSUPPORTED
    assert one.ended is None


def test_box_that_says_what_the_platform_lost_is_told_so(box: Box) -> None:
    one = box.opened()
    lost = pb.Gap(
        reason=pb.GAP_REASON_PLATFORM_LOST, epoch=EPOCH, blocks=[pb.SeqRange(first=1, last=1)]
    )
    notice, ack = said(one, *examples.opening(), block(2, gaps=(lost,)))
    assert notice.notice.kind == pb.NOTICE_KIND_PLATFORM_LOST
    assert acked([ack]) == [(2, 2)]


def test_message_of_a_newer_box_is_passed_over(box: Box) -> None:
    one = box.opened()
    assert one.receive(b"\x92\x03\x00") == []
    assert one.ended is None


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_any_messages_give_commands_and_never_raise(messages: list[bytes]) -> None:
    box = Box()
    one = box.opened()
    for data in messages:
        one.session.urgent(data)
        one.receive(data)
    box.sql.close()


def test_layouts_at_hand_stay_bounded(box: Box) -> None:
    one = box.opened()
    said(one, examples.opening()[0])
    for epoch in range(1, 3 * limits.LAYOUTS_CACHED_MAX):
        said(one, pb.StreamRequest(catalog=examples.catalog(epoch)))
    assert len(one.session._layouts._layouts) == limits.LAYOUTS_CACHED_MAX
