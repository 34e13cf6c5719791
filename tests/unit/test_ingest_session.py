"""The conversation, without any wire: messages and store results in, commands out."""

from __future__ import annotations

from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest import limits, session
from ingest.stores.api import Known, Outcome, PutBlock, PutCatalog
from tests.contract import examples, receiver
from tests.contract.examples import EPOCH

UTC_NS = 1_795_000_000_000_000_000


def new(identity: str | None = None) -> session.Session:
    return session.Session(identity, lambda: UTC_NS)


def known(*epochs: int, superseded: bool = False) -> Known:
    held = tuple(pb.EpochHeld(epoch=epoch) for epoch in epochs)
    return Known(held, max(epochs, default=0), superseded)


def opened() -> session.Session:
    one = new()
    one.receive(receiver.hello(EPOCH))
    one.opened(known(EPOCH))
    return one


def end(commands: list[session.Command]) -> session.End:
    last = commands[-1]
    assert isinstance(last, session.End)
    return last


def sent(commands: list[session.Command]) -> list[pb.StreamResponse]:
    return [command.message for command in commands if isinstance(command, session.Send)]


def reject(commands: list[session.Command]) -> pb.Reject:
    (message,) = sent(commands)
    assert message.HasField("reject")
    return message.reject


def test_hello_when_it_names_earlier_epochs_in_pages_asks_the_store_once_for_all() -> None:
    one = new()
    first = receiver.hello(EPOCH, earlier=(1, 2))
    first.hello.more = True
    assert one.receive(first) == []
    page = pb.HelloPage(earlier=[pb.EpochKept(epoch=3)])
    (command,) = one.receive(pb.StreamRequest(hello_page=page))
    assert command == session.Open("gw-1", EPOCH, "boot-a", "test", (1, 2, 3))


def test_welcome_when_thousands_of_epochs_are_held_comes_in_pages() -> None:
    one = new()
    one.receive(receiver.hello(EPOCH))
    pages = [message.welcome for message in sent(one.opened(known(*range(1, 1202))))]
    assert [(len(page.held), page.more) for page in pages] == [
        (500, True),
        (500, True),
        (201, False),
    ]
    assert (pages[0].protocol, pages[0].heartbeat_ms, pages[0].utc_ns) == (1, 10_000, UTC_NS)
    assert pages[0].highest_epoch == 1201


def test_hello_under_another_id_than_the_certificate_s_is_denied() -> None:
    assert end(new("gw-2").receive(receiver.hello(EPOCH))).code == "PERMISSION_DENIED"
    assert end(new("").receive(receiver.hello(EPOCH))).code == "PERMISSION_DENIED"
    (command,) = new("gw-1").receive(receiver.hello(EPOCH))
    assert isinstance(command, session.Open)


def test_hello_of_another_protocol_hears_which_one_is_spoken() -> None:
    hello = receiver.hello(EPOCH)
    hello.hello.protocol = 2
    commands = new().receive(hello)
    assert sent(commands)[0].welcome.protocol == 1
    assert end(commands).code == "FAILED_PRECONDITION"


def test_superseded_run_is_ended_in_words() -> None:
    one = new()
    one.receive(receiver.hello(EPOCH))
    refused = end(one.opened(known(EPOCH, superseded=True)))
    assert refused.code == "ALREADY_EXISTS"
    assert one.receive(receiver.hello(EPOCH)) == []


def test_block_before_hello_ends_the_stream() -> None:
    commands = new().receive(pb.StreamRequest(block=examples.block(1)))
    assert end(commands).code == "INVALID_ARGUMENT"


def test_heartbeat_is_answered_with_its_id_and_the_time() -> None:
    (message,) = sent(opened().receive(pb.StreamRequest(heartbeat=pb.Heartbeat(id=9))))
    assert (message.heartbeat.id, message.heartbeat.utc_ns) == (9, UTC_NS)


def test_block_whose_catalog_nobody_has_is_rejected_unknown_catalog() -> None:
    one = opened()
    block = examples.block(1)
    assert one.receive(pb.StreamRequest(block=block)) == [session.Load("gw-1", EPOCH, 1)]
    refused = reject(one.loaded(None))
    assert (refused.seq, refused.reason) == (1, pb.REJECT_REASON_UNKNOWN_CATALOG)


def test_block_whose_catalog_the_store_has_is_stored_without_sending_it_again() -> None:
    one = opened()
    one.receive(pb.StreamRequest(block=examples.block(1)))
    (command,) = one.loaded(examples.catalog())
    assert isinstance(command, session.Store) and isinstance(command.item, PutBlock)
    (again,) = one.receive(pb.StreamRequest(block=examples.block(2)))
    assert isinstance(again, session.Store)


def test_catalog_when_new_is_stored_before_the_block_that_needs_it() -> None:
    one = opened()
    one.receive(pb.StreamRequest(catalog=examples.catalog()))
    (stored,) = one.loaded(None)
    assert stored == session.Store(PutCatalog("gw-1", examples.catalog()))
    (block,) = one.receive(pb.StreamRequest(block=examples.block(1)))
    assert isinstance(block, session.Store)


def test_catalog_revision_with_two_contents_is_said_with_each_block_of_it() -> None:
    one = opened()
    one.receive(pb.StreamRequest(catalog=examples.catalog()))
    other = examples.catalog()
    other.groups[0].tags[1].scale = "0.01"
    assert one.loaded(other) == []
    refused = reject(one.receive(pb.StreamRequest(block=examples.block(1))))
    assert "two contents" in refused.detail
    one.receive(pb.StreamRequest(catalog=examples.catalog()))  # again: the store decides again
    assert one.loaded(other) == []


def test_catalog_that_is_refused_is_said_with_each_block_of_it() -> None:
    one = opened()
    bad = examples.catalog()
    bad.groups[0].device = ""
    assert one.receive(pb.StreamRequest(catalog=bad)) == []
    assert "device" in reject(one.receive(pb.StreamRequest(block=examples.block(1)))).detail


def test_results_become_one_ack_in_ranges_and_a_reject_a_conflict() -> None:
    one = opened()
    items = {
        seq: PutBlock("gw-1", examples.block(seq), pb.BlockPayload()) for seq in (1, 2, 3, 5, 6)
    }
    outcomes = [
        (items[2], Outcome.STORED),
        (items[1], Outcome.DUPLICATE),
        (items[3], Outcome.STORED),
        (items[5], Outcome.STORED),
        (items[6], Outcome.CONFLICT),
    ]
    refused, ack = sent(one.stored(outcomes))
    assert (refused.reject.seq, refused.reject.reason) == (6, pb.REJECT_REASON_CONFLICT)
    assert [(r.first, r.last) for r in ack.ack.ranges] == [(1, 3), (5, 5)]


def test_page_without_epochs_that_says_more_come_ends_the_stream() -> None:
    one = new()
    first = receiver.hello(EPOCH, earlier=(1,))
    first.hello.more = True
    assert one.receive(first) == []
    empty = pb.StreamRequest(hello_page=pb.HelloPage(more=True))
    assert end(one.receive(empty)).code == "INVALID_ARGUMENT"
    del first.hello.earlier[:]
    assert end(new().receive(first)).code == "INVALID_ARGUMENT"


def test_hello_under_a_name_of_megabytes_is_answered_in_few_words() -> None:
    refused = end(new("gw-1").receive(receiver.hello(EPOCH, "\x01" * 1_000_000)))
    assert refused.code == "PERMISSION_DENIED"
    assert len(refused.detail) < 500


def test_block_or_catalog_of_many_bytes_is_checked_by_the_driver_s_thread() -> None:
    one = opened()
    catalog = examples.catalog()
    catalog.groups[0].tags[0].labels.update(dict.fromkeys(range(1000), "as long as it takes"))
    (check,) = one.receive(pb.StreamRequest(catalog=catalog))
    assert isinstance(check, session.Check)
    assert one.checked(check.run()) == [session.Load("gw-1", EPOCH, 1)]
    one.loaded(None)
    block = examples.block(1, ticks=9000, counters=[seq**5 for seq in range(9000)])
    (check,) = one.receive(pb.StreamRequest(block=block))
    assert isinstance(check, session.Check)
    (stored,) = one.checked(check.run())
    assert isinstance(stored, session.Store)
    block.scans = 1
    (check,) = one.receive(pb.StreamRequest(block=block))
    assert isinstance(check, session.Check)
    assert reject(one.checked(check.run())).reason == pb.REJECT_REASON_MALFORMED


def test_message_of_a_newer_box_is_passed_over() -> None:
    assert opened().receive(pb.StreamRequest.FromString(b"\x92\x03\x00")) == []


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_any_messages_give_commands_and_never_raise(messages: list[bytes]) -> None:
    one = opened()
    for data in messages:
        try:
            request = pb.StreamRequest.FromString(data)
        except DecodeError:
            continue
        for command in one.receive(request):
            if isinstance(command, session.Load):
                one.loaded(None)


def test_catalogs_at_hand_stay_bounded() -> None:
    one = opened()
    for revision in range(1, 3 * limits.CATALOGS_CACHED_MAX):
        one.receive(pb.StreamRequest(catalog=examples.catalog(revision=revision)))
        one.loaded(None)
    assert len(one._catalogs) == limits.CATALOGS_CACHED_MAX
