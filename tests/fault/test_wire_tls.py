"""Faults of an encrypted wire, W21: records of any size, handshakes that fail, files that change.

Each story ends with `Scanner.check`: no wrong value, every tick once; and with no context and no
session of OpenSSL left.
"""

from __future__ import annotations

import gc
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from cryptography import x509

from drivers.api import TlsFiles
from drivers.modbus.simulator import now_ns
from drivers.modbus.simulator.tcp import server_context
from native.wire import tls
from native.wire.port import TLS_ERRORS
from tests.kit.authority import Authority
from tests.kit.scanner import Scanner
from tests.kit.slave import HANG_UP, RESET, Asked, Script, Step, TcpSlave, Wire, answer, honest
from tests.kit.tls_slave import GOODBYE, REKEY, TlsSlave

LINK_DOWN = 130
FILES, UNTRUSTED, DATES, NAME, WEAK, REFUSED, NO_COMMON, NOT_TLS, HUNG_UP, TIMEOUT = (
    TLS_ERRORS[name]
    for name in (
        "files", "untrusted", "dates", "name", "weak", "refused", "no_common", "not", "hung_up",
        "timeout",
    )
)  # fmt: skip
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture(autouse=True)
def _nothing_of_openssl_is_left() -> Iterator[None]:
    yield
    gc.collect()
    assert tls.living() == 0


class Plant:
    """An authority, a controller and a gateway of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority(folder, "plant")
        self.plc = self.authority.files("plc")
        self.gateway = self.authority.files("gateway", ())

    def other(self) -> Authority:
        return Authority(self.folder, "other")


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    return Plant(tmp_path)


def after(plant: Plant, script: Script, **more: Any) -> Scanner:
    """Good rows, four requests or more answered by `script`, then honest, and good rows again."""
    with TlsSlave(plant.plc, **more) as slave:
        scanner = Scanner(slave, tls=plant.gateway)
        with scanner.running():
            scanner.until(lambda: scanner.good() >= 8)
            slave.script = script
            asked = len(slave.asked)
            scanner.until(lambda: len(slave.asked) >= asked + 4)
            slave.script = honest
            since_ns = now_ns()
            scanner.until(lambda: scanner.good(after_ns=since_ns) >= 8)
    scanner.check()
    return scanner


def once(fault: Callable[[Asked], Iterable[Step]]) -> Script:
    struck: list[int] = []

    def script(asked: Asked) -> Iterable[Step]:
        if struck:
            return honest(asked)
        struck.append(asked.number)
        return fault(asked)

    return script


@pytest.mark.parametrize("newest", VERSIONS)
@pytest.mark.parametrize("record, piece", [(0, 0), (1, 0), (5, 0), (0, 1), (1, 1), (5, 3)])
def test_answer_when_in_records_and_segments_of_any_size_is_put_together(
    plant: Plant, newest: ssl.TLSVersion, record: int, piece: int
) -> None:
    """Records that come in one segment are all taken: no later byte wakes the loop for them."""
    scanner = after(plant, honest, newest=newest, record=record, piece=piece)
    assert scanner.qualities().keys() == {1}
    assert scanner.book["wrong"] == scanner.book["timeouts"] == scanner.book["reconnects"] == 0


@pytest.mark.parametrize("record", [0, 7, 26])
def test_answers_when_many_come_in_one_record_or_across_records_are_each_taken(
    plant: Plant, record: int
) -> None:
    waiting: list[Asked] = []

    def together(asked: Asked) -> Iterable[Step]:
        waiting.append(asked)
        if len(slave.asked) > 1 and asked.address < 300:
            return []
        frames = [answer(one) for one in waiting]
        waiting.clear()
        return [b"".join(frames[::-1])]

    with TlsSlave(plant.plc, together, record=record) as slave:
        scanner = Scanner(slave, (0, 100, 200, 300), tls=plant.gateway, in_flight=4)
        with scanner.running():
            scanner.until(lambda: scanner.good() >= 80)
    scanner.check()
    assert scanner.qualities().keys() == {1}
    assert scanner.book["wrong"] == scanner.book["timeouts"] == 0


@pytest.mark.parametrize("newest", VERSIONS)
@pytest.mark.parametrize("how", [HANG_UP, RESET, GOODBYE])
@pytest.mark.parametrize("cut", [0, 7])
def test_encrypted_connection_when_lost_inside_a_frame_is_made_anew(
    plant: Plant, newest: ssl.TLSVersion, how: str, cut: int
) -> None:
    script = once(lambda a: [answer(a)[:cut], how] if cut else [how])
    scanner = after(plant, script, newest=newest)
    assert scanner.book["reconnects"] == 1
    assert scanner.qualities()[LINK_DOWN] == 0  # it was asked again on the new one


@pytest.mark.parametrize("newest", VERSIONS)
def test_record_when_a_bit_is_flipped_ends_the_connection(
    plant: Plant, newest: ssl.TLSVersion
) -> None:
    def garbled(asked: Asked) -> Iterable[Step]:
        slave.wires[-1].garbled = True
        return [answer(asked)]

    with TlsSlave(plant.plc, newest=newest) as slave:
        scanner = Scanner(slave, tls=plant.gateway)
        with scanner.running():
            scanner.until(lambda: scanner.good() >= 8)
            slave.script = once(garbled)
            since_ns = now_ns()
            scanner.until(lambda: scanner.good(after_ns=since_ns) >= 8)
    scanner.check()
    assert scanner.book["reconnects"] == 1 and len(slave.wires) == 2


def test_keys_when_changed_before_and_within_answers_cost_nothing(plant: Plant) -> None:
    """The client must send its own update between two requests, while it reads."""
    scanner = after(plant, lambda a: [REKEY, answer(a)[:5], REKEY, answer(a)[5:]])
    assert scanner.qualities().keys() == {1}
    assert scanner.book["reconnects"] == scanner.book["timeouts"] == 0


def strange_controllers(plant: Plant) -> dict[str, tuple[TlsFiles, int]]:
    """What a controller shows, and how it is refused."""
    days = timedelta(days=1)
    elsewhere = [x509.DNSName("plc.example"), x509.DNSName("127.0.0.1")]
    issue = plant.authority.files
    return {
        "of another authority": (
            TlsFiles(plant.authority.ca, *plant.other().issue("plc")),
            UNTRUSTED,
        ),
        "expired": (issue("expired", ends_in=-days), DATES),
        "not valid yet": (issue("early", begins_in=days, ends_in=10 * days), DATES),
        "of another name": (issue("elsewhere", elsewhere), NAME),
        "of a short key": (issue("weak", rsa_bits=1024), WEAK),
    }


@pytest.mark.parametrize(
    "what",
    ["of another authority", "expired", "not valid yet", "of another name", "of a short key"],
)
def test_controller_when_its_certificate_is_wrong_is_refused_with_the_reason_until_mended(
    plant: Plant, what: str
) -> None:
    files, fault = strange_controllers(plant)[what]
    with TlsSlave(plant.plc) as slave:
        good = slave.context
        slave.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        slave.context.set_ciphers("DEFAULT:@SECLEVEL=0")
        slave.context.load_cert_chain(files.cert, files.key)
        scanner = Scanner(slave, tls=plant.gateway)
        with scanner.running():
            scanner.until(lambda: scanner.book["errno"] == fault)
            assert not slave.asked
            slave.context = good
            scanner.until(lambda: scanner.good() >= 8)
    scanner.check()


def test_controller_when_it_signed_its_own_certificate_is_read_with_that_as_the_ca(
    plant: Plant, tmp_path: Path
) -> None:
    cert, key = tmp_path / "own.pem", tmp_path / "own.key"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=plc"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    pinned = TlsFiles(cert, plant.gateway.cert, plant.gateway.key)
    with TlsSlave(TlsFiles(plant.authority.ca, cert, key)) as slave:
        scanner = Scanner(slave, tls=pinned)
        with scanner.running():
            scanner.until(lambda: scanner.good() >= 8)
    scanner.check()


@pytest.mark.parametrize("newest", VERSIONS)
@pytest.mark.parametrize("what", ["of another authority", "expired"])
def test_certificate_of_ours_when_refused_is_said_until_it_is_replaced(
    plant: Plant, what: str, newest: ssl.TLSVersion
) -> None:
    """With TLS 1.3 the refusal comes when our side of the handshake is over."""
    days = timedelta(days=1)
    if what == "expired":
        ours = plant.authority.files("expired", (), ends_in=-days)
    else:
        ours = TlsFiles(plant.authority.ca, *plant.other().issue("stranger", ()))
    with TlsSlave(plant.plc, newest=newest) as slave:
        scanner = Scanner(slave, tls=ours)
        with scanner.running():
            scanner.until(lambda: scanner.book["errno"] == REFUSED)
            ours.cert.write_bytes(plant.gateway.cert.read_bytes())
            ours.key.write_bytes(plant.gateway.key.read_bytes())
            assert scanner.link.renew()
            scanner.until(lambda: scanner.good() >= 8)
        assert slave.wires[-1].peer == "gateway"
    scanner.check()


@pytest.mark.filterwarnings("ignore:.*is deprecated:DeprecationWarning")
def test_version_when_older_than_1_2_is_refused(plant: Plant) -> None:
    with TlsSlave(plant.plc) as slave:
        slave.context.set_ciphers("DEFAULT:@SECLEVEL=0")
        slave.context.minimum_version = ssl.TLSVersion.TLSv1
        slave.context.maximum_version = ssl.TLSVersion.TLSv1_1
        scanner = Scanner(slave, tls=plant.gateway)
        with scanner.running():
            scanner.until(lambda: scanner.book["errno"] == NO_COMMON)
            slave.context = server_context(plant.plc)
            scanner.until(lambda: scanner.good() >= 8)
    scanner.check()


class Rude:
    """Accepts on a free port, and does `act` with each connection; those that it returns stay."""

    def __init__(self, act: Callable[[socket.socket], bool]) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.accepted = 0
        self._act = act
        self._kept: list[socket.socket] = []
        self._thread = Thread(target=self._run, name="rude")

    def __enter__(self) -> Rude:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        for sock in [self.listener, *self._kept]:
            sock.close()

    def _run(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:  # the end
                return
            self.accepted += 1
            if self._act(sock):
                self._kept.append(sock)
            else:
                sock.close()


def flight(plant: Plant, sock: socket.socket) -> bytes:
    """A real server's answer to the ClientHello that comes."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_context(plant.plc).wrap_bio(incoming, outgoing, server_side=True)
    incoming.write(sock.recv(65536))
    with pytest.raises(ssl.SSLWantReadError):
        server.do_handshake()
    return outgoing.read()


class Slow(TlsSlave):
    """Its handshake begins when it is told to."""

    def __init__(self, files: TlsFiles) -> None:
        super().__init__(files)
        self.go = Event()

    def _wrap(self, sock: socket.socket) -> Wire | None:
        self.go.wait(10)
        return super()._wrap(sock)


def test_first_tick_when_the_connection_takes_its_time_waits_for_it(plant: Plant) -> None:
    """A start costs no tick, and says of no device that it is away."""
    with Slow(plant.plc) as slave:
        scanner = Scanner(slave, tls=plant.gateway)
        with scanner.running():
            scanner.until(lambda: scanner.link.state == "connecting")
            asked_ns = now_ns()
            scanner.until(lambda: now_ns() - asked_ns > 200_000_000)
            slave.go.set()
            scanner.until(lambda: scanner.good() >= 8)
    scanner.check()
    assert scanner.qualities().keys() == {1} and not scanner.gaps()


@pytest.mark.parametrize("sent", [0, 1, 5, 60, 600])
def test_handshake_when_cut_after_so_many_bytes_is_tried_again(plant: Plant, sent: int) -> None:
    def cut(sock: socket.socket) -> bool:
        sock.sendall(flight(plant, sock)[:sent])
        return False

    refused(plant, cut, HUNG_UP)


@pytest.mark.parametrize("sent", [0, 60])
def test_handshake_when_it_stalls_times_out_and_nothing_spins(plant: Plant, sent: int) -> None:
    """Connected, then silent at once, or within the handshake."""

    def stall(sock: socket.socket) -> bool:
        sock.sendall(flight(plant, sock)[:sent] if sent else b"")
        return True

    refused(plant, stall, TIMEOUT)


@pytest.mark.parametrize(
    "banner", [b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", bytes(13)]
)
def test_port_when_it_speaks_no_tls_is_told_from_a_failed_handshake(
    plant: Plant, banner: bytes
) -> None:
    def greet(sock: socket.socket) -> bool:
        sock.sendall(banner)
        return True

    refused(plant, greet, NOT_TLS)


def refused(plant: Plant, act: Callable[[socket.socket], bool], fault: int) -> None:
    """The link says so, and wakes for its ticks and for little else."""
    with Rude(act) as rude, TlsSlave(plant.plc) as slave:
        scanner = Scanner(slave, tls=plant.gateway, tcp_port=rude.port)
        with scanner.running():
            scanner.until(lambda: scanner.book["errno"] == fault and rude.accepted >= 2)
            ticks, _ = scanner.box.groups[0].scanned()
            assert scanner.loop.wakeups <= 2 * ticks + 10 * rude.accepted
    scanner.check()
    assert scanner.good() == 0 and scanner.qualities().keys() == {LINK_DOWN}


def test_controller_when_its_port_is_plain_modbus_is_not_taken(plant: Plant) -> None:
    """It finds no MBAP header in a ClientHello, and hangs up."""
    with TcpSlave() as slave:
        scanner = Scanner(slave, tls=plant.gateway)
        with scanner.running():
            scanner.until(lambda: scanner.book["errno"] == HUNG_UP)
    scanner.check()
    assert not slave.asked


def test_files_when_missing_at_the_start_are_read_once_they_are_there(plant: Plant) -> None:
    key = plant.gateway.key.read_bytes()
    plant.gateway.key.unlink()
    with TlsSlave(plant.plc) as slave:
        scanner = Scanner(slave, tls=plant.gateway)
        with scanner.running():
            scanner.until(lambda: scanner.book["errno"] == FILES)
            assert not scanner.link.renew()
            plant.gateway.key.write_bytes(key)
            assert scanner.link.renew()
            scanner.until(lambda: scanner.good() >= 8)
    scanner.check()


def test_files_when_replaced_are_used_from_the_next_connection_on(plant: Plant) -> None:
    """And what can't be used leaves the old ones in use."""
    fresh = plant.authority.files("renewed", ())
    with TlsSlave(plant.plc) as slave:
        scanner = Scanner(slave, tls=plant.gateway)
        with scanner.running():
            scanner.until(lambda: scanner.good() >= 8)
            plant.gateway.cert.write_bytes(fresh.cert.read_bytes())
            assert not scanner.link.renew()  # no pair yet
            slave.script = once(lambda _: [HANG_UP])
            scanner.until(lambda: len(slave.wires) == 2)
            assert not scanner.book["tls"]["files_usable"]
            plant.gateway.key.write_bytes(fresh.key.read_bytes())
            assert scanner.link.renew()
            assert scanner.book["tls"]["files_usable"]
            slave.script = once(lambda _: [HANG_UP])
            scanner.until(lambda: len(slave.wires) == 3)
        assert [wire.peer for wire in slave.wires] == ["gateway", "gateway", "renewed"]
    scanner.check()


def test_connections_when_lost_again_and_again_leave_no_session_behind(plant: Plant) -> None:
    with TlsSlave(plant.plc, lambda a: [answer(a), HANG_UP]) as slave:
        scanner = Scanner(slave, (0,), tls=plant.gateway)
        with scanner.running():
            scanner.until(lambda: len(slave.wires) >= 10)
            assert tls.living() <= 2  # its context, and one session
    scanner.check()
