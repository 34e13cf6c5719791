"""Why nobody is there, on a link that devices dial in to: told apart, in words."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from threading import Event, Thread
from typing import Any

import pytest

from drivers import dialled, listener
from drivers.api import DeviceSpec, LinkSpec, OpenedLinks, TagSpec
from drivers.forecast import link_load
from drivers.modbus.planner import plan_device
from drivers.scan import open_links
from gateway.messages import LANGUAGES, remedy, text
from tests.kit.dtu import free_port

TAG = TagSpec("t", "holding:0", "uint16", 20_000_000)


def link(name: str = "dtu", **more: Any) -> LinkSpec:
    told: dict[str, Any] = {
        "host": "127.0.0.1", "tcp_port": free_port(), "register": b"JX007", "heartbeat": b"\xfe",
        "timeout_ns": 20_000_000,
    }  # fmt: skip
    return LinkSpec(name, "listen", **told | more)


@contextmanager
def running(*links: LinkSpec) -> Iterator[OpenedLinks]:
    plans = [
        (one, [plan_device(DeviceSpec(f"d-{one.name}", one, "modbus", (TAG,), framing="rtu"))])
        for one in links
    ]
    opened = open_links(plans, 1, {})
    threads = [Thread(target=runner.run) for runner in opened.runners]
    for thread in threads:
        thread.start()
    try:
        yield opened
    finally:
        for runner in opened.runners:
            runner.stop()
        for thread in threads:
            thread.join()


def snapshot(opened: OpenedLinks, name: str = "dtu") -> dict[str, Any]:
    found = [one for runner in opened.runners for one in runner.links() if one["name"] == name]
    (one,) = found
    return one


def cause(opened: OpenedLinks, *, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The link's snapshot, once it is as wanted; its cause has words in both languages."""
    pause = Event()
    for _ in range(1000):
        found = snapshot(opened)
        if wanted(found):
            break
        pause.wait(0.01)
    else:
        raise AssertionError(found)
    if said := found["cause"]:
        for lang in LANGUAGES:
            words = text(said["id"], lang, **said["args"]) + remedy(
                said["id"], lang, **said["args"]
            )
            assert "?" not in words, words
    return found


def is_said(message: str) -> Callable[[dict[str, Any]], bool]:
    return lambda found: bool(found["cause"] and found["cause"]["id"] == message)


def dial(spec: LinkSpec, said: bytes) -> socket.socket:
    pause = Event()
    for _ in range(1000):
        sock = socket.socket()
        if sock.connect_ex((spec.host, spec.tcp_port)) == 0:
            if said:
                sock.sendall(said)
            return sock
        sock.close()
        pause.wait(0.01)
    raise AssertionError("nobody listens")


def test_link_when_nobody_dialled_in_then_said_with_the_registration() -> None:
    with running(spec := link()) as opened:
        found = cause(opened, wanted=is_said("link.nobody_dialled_in_as"))
        assert found["cause"]["args"] == {
            "target": f"127.0.0.1:{spec.tcp_port}", "register": "text:JX007",
        }  # fmt: skip
        assert found["dialled"] == {
            "register": "text:JX007", "peer": None, "heartbeats": 0, "refused": 0, "stranger": None,
        }  # fmt: skip
    with running(link(register=b"")) as opened:
        cause(opened, wanted=is_said("link.nobody_dialled_in"))


def test_link_when_a_stranger_dials_in_then_what_it_said_is_ready_for_the_file() -> None:
    with running(spec := link()) as opened, dial(spec, b"\x01JX9"):
        found = cause(opened, wanted=is_said("link.stranger_dialled_in"))
    args = found["cause"]["args"]
    assert args["said"] == "hex:014a5839" and args["hex"] == "014a5839"
    assert found["dialled"]["refused"] == 1


def test_link_when_a_caller_never_says_its_registration_then_that_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listener, "SILENT_S", 0.05)
    with running(spec := link()) as opened:
        with dial(spec, b""):  # who hangs up at once only looked whether the port is open
            found = cause(opened, wanted=is_said("link.mute_dialled_in"))
        assert found["dialled"]["stranger"]["said"] == ""
        with dial(spec, b"JX9"):
            cause(opened, wanted=is_said("link.stranger_dialled_in"))
        with dial(spec, b""):  # what one said is of more use
            found = cause(opened, wanted=lambda found: found["dialled"]["refused"] == 3)
        assert found["cause"]["args"]["said"] == "text:JX9"
        monkeypatch.setattr(listener, "STRANGER_KEPT_S", 0.0)
        cause(opened, wanted=is_said("link.nobody_dialled_in_as"))


def test_link_when_another_dtu_comes_in_the_place_of_its_own_then_what_that_says() -> None:
    with running(spec := link()) as opened:
        with dial(spec, b"JX8"):  # before its own was there: no news any more
            cause(opened, wanted=is_said("link.stranger_dialled_in"))
        with dial(spec, b"JX007\xfe"):
            cause(opened, wanted=lambda found: found["state"] == "up")
        cause(opened, wanted=is_said("link.hung_up"))
        with dial(spec, b"JX9"):
            found = cause(opened, wanted=is_said("link.stranger_dialled_in"))
        assert found["cause"]["args"]["said"] == "text:JX9"


def test_link_when_two_dtus_share_its_registration_then_both_are_named() -> None:
    with running(spec := link()) as opened, ExitStack() as dtus:
        for _ in range(dialled.CONTESTED_TIMES + 1):
            found = snapshot(opened)
            assert found["cause"] is None or found["cause"]["id"] == "link.nobody_dialled_in_as"
            dtu = dtus.enter_context(dial(spec, b"JX007"))
            peer = "{}:{}".format(*dtu.getsockname())
            found = cause(opened, wanted=lambda f, peer=peer: came(f, peer))  # type: ignore[misc]
        assert found["cause"]["id"] == "link.contested"
        assert found["cause"]["args"]["peers"].endswith(peer)


def came(found: dict[str, Any], peer: str) -> bool:
    return bool(found["dialled"]["peer"] == peer and found["state"] == "up")


def test_link_when_its_one_dtu_comes_again_after_a_silence_then_not_contested() -> None:
    known = dialled.DialledIn(link())
    for heard_s in (None, dialled.HEARD_S, 60.0, None, dialled.HEARD_S):
        known.came("10.0.0.1:1", heard_s=heard_s)
    up = {"state": "up", "target": "t", "dialled": {"register": "text:JX007"}}
    assert known.cause(up, 0, 0) is None


def test_link_when_its_dtu_hung_up_then_not_as_if_none_had_ever_dialled_in() -> None:
    with running(spec := link()) as opened:
        with dial(spec, b"JX007\xfe"):
            found = cause(opened, wanted=lambda found: found["dialled"]["heartbeats"] == 1)
            assert found["state"] == "up" and found["cause"] is None
        found = cause(opened, wanted=is_said("link.hung_up"))
        assert found["cause"]["args"]["peer"] == found["dialled"]["peer"]


def test_link_when_its_dtu_is_never_heard_again_then_given_up_and_said() -> None:
    with running(spec := link()) as opened, dial(spec, b"JX007"):
        cause(opened, wanted=lambda found: found["state"] == "up")
        cause(opened, wanted=is_said("link.dialled_silent"))


def test_links_when_their_address_can_t_be_had_then_each_says_why() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as other,
        running(link(tcp_port=other.getsockname()[1])) as opened,
    ):
        cause(opened, wanted=is_said("link.listen_in_use"))
    with running(link(host="192.0.2.1")) as opened:
        cause(opened, wanted=is_said("link.listen_elsewhere"))
    with running(link(host="fe80::1")) as opened:  # of which network, it does not say
        found = cause(opened, wanted=is_said("link.listen_failed"))
        assert found["cause"]["args"]["error"]


def test_descriptors_when_they_run_out_then_the_address_is_had_again_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """accept() fails at once and again: no turn of the thread after the other."""
    turns: list[float] = []

    def exhausted(sock: socket.socket) -> tuple[socket.socket, Any]:
        turns.append(time.monotonic())
        raise OSError(errno.EMFILE, "too many open files")

    with running(spec := link()) as opened:
        with monkeypatch.context() as patched:
            dial(spec, b"").close()
            patched.setattr(socket.socket, "accept", exhausted)
            sock = dial(spec, b"")
            cause(opened, wanted=is_said("link.listen_failed"))
            sock.close()
        assert all(after - before >= listener.RETRY_S for before, after in pairwise(turns)), turns
        with dial(spec, b"JX007"):
            cause(opened, wanted=lambda found: found["state"] == "up")


def test_forecast_when_behind_a_dtu_then_4g_and_its_bus_are_counted() -> None:
    spec = link()
    plan = plan_device(DeviceSpec("d", spec, "modbus", (TAG,), framing="rtu"))
    load = link_load(spec, [plan])
    assert load.share > 100 and load.groups[0].reachable_ns > 150_000_000


def test_request_when_behind_a_dtu_then_fewer_are_asked_at_the_price_of_a_hole() -> None:
    """A round trip of 4G is worth 70 registers that nobody wants."""
    tags = tuple(TagSpec(f"t{at}", f"holding:{at}", "uint16", 10**9) for at in (0, 70))
    behind = DeviceSpec("d", link(), "modbus", tags, framing="rtu")
    serial = DeviceSpec("d", LinkSpec("com1", "serial", port="/dev/null"), "modbus", tags)
    assert len(plan_device(behind).groups[0].requests) == 1
    assert len(plan_device(serial).groups[0].requests) == 2
