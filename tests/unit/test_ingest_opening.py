"""The opening of a stream: what Hello must be, what Welcome says, and who may speak."""

from __future__ import annotations

from typing import Any

import pytest
from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest import limits
from ingest.catalog import compile_tag_set
from ingest.refusal import RefusedError
from tests.contract import examples, receiver
from tests.contract.examples import EPOCH, UTC_NS
from tests.contract.streams import Box, acked, block, ended, said

MINUTE_NS = 60 * 10**9


# ---- Hello ------------------------------------------------------------------------------------


def test_welcome_says_versions_features_limits_and_time(box: Box) -> None:
    (answer,) = said(box.stream(software="receiver 1"), receiver.hello(EPOCH))
    welcome = answer.welcome
    assert (welcome.protocol_min, welcome.protocol_max) == (1, 1)
    assert list(welcome.features) == [1, 2, 3, 4, 5]
    assert (welcome.software, welcome.heartbeat_ms, welcome.utc_ns) == (
        "receiver 1", 20_500, UTC_NS,
    )  # fmt: skip
    assert (welcome.window_blocks, welcome.window_bytes) == (256, 4 << 20)
    assert (welcome.block_bytes_max, welcome.message_bytes_max) == (
        limits.BLOCK_BYTES_MAX,
        limits.MESSAGE_BYTES_MAX,
    )
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


@pytest.mark.parametrize(
    ("bound", "other"), [(examples.MACHINE, b""), (b"", examples.MACHINE)], ids=["named", "not"]
)
def test_copied_card_when_only_one_of_the_boxes_names_its_hardware_then_is_another_machine(
    box: Box, bound: bytes, other: bytes
) -> None:
    """One installation, the copy's run the next: it ousts nobody, and ends no run of the other."""
    said(box.opened(receiver.hello(EPOCH, machine=bound)), *examples.opening(), block(1))
    hello = receiver.hello(EPOCH + 1, machine=other, boot_id="boot-b", earlier=(EPOCH,))
    copy = box.stream(address="10.0.0.2:5000")
    assert said(copy, hello) == []
    assert ended(copy).code == "ALREADY_EXISTS" and "10.0.0.1:5000" in ended(copy).detail
    assert said(box.stream(), receiver.hello(EPOCH, machine=bound))[0].HasField("welcome")
    box.utc_ns += 11 * MINUTE_NS
    crash = pb.Gap(reason=pb.GAP_REASON_CRASH, epoch=EPOCH, count_unknown=True, after_seq=1)
    ends = block(1, epoch=EPOCH + 1, gaps=(crash,))
    assert acked(said(box.opened(hello), *examples.opening(EPOCH + 1), ends)) == [(1, 1)]
    assert not any(closed for (closed,) in box.sql.execute("SELECT closed FROM epochs"))


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


@pytest.mark.parametrize("told", [False, True])
def test_hello_when_it_comes_after_that_of_the_next_run_then_the_next_run_is_no_clone(
    box: Box, told: bool
) -> None:
    """The first run died with its Hello on the way. `told`: the next one has told its end."""
    later = receiver.hello(EPOCH + 1, boot_id="boot-b", earlier=() if told else (EPOCH,))
    begin = pb.Begin(previous_epoch=EPOCH, ended=pb.RUN_END_POWER_LOST)
    first = block(1, epoch=EPOCH + 1, begin=begin)
    said(box.opened(later), *examples.opening(EPOCH + 1), *([first] if told else []))
    box.opened(receiver.hello(EPOCH))
    again = box.stream()
    assert said(again, later)[0].HasField("welcome"), ended(again)


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


@pytest.mark.parametrize("needs", [b"\x7a\x01\x9d", b"\x7a\x02\x01\xff", b"\x78\xff"])
def test_needs_when_cut_within_a_number_is_malformed(needs: bytes) -> None:
    with pytest.raises(RefusedError, match="number") as refused:
        list(compile_tag_set(needs, ()))
    assert refused.value.reason == pb.REJECT_REASON_MALFORMED
