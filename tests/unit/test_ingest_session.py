"""The conversation, without any wire: messages and store results in, commands out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest import limits, session
from ingest.shelf import Pieces
from tests.contract import encode, examples, receiver
from tests.contract.examples import EPOCH, UTC_NS
from tests.contract.streams import Box, acked, block, ended, said

MINUTE_NS = 60 * 10**9


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


def test_successive_conflicts_of_a_bundle_are_one_reject(box: Box) -> None:
    one = box.opened()
    conflicting = [block(seq, add=7) for seq in (2, 3)]
    said(one, *examples.opening(), *conflicting)
    reject, ack = said(one, pb.StreamRequest(bundle=examples.bundle(1, 4)))
    assert (reject.reject.seq, reject.reject.last_seq) == (2, 3)
    assert acked([ack]) == [(1, 1), (4, 4)]


def test_bundle_that_can_t_be_taken_is_refused_as_a_whole(box: Box) -> None:
    one = box.opened()
    said(one, *examples.opening())
    bundle = examples.bundle(1, 3)
    bundle.payload_crc32c += 1
    reject = refused(said(one, pb.StreamRequest(bundle=bundle)))
    assert (reject.seq, reject.last_seq, reject.reason) == (1, 3, pb.REJECT_REASON_CHECKSUM)


def test_bundle_whose_last_seq_no_message_can_carry_is_refused_by_its_first(box: Box) -> None:
    one = box.opened()
    said(one, *examples.opening())
    bundle = examples.bundle(1, 3)
    bundle.first_seq = (1 << 64) - 1
    reject = refused(said(one, pb.StreamRequest(bundle=bundle)))
    assert (reject.seq, reject.last_seq) == ((1 << 64) - 1, 0)
    assert reject.reason == pb.REJECT_REASON_MALFORMED


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
    asked = pb.Heartbeat(id=9, wants_utc=True)
    request = pb.StreamRequest(heartbeat=asked).SerializeToString()
    one = box.opened()
    commands = one.session.urgent(request)
    assert commands is not None
    (command,) = commands
    assert isinstance(command, session.Send)
    beat = command.message.heartbeat
    assert (beat.id, beat.utc_ns) == (9, UTC_NS)
    asked.wants_utc = False
    (command,) = one.session.urgent(pb.StreamRequest(heartbeat=asked).SerializeToString()) or ()
    assert isinstance(command, session.Send)
    assert command.message.heartbeat == pb.Heartbeat(id=9)
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
