"""The control socket: real sockets, a real loop, the real client in a thread beside it."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from gateway.control import REQUEST_MAX
from gateway.control.allowance import BURST_S, SHARE, Allowance
from gateway.control.client import ControlClient, ControlError
from gateway.control.server import (
    CONNECTIONS_MAX,
    CONNECTIONS_OF_USER_MAX,
    AlreadyRunningError,
    ControlServer,
    Handler,
    Peer,
    RequestError,
    may_speak,
)


async def _status(params: Mapping[str, Any], peer: Peer) -> Any:
    return {"站点": "一号", "pid": peer.pid, "uid": peer.uid, **params}


async def _count(params: Mapping[str, Any], peer: Peer) -> AsyncIterator[int]:
    for number in range(params["to"]):
        yield number


async def _refuse(params: Mapping[str, Any], peer: Peer) -> Any:
    raise RequestError("config.no_such_link", link="x", known="y")


async def _fail(params: Mapping[str, Any], peer: Peer) -> Any:
    return params["not there"]


HANDLERS: Mapping[str, Handler] = {
    "status": _status, "count": _count, "refuse": _refuse, "fail": _fail,
}  # fmt: skip


def serve(path: Path, use: Callable[[], Any], handlers: Mapping[str, Handler] = HANDLERS) -> Any:
    """Run `use` in a thread while the server runs; what it returns."""

    async def main() -> Any:
        server = ControlServer(path, handlers)
        await server.start()
        try:
            return await asyncio.to_thread(use)
        finally:
            await server.close()

    return asyncio.run(main())


def connect(path: Path) -> socket.socket:
    raw = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    raw.connect(str(path))
    return raw


def test_call_when_answered_then_result_and_the_kernels_word_for_the_peer(tmp_path: Path) -> None:
    path = tmp_path / "s"

    def use() -> Any:
        with ControlClient(path) as client:
            return [client.call("status", {"n": n}) for n in range(3)]

    results = serve(path, use)
    assert results == [
        {"站点": "一号", "pid": os.getpid(), "uid": os.getuid(), "n": n} for n in range(3)
    ]


def test_stream_when_it_ends_then_every_item_came_and_the_connection_serves_on(
    tmp_path: Path,
) -> None:
    path = tmp_path / "s"

    def use() -> Any:
        with ControlClient(path) as client:
            return list(client.stream("count", {"to": 5})), client.call("status")["pid"]

    assert serve(path, use) == ([0, 1, 2, 3, 4], os.getpid())


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("nothing", "daemon.unknown_method"),
        ("refuse", "config.no_such_link"),
        ("fail", "daemon.failed_request"),
    ],
)
def test_call_when_refused_then_the_message_arrives(
    tmp_path: Path, method: str, message: str
) -> None:
    path = tmp_path / "s"

    def use() -> ControlError:
        with ControlClient(path) as client, pytest.raises(ControlError) as caught:
            client.call(method)
        return caught.value

    assert serve(path, use).message == message


def test_stream_when_the_client_leaves_then_the_handler_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "s"

    async def main() -> None:
        closed = asyncio.Event()

        async def watch(params: Mapping[str, Any], peer: Peer) -> AsyncIterator[int]:
            try:
                yield 1
                await asyncio.Event().wait()
            finally:
                closed.set()

        def use() -> None:
            with ControlClient(path) as client:
                assert next(client.stream("watch")) == 1

        server = ControlServer(path, {"watch": watch})
        await server.start()
        await asyncio.to_thread(use)
        await closed.wait()
        await server.close()

    asyncio.run(main())


def test_client_when_it_does_not_read_then_dropped_and_the_others_served(tmp_path: Path) -> None:
    path = tmp_path / "s"

    async def main() -> None:
        closed = asyncio.Event()

        async def flood(params: Mapping[str, Any], peer: Peer) -> AsyncIterator[str]:
            try:
                while True:
                    yield "x" * 1_000_000
            finally:
                closed.set()

        def use() -> None:
            with ControlClient(path) as client:
                assert client.call("status")["pid"] == os.getpid()

        server = ControlServer(path, {"flood": flood, "status": _status}, unread_seconds=0.05)
        await server.start()
        with connect(path) as deaf:
            deaf.sendall(b'{"id": 1, "method": "flood"}\n')
            await asyncio.to_thread(use)
            await closed.wait()
            await server.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    "garbage",
    [
        b"hello\n", b"[]\n", b"{}\n", b"\xff\xfe\n", b'{"id":1,"method":2}\n', b"null\n",
        b'{"id":1,"method":"status","params":[]}\n', b"[" * 60_000 + b"\n",
        b"x" * (3 * REQUEST_MAX),
    ],
    ids=["text", "list", "empty", "bytes", "number", "null", "params", "deep", "endless"],
)  # fmt: skip
def test_request_when_garbage_then_said_and_hung_up(tmp_path: Path, garbage: bytes) -> None:
    path = tmp_path / "s"

    def use() -> Any:
        with connect(path) as raw:
            raw.sendall(garbage)
            raw.shutdown(socket.SHUT_WR)
            return raw.makefile("rb").read()

    answer = json.loads(serve(path, use))
    assert answer["error"]["id"] == "daemon.bad_request"


def test_connection_when_all_are_busy_then_refused_and_served_again_later(tmp_path: Path) -> None:
    path = tmp_path / "s"

    def use() -> str:
        held = [ControlClient(path) for _ in range(CONNECTIONS_MAX)]
        streams = [client.stream("wait") for client in held]
        assert [next(stream) for stream in streams] == [1] * CONNECTIONS_MAX
        with ControlClient(path) as late, pytest.raises(ControlError) as caught:
            late.call("status")
        for client in held:
            client.__exit__()
        return caught.value.message

    assert serve(path, use, {**HANDLERS, "wait": _wait}) == "daemon.too_many"


async def _wait(params: Mapping[str, Any], peer: Peer) -> AsyncIterator[int]:
    yield 1
    await asyncio.Event().wait()


def test_connection_when_others_are_idle_then_it_gets_the_place_of_the_longest_idle(
    tmp_path: Path,
) -> None:
    path = tmp_path / "s"

    def use() -> None:
        held = [ControlClient(path) for _ in range(CONNECTIONS_MAX)]
        for client in held:
            client.call("status")
        held[0].call("status")  # so that the second has been idle for longest
        for _ in range(3):
            with ControlClient(path) as late:
                assert late.call("status")["pid"] == os.getpid()
        with pytest.raises(ControlError, match=r"daemon\.hung_up"):
            held[1].call("status")
        for client in (held[0], *held[2:]):
            assert client.call("status")["pid"] == os.getpid()
        for client in held:
            client.__exit__()

    serve(path, use)


def test_connection_when_idle_for_long_then_closed(tmp_path: Path) -> None:
    path = tmp_path / "s"

    async def main() -> bytes:
        server = ControlServer(path, HANDLERS, idle_seconds=0.05)
        await server.start()
        try:
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(b'{"id": 1, "method": "status"}\n{"id": 2')
            assert json.loads(await reader.readline())["id"] == 1
            rest = await reader.read()  # ends when the other end hangs up
            writer.close()
            return rest
        finally:
            await server.close()

    assert asyncio.run(main()) == b""


class _Held:
    """A connection that the server counts."""

    def __init__(self, *, is_idle: bool) -> None:
        self.is_idle, self.ended = is_idle, False

    def end(self) -> None:
        self.ended = True


@pytest.mark.parametrize("is_idle", [True, False])
def test_user_when_it_has_its_share_then_it_takes_no_place_of_others(
    tmp_path: Path, is_idle: bool
) -> None:
    server = ControlServer(tmp_path / "s", {})
    own = [_Held(is_idle=is_idle) for _ in range(CONNECTIONS_OF_USER_MAX)]
    others = [_Held(is_idle=True) for _ in range(CONNECTIONS_MAX - len(own))]
    for held, uid in [*((each, 1001) for each in others), *((each, 1000) for each in own)]:
        server._served[held] = Peer(1, uid, 1)
    assert server._has_room(Peer(2, 1000, 1)) == is_idle
    assert [each.ended for each in own] == [is_idle, *[False] * (len(own) - 1)]
    for newcomer in (1002, 0):
        assert server._has_room(Peer(3, newcomer, 1))
        server._served[_Held(is_idle=False)] = Peer(3, newcomer, 1)
    ended = [sum(each.ended for each in row) for row in (own, others)]
    assert ended == ([2, 0] if is_idle else [0, 2])


@pytest.mark.parametrize(
    ("request_line", "expected"),
    [
        (r'{"id": 1, "method": "\ud800"}', "daemon.unknown_method"),
        (r'{"id": "\udfff", "method": "status"}', None),
        (r'{"id": 1, "method": "status", "params": {"x": "\ud800", "\udc00": 1}}', None),
        ('{"id": 1, "method": "count", "params": {"to": 1e400}}', "daemon.failed_request"),
        ('{"id": 1, "method": "overflow", "params": {"to": 1e400}}', "daemon.failed_request"),
        ('{"id": 1, "method": "deep", "params": {}}', "daemon.failed_request"),
        ('{"id": 1e400, "method": "status"}', "daemon.bad_request"),
        ('{"id": NaN, "method": "status"}', "daemon.bad_request"),
        ('{"id": true, "method": "status"}', "daemon.bad_request"),
        ('{"id": 9007199254740992, "method": "status"}', "daemon.bad_request"),
        ('{"id": 9007199254740991, "method": "status"}', None),
        ('{"id": null, "method": "status"}', None),
        (f'{{"id": {"[" * 980}{"]" * 980}, "method": "status"}}', "daemon.bad_request"),
        (f'{{"id": "{"x" * 65}", "method": "status"}}', "daemon.bad_request"),
        (f'{{"id": {"9" * 5000}, "method": "status"}}', "daemon.bad_request"),
        (f'{{"id": 1, "method": "status", "params": {{"x": {"[" * 900}{"]" * 900}}}}}', None),
        ('{"id": 1, "method": "status"' + "," * 60_000, "daemon.bad_request"),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_request_when_odd_then_answered_and_nobody_else_harmed(
    tmp_path: Path, request_line: str, expected: str | None
) -> None:
    path = tmp_path / "s"
    failures: list[dict[str, Any]] = []

    async def overflow(params: Mapping[str, Any], peer: Peer) -> AsyncIterator[int]:
        yield int(params["to"])

    async def deep(params: Mapping[str, Any], peer: Peer) -> Any:
        nested: list[Any] = []
        for _ in range(100_000):
            nested = [nested]
        return nested

    def use() -> Any:
        with ControlClient(path) as other:
            with connect(path) as raw:
                raw.sendall(request_line.encode("utf-8", "surrogatepass") + b"\n")
                raw.shutdown(socket.SHUT_WR)
                lines = raw.makefile("rb").read().splitlines()
            assert other.call("status")["pid"] == os.getpid()
        return [json.loads(line) for line in lines]

    async def main() -> Any:
        asyncio.get_running_loop().set_exception_handler(lambda _, told: failures.append(told))
        server = ControlServer(path, {**HANDLERS, "overflow": overflow, "deep": deep})
        await server.start()
        try:
            return await asyncio.to_thread(use)
        finally:
            await server.close()

    answers = asyncio.run(main())
    assert failures == []
    assert answers
    assert answers[-1].get("error", {}).get("id") == expected
    if expected is None:
        assert answers[-1]["id"] == json.loads(request_line)["id"]


def test_user_when_it_asks_without_end_then_takes_its_share_of_the_loop_and_no_more(
    tmp_path: Path,
) -> None:
    path = tmp_path / "s"
    worked_s = [0.0]
    until = time.monotonic() + 2.0

    async def costly(params: Mapping[str, Any], peer: Peer) -> Any:
        begun_s = time.thread_time()
        while time.thread_time() - begun_s < 0.01:
            pass
        worked_s[0] += time.thread_time() - begun_s
        return "done"

    def ask() -> None:
        with ControlClient(path) as client:
            while time.monotonic() < until:
                client.call("costly")

    def use() -> None:
        with ThreadPoolExecutor(4) as pool:
            for asked in [pool.submit(ask) for _ in range(4)]:
                asked.result()

    serve(path, use, {"costly": costly})
    took_s = time.monotonic() - until + 2.0
    # Each of the four may be at work when the allowance is used up.
    assert BURST_S / 2 < worked_s[0] < BURST_S + took_s * SHARE + 4 * 0.02


def test_allowance_when_one_user_has_used_it_up_then_it_waits_and_nobody_else() -> None:
    allowance = Allowance()
    for second in range(600):  # `jiahe status` each second, of 300 devices
        assert allowance.wait_s(1, float(second)) == 0
        allowance.charge(1, 0.03, float(second))
    while not (wait_s := allowance.wait_s(2, 600.0)):
        allowance.charge(2, 0.1, 600.0)
    assert 0 < wait_s <= 0.1 / SHARE
    assert allowance.wait_s(2, 600.0 + wait_s) == pytest.approx(0)
    assert allowance.wait_s(1, 600.0) == 0


def test_socket_when_served_then_only_owner_and_group(tmp_path: Path) -> None:
    path = tmp_path / "run" / "s"
    mode = serve(path, lambda: stat.S_IMODE(path.stat().st_mode))
    assert mode == 0o660
    assert not path.exists()


def test_socket_when_left_by_a_dead_daemon_then_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(path))
    assert path.exists()

    def use() -> Any:
        with ControlClient(path) as client:
            return client.call("status")["pid"]

    assert serve(path, use) == os.getpid()


def test_socket_when_a_daemon_answers_then_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s"

    def use() -> Any:
        with pytest.raises(AlreadyRunningError):
            serve(path, lambda: None)
        with ControlClient(path) as client:
            return client.call("status")["pid"]

    assert serve(path, use) == os.getpid()


def test_socket_when_the_path_is_a_file_then_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("precious")
    with pytest.raises(RequestError) as caught:
        serve(path, lambda: None)
    assert caught.value.message == "daemon.socket_failed"
    assert path.read_text() == "precious"


def test_client_when_nobody_answers_then_said(tmp_path: Path) -> None:
    with pytest.raises(ControlError) as caught:
        ControlClient(tmp_path / "none")
    assert caught.value.message == "daemon.not_running"


def test_peer_when_not_root_owner_or_member_then_may_not_speak(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("")
    group = path.stat().st_gid
    stranger = 54_321
    assert may_speak(Peer(1, 0, stranger), path)
    assert may_speak(Peer(1, os.getuid(), stranger), path)
    assert may_speak(Peer(1, stranger, group), path)
    assert not may_speak(Peer(1, stranger, stranger), path)
    assert not may_speak(Peer(1, stranger, group), tmp_path / "none")


def test_request_when_it_fails_again_and_again_then_the_log_hears_of_it_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "s"

    def use() -> None:
        with ControlClient(path) as client:
            for _ in range(50):
                with pytest.raises(ControlError, match=r"daemon\.failed_request"):
                    client.call("fail")

    serve(path, use)
    assert len(caplog.records) == 1
