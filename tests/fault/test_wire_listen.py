"""DTUs that dial in: told apart by what they say first, heartbeats in the stream, the newest wins.

Each story ends with `Scanner.check`: no wrong value, every tick once.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable
from pathlib import Path
from threading import Event

import pytest

from drivers.listener import CALLERS_A_LINK, CALLERS_MAX
from drivers.modbus.simulator import now_ns
from tests.kit.dtu import Dtu, free_port, listening
from tests.kit.scanner import TIMEOUT_NS, Scanner
from tests.kit.slave import HANG_UP, RESET, Asked, Step, TcpSlave, answer, honest

NO_ANSWER, LINK_DOWN = 129, 130
TIMEOUT_S = TIMEOUT_NS / 1e9


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_dtus_when_two_share_a_port_are_told_apart_by_their_registration() -> None:
    port = free_port()
    with Dtu(port, register=b"JX007") as one, Dtu(port, register=b"JX008") as two:
        scanners = [Scanner(one, (0, 100)), Scanner(two, (2, 102))]
        with listening(*scanners):
            for scanner in scanners:
                scanner.until(lambda scanner=scanner: scanner.good() >= 8)  # type: ignore[misc]
    for scanner in scanners:
        scanner.check()
        assert scanner.slave.asked[0].connection == 1 and scanner.book["reconnects"] == 0


@pytest.mark.parametrize("framing", ["rtu", "ascii", "tcp"])
@pytest.mark.parametrize(
    "hello",
    [
        [b"J", 0.02, b"X0", 0.02, b"07"],
        [b"JX007\xfe\xfe"],
        [b"JX007JX007"],
        [b"JX007", 0.02, b"JX0", 0.02, b"07"],
    ],
    ids=["in pieces", "with heartbeats", "twice", "twice in pieces"],
)
def test_registration_when_in_pieces_or_with_more_behind_it_finds_its_link(
    framing: str, hello: list[Step]
) -> None:
    with Dtu(free_port(), framing=framing) as dtu:
        dtu.hello = hello
        scanner = Scanner(dtu)
        with listening(scanner):
            scanner.until(lambda: scanner.good() >= 8)
    scanner.check()
    assert dtu.connections == 1 and scanner.book["timeouts"] == scanner.book["damaged"] == 0
    assert scanner.book["wrong"] <= 1  # a request went out between two pieces


def test_heartbeats_when_before_and_behind_answers_cost_nothing() -> None:
    """All kinds of them: tests/unit/test_engine_dialin.py."""
    heartbeat = b"\x01\x03"

    def script(asked: Asked) -> Iterable[Step]:
        frame = answer(asked)
        where = asked.number % 5
        if where == 0:
            return [heartbeat + frame]
        if where == 1:
            return [heartbeat, 0.01, frame]
        if where == 2:
            return [heartbeat[:1], 0.005, heartbeat[1:] + frame[:2], 0.005, frame[2:]]
        return [frame + heartbeat] if where == 3 else [frame, 0.005, heartbeat * 2]

    with Dtu(free_port(), script, heartbeat=heartbeat) as dtu:
        scanner = Scanner(dtu)
        with listening(scanner):
            scanner.until(lambda: scanner.good() >= 40)
    scanner.check()
    assert dtu.connections == 1
    assert scanner.qualities().keys() <= {1, LINK_DOWN}
    assert scanner.book["timeouts"] == 0
    assert scanner.book["swallowed"] >= 5


def test_connection_when_the_dtu_dials_anew_is_replaced_at_once_by_the_newest() -> None:
    """After a 4G drop the old one still looks alive: nobody has told it."""
    with Dtu(free_port()) as dtu:
        scanner = Scanner(dtu)
        with listening(scanner):
            for number in range(1, 6):
                since_ns = now_ns()
                scanner.until(lambda since_ns=since_ns: scanner.good(after_ns=since_ns) >= 10)  # type: ignore[misc]
                dtu.dial_anew()
                scanner.until(lambda number=number: dtu.connections > number)  # type: ignore[misc]
            since_ns = now_ns()
            scanner.until(lambda: scanner.good(after_ns=since_ns) >= 10)
            assert all(sock.recv(4096) is not None for sock in dtu.dropped)
    scanner.check()
    assert scanner.book["reconnects"] == 5 and len(set(scanner.peers)) == 6
    assert scanner.book["timeouts"] <= 5  # what was under way, and nothing that was waited out


def test_connection_when_offered_before_the_last_was_taken_is_the_one_that_counts() -> None:
    with Dtu(free_port()) as dtu:
        dtu.leave()
        scanner = Scanner(dtu)
        ends = [socket.socketpair() for _ in range(2)]
        for ours, theirs in ends:
            theirs.settimeout(10)
            scanner.loop.offer(scanner.link, ours.detach())
        assert ends[0][1].recv(1) == b""
        with scanner.running():
            assert len(ends[1][1].recv(8)) == 8
        while ends[1][1].recv(64):
            pass  # what was asked until the end
        with pytest.raises(ValueError, match="no device dials in"), TcpSlave() as other:
            scanner.loop.offer(Scanner(other).link, ends[0][1].fileno())
        for _, theirs in ends:
            theirs.close()


@pytest.mark.parametrize("how", [HANG_UP, RESET])
def test_dtu_when_gone_is_said_and_back_at_once_when_it_dials_in_again(how: str) -> None:
    with Dtu(free_port()) as dtu:
        scanner = Scanner(dtu)
        with listening(scanner):
            scanner.until(lambda: scanner.good() >= 8)
            dtu.leave()
            scanner.until(lambda: bool(scanner.book["state"] == "down"))
            Event().wait(1.0)
            assert scanner.book["errno"] in (errno.ECONNRESET, errno.EIO, errno.EPIPE)
            asked, back_ns = len(dtu.asked), now_ns()
            dtu.come_back()
            scanner.until(lambda: scanner.good(after_ns=back_ns) >= 8)
    scanner.check()
    first = min(row.mid_ns for row in scanner.rows if row.quality == 1 and row.mid_ns > back_ns)
    assert first - back_ns < 5_000_000_000
    burst = [one for one in dtu.asked[asked:] if one.at_ns < dtu.asked[asked].at_ns + 200_000_000]
    assert len(burst) <= 2 * 12  # two requests each 20 ms, and the resynchronisation


def test_link_when_nobody_dialled_in_yet_is_down_and_says_so() -> None:
    away = Dtu(free_port())
    away.away = True  # before its thread could dial
    with away as dtu:
        scanner = Scanner(dtu)
        with listening(scanner):
            scanner.until(lambda: len(scanner.rows) >= 2)
            assert scanner.book["state"] == "down" and scanner.book["errno"] == errno.ENOTCONN
    scanner.check()


def test_stranger_when_it_dials_in_is_shown_and_shut_out() -> None:
    with Dtu(free_port(), register=b"JX009") as dtu:
        scanner = Scanner(dtu, register=b"JX007")
        with listening(scanner) as listener:
            scanner.until(lambda: listener.at_door(scanner.spec)["stranger"] is not None)
            stranger = listener.at_door(scanner.spec)["stranger"]
    scanner.check()
    assert stranger["said"] == "text:JX009" and stranger["hex"] == b"JX009".hex()
    assert stranger["peer"].startswith("127.0.0.1:")
    assert scanner.peers == [] and scanner.qualities().keys() == {LINK_DOWN}


def test_clients_when_many_say_nothing_keep_no_dtu_out_and_no_descriptor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("drivers.listener.SILENT_S", 1.0)
    assert CALLERS_MAX + CALLERS_A_LINK < 200
    before = descriptors()
    _crowd(before)
    assert descriptors() <= before


def test_flood_when_from_one_address_keeps_no_dtu_out_that_registers_late() -> None:
    """The antechamber is filled anew, twice over, between the DTU's connect and its packet."""
    with Dtu(free_port()) as dtu:
        dtu.leave()
        scanner = Scanner(dtu)
        clients: list[socket.socket] = []
        with listening(scanner) as listener:
            scanner.until(lambda: listener.at_door(scanner.spec)["errno"] == 0)

            def flood() -> None:
                before = listener.at_door(scanner.spec)["refused"]
                clients.extend(_connected(dtu.port, "127.0.0.2") for _ in range(200))
                scanner.until(lambda: listener.at_door(scanner.spec)["refused"] >= before + 100)

            flood()
            slow = _connected(dtu.port, "127.0.0.3")
            flood()
            assert not _is_closed(slow)
            slow.send(b"JX007")
            scanner.until(lambda: len(scanner.peers) == 1)
            assert scanner.peers[0].startswith("127.0.0.3:")
            for client in [*clients, slow]:
                client.close()
    scanner.check()


def _crowd(before: int) -> None:
    with Dtu(free_port()) as dtu:
        dtu.leave()
        scanner = Scanner(dtu)
        with listening(scanner) as listener:
            scanner.until(lambda: listener.at_door(scanner.spec)["errno"] == 0)
            clients = [_connected(dtu.port) for _ in range(200)]
            dtu.come_back()
            scanner.until(lambda: scanner.good() >= 8)
            scanner.until(lambda: listener.at_door(scanner.spec)["refused"] == 200)
            assert all(_is_closed(client) for client in clients)
            for client in clients:
                client.close()
            assert descriptors() - before <= 16
    scanner.check()


def _connected(port: int, source: str = "127.0.0.1") -> socket.socket:
    while True:
        client = socket.socket()
        client.bind((source, 0))
        if client.connect_ex(("127.0.0.1", port)) == 0:
            client.setblocking(False)
            return client
        client.close()


def _is_closed(client: socket.socket) -> bool:
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def test_descriptors_when_a_dtu_dials_in_again_and_again_stay_as_many() -> None:
    with Dtu(free_port()) as dtu:
        scanner = Scanner(dtu)
        with listening(scanner):
            scanner.until(lambda: scanner.good() >= 8)
            before = descriptors()
            dtu.script = lambda asked: [answer(asked), HANG_UP if asked.number % 2 else RESET]
            scanner.until(lambda: dtu.connections >= 30)
            dtu.script = honest
            since_ns = now_ns()
            scanner.until(lambda: scanner.good(after_ns=since_ns) >= 8)
            assert descriptors() <= before + 1
    scanner.check()


def test_port_when_in_use_is_said_and_had_as_soon_as_it_is_free() -> None:
    with Dtu(free_port()) as dtu:
        dtu.leave()
        scanner = Scanner(dtu)
        other = socket.create_server(("127.0.0.1", dtu.port))
        with listening(scanner) as listener:
            scanner.until(lambda: listener.at_door(scanner.spec)["errno"] == errno.EADDRINUSE)
            other.close()
            dtu.come_back()
            scanner.until(lambda: scanner.good() >= 8)
    scanner.check()


def test_address_when_not_ours_is_said() -> None:
    with Dtu(free_port()) as dtu:
        dtu.leave()
        scanner = Scanner(dtu, host="192.0.2.1")
        with listening(scanner) as listener:
            scanner.until(lambda: listener.at_door(scanner.spec)["errno"] == errno.EADDRNOTAVAIL)
    scanner.check()


def test_link_when_it_has_its_port_to_itself_takes_whoever_dials_in() -> None:
    with Dtu(free_port(), register=b"") as dtu:
        dtu.hello = []
        scanner = Scanner(dtu)
        with listening(scanner):
            scanner.until(lambda: scanner.good() >= 8)
    scanner.check()
