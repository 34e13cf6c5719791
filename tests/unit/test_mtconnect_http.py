"""Answers of an agent, cut at every byte and in every odd form that agents are known to have."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.mtconnect.http import Answer, HttpError, Parts, request

A = b'<?xml version="1.0"?><MTConnectStreams><Header nextSequence="5"/></MTConnectStreams>'
B = b"<m:MTConnectError xmlns:m='x'><Errors/></m:MTConnectError>"


def chunked(body: bytes, size: int) -> bytes:
    cut = [body[i : i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x;ext=1\r\n%b\r\n" % (len(each), each) for each in cut) + b"0\r\n\r\n"


def part(document: bytes, *, length: int | None = -1, end: bytes = b"\r\n") -> bytes:
    size = len(document) if length == -1 else length
    said = b"" if size is None else b"Content-length: %d\r\n" % size
    return b"--b1\r\nContent-type: text/xml\r\n" + said + b"\r\n" + document + end


def head(*lines: str) -> bytes:
    return "\r\n".join(["HTTP/1.1 200 OK", *lines, "", ""]).encode()


STREAM = head('Content-Type: multipart/x-mixed-replace;boundary="b1"', "Transfer-Encoding: chunked")


def fed(data: bytes, cuts: list[int]) -> list[bytes]:
    answer, parts, found = Answer(), None, []
    edges = [0, *sorted(cuts), len(data)]
    for first, last in pairwise(edges):
        answer.feed(data[first:last])
        if answer.head is None:
            continue
        if parts is None:
            assert answer.head.boundary is not None
            parts = Parts(answer.head.boundary)
        found += parts.feed(answer.take())
    return found


@pytest.mark.parametrize("size", [1, 2, 7, 64, 10_000])
def test_stream_when_cut_at_every_byte_then_every_document_whole(size: int, seed: int) -> None:
    data = STREAM + chunked(part(A) + part(B) + part(A) + b"--b1--\r\n", size)
    for at in range(seed % 3, len(data), 3):  # with each seed others
        assert fed(data, [at]) == [A, B, A]
    assert fed(data, list(range(len(data)))) == [A, B, A]


@pytest.mark.parametrize("length", [None, 0, 5, 1, 100_000])
def test_part_when_its_length_lies_or_lacks_then_read_all_the_same(length: int | None) -> None:
    data = STREAM + chunked(part(A, length=length) + part(B, length=length), 50)
    assert fed(data, []) == [A, B]


def test_part_when_it_is_whole_then_not_held_back_until_the_next() -> None:
    parts = Parts(b"b1")
    assert parts.feed(part(A, end=b"")) == [A]
    assert parts.feed(b"\r\n" + part(B)) == [B]


@pytest.mark.parametrize("boundary", [b"b1", b"--b1"])
@pytest.mark.parametrize("dashes", [b"--", b"----"])
def test_boundary_when_said_with_or_without_dashes_then_found(
    boundary: bytes, dashes: bytes
) -> None:
    body = part(A).replace(b"--b1", dashes + b"b1") + part(B).replace(b"--b1", dashes + b"b1")
    assert Parts(boundary).feed(body) == [A, B]


@pytest.mark.parametrize("between", [b"", b"\r\n", b"\n\n", b"some words\r\n"])
def test_part_when_without_a_head_or_behind_a_preamble_then_found(between: bytes) -> None:
    body = between + b"--b1\r\n" + A + b"\r\n--b1\n\n" + B
    assert Parts(b"b1").feed(body) == [A, B]


def test_part_when_it_is_no_document_then_handed_over_as_damaged_and_the_next_is_whole() -> None:
    found = Parts(b"b1").feed(part(b"<MTConnectStr") + part(A))
    assert found == [b"<MTConnectStr", A]


def test_answer_when_it_ends_at_the_connection_then_whole() -> None:
    answer = Answer()
    answer.feed(b"HTTP/1.0 200 OK\nContent-Type: text/xml\n\n" + A)
    assert not answer.is_complete
    answer.closed()
    assert (answer.take(), answer.is_complete, answer.head and answer.head.keeps) == (
        A,
        True,
        False,
    )


def test_answer_when_another_follows_then_left_alone() -> None:
    answer = Answer()
    answer.feed(head(f"Content-Length: {len(A)}") + A + b"HTTP/1.1 ")
    assert (answer.take(), answer.rest, answer.is_complete) == (A, b"HTTP/1.1 ", True)


def test_answer_when_cut_short_then_said_so() -> None:
    answer = Answer()
    answer.feed(head(f"Content-Length: {len(A)}") + A[:-1])
    with pytest.raises(ConnectionResetError, match="cut short"):
        answer.closed()


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200"])
def test_answer_when_it_never_began_then_it_is_none(begun: bytes) -> None:
    answer = Answer()
    answer.feed(begun)
    with pytest.raises(HttpError, match="without an answer"):
        answer.closed()


def test_answer_when_a_provisional_one_comes_first_then_passed() -> None:
    answer = Answer()
    answer.feed(b"HTTP/1.1 100 Continue\r\n\r\n" + head("Content-Length: 2") + b"ok")
    assert (answer.take(), answer.is_complete) == (b"ok", True)


@pytest.mark.parametrize(
    "junk",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x00\x01\x00\x00\x00\x03\x01\x83\x02",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1." + b"1" * 70_000,
        head("Content-Length: 99999999999"[:26]),
        STREAM + b"zz\r\n",
        STREAM + b"3\r\nabcd\r\n",
        STREAM + b"1" * 5000,
    ],
)
def test_answer_when_it_is_no_http_then_refused(junk: bytes) -> None:
    answer = Answer()
    with pytest.raises(HttpError):
        answer.feed(junk)


def test_part_when_it_never_ends_then_memory_is_bounded() -> None:
    parts = Parts(b"b1")
    parts.feed(b"--b1\r\n\r\n<x>")
    with pytest.raises(HttpError):
        for _ in range(40):
            parts.feed(b"y" * (1 << 20))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400), st.booleans())
def test_answer_when_fed_anything_then_documents_or_an_error(data: bytes, is_stream: bool) -> None:
    try:
        if is_stream:
            Parts(b"b").feed(data)
        answer = Answer()
        answer.feed(data)
        answer.closed()
    except (HttpError, ConnectionResetError):
        return
    assert is_stream or answer.head is not None


def test_request_when_made_then_asks_for_xml_and_nothing_is_written() -> None:
    said = request("[::1]:5000", "/sample?from=1")
    assert said.startswith(b"GET /sample?from=1 HTTP/1.1\r\nHost: [::1]:5000\r\n")
    assert b"Accept: application/xml" in said
