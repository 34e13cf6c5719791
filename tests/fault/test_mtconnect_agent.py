"""The driver in its host against an agent that is slow, cut, restarted, lapped, silent or old."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from drivers.api import DeviceSpec, LinkSpec, OpenedLinks, TagSpec
from drivers.host.runner import HostRunner
from drivers.mtconnect import DRIVER
from drivers.mtconnect.simulator import Agent
from tests.fault.test_host_process import wait_until

TAGS = (
    TagSpec("line", "line", "int32", 50_000_000),
    TagSpec("state", "execution", "string", 50_000_000, length=24),
    TagSpec("alarm", "system", "string", 50_000_000, length=60),
    TagSpec("at", "line@time", "int64", 50_000_000),
)


@contextlib.contextmanager
def reading(port: int, tags: tuple[TagSpec, ...] = TAGS) -> Iterator[OpenedLinks]:
    link = LinkSpec("cell", "tcp", host="127.0.0.1", tcp_port=port)
    device = DeviceSpec("lathe", link, "mtconnect", tags)
    assert DRIVER.check(device) == []
    made = DRIVER.open([(link, [DRIVER.plan(device)])], 0, {})
    thread = threading.Thread(target=made.runners[0].run)
    thread.start()
    try:
        yield made
    finally:
        made.runners[0].stop()
        thread.join(10)
    shown = made.groups[0].snapshot()
    assert shown["ticks"] == shown["rows"] + sum(shown["skipped"].values())


def now(made: OpenedLinks) -> dict[str, Any]:
    return {row["tag"].name: row["raw"] for row in made.latest("lathe")}


def qualities(made: OpenedLinks) -> set[int]:
    return {row["quality"] for row in made.latest("lathe")}


def link_of(made: OpenedLinks) -> dict[str, Any]:
    return made.runners[0].links()[0]


def device_of(made: OpenedLinks) -> dict[str, Any]:
    return made.runners[0].devices()[0]


def test_values_when_they_change_then_the_tags_do_with_the_machines_time() -> None:
    with Agent(moves=False) as agent, reading(agent.port) as made:
        wait_until(lambda: qualities(made) == {1})
        agent.put("line", "42")
        wait_until(lambda: now(made)["line"] == 42)
        assert now(made)["state"] == b"ACTIVE"
        said_ns = time.clock_gettime_ns(time.CLOCK_REALTIME)
        assert 0 <= said_ns - now(made)["at"] < 5_000_000_000
        agent.condition("sys", "Fault", "1010", "EMERGENCY <STOP>")
        agent.condition("sys", "Warning", "7", "coolant")
        wait_until(lambda: now(made)["alarm"] == b"FAULT 1010 EMERGENCY <STOP>; WARNING 7 coolant")
        agent.condition("sys", "Normal", "1010")
        wait_until(lambda: now(made)["alarm"] == b"WARNING 7 coolant")
        assert device_of(made)["state"] == "good"


def test_machine_when_switched_off_behind_its_agent_then_no_value_and_said_so() -> None:
    with Agent(moves=False) as agent, reading(agent.port) as made:
        wait_until(lambda: qualities(made) == {1})
        agent.unavailable()
        wait_until(lambda: qualities(made) == {139, 1})  # the time of that is known
        assert device_of(made)["cause"]["id"] == "host.no_value"
        assert link_of(made)["state"] == "up"


@pytest.mark.parametrize("ring", [17, 333])
def test_ring_when_it_runs_over_then_a_loss_is_told_and_reading_goes_on(ring: int) -> None:
    with Agent(moves=False, ring=ring) as agent, reading(agent.port) as made:
        wait_until(lambda: qualities(made) == {1})
        for burst in range(3):
            agent.command(f"flood {10 * ring}")
            agent.put("exec", f"READY{burst}")
            wait_until(lambda burst=burst: now(made)["state"] == f"READY{burst}".encode())
        wait_until(lambda: bool(device_of(made)["learned"]))
        (learned,) = device_of(made)["learned"]
        assert learned["id"] == "mtconnect.lost"
        assert 1 <= learned["args"]["count"] <= 3 * (10 * ring + 1)


def test_agent_when_it_restarts_then_its_new_values_and_no_loss_invented() -> None:
    with Agent(moves=False) as agent, reading(agent.port) as made:
        wait_until(lambda: qualities(made) == {1})
        agent.put("line", "42")
        wait_until(lambda: now(made)["line"] == 42)
        agent.restart()
        wait_until(lambda: now(made)["line"] == 0, 5.0)
        wait_until(lambda: qualities(made) == {1}, 5.0)
        assert device_of(made)["learned"] == []


def test_connection_when_cut_in_the_middle_then_back_with_every_value() -> None:
    with Agent(moves=False) as agent, reading(agent.port) as made:
        wait_until(lambda: qualities(made) == {1})
        for i in range(3):
            agent.drop()
            agent.put("line", str(100 + i))
            wait_until(lambda i=i: now(made)["line"] == 100 + i, 5.0)
        assert link_of(made)["reconnects"] >= 1


def test_agent_when_it_falls_silent_then_bad_and_back_when_it_speaks() -> None:
    with Agent(moves=False) as agent, reading(agent.port) as made:
        wait_until(lambda: qualities(made) == {1})
        agent.command("mute")
        wait_until(lambda: qualities(made) == {130}, 6.0)
        wait_until(lambda: link_of(made)["cause"] is not None)
        agent.command("clear")
        wait_until(lambda: qualities(made) == {1}, 6.0)


def test_agent_when_it_does_not_stream_then_polled_and_said_so() -> None:
    with Agent(moves=False) as agent:
        agent.command("nostream")
        with reading(agent.port) as made:
            wait_until(lambda: qualities(made) == {1})
            agent.put("line", "7")
            wait_until(lambda: now(made)["line"] == 7)
            wait_until(lambda: bool(device_of(made)["learned"]))
            assert device_of(made)["learned"][0]["id"] == "mtconnect.polled"


def test_item_when_the_agent_has_none_of_its_name_then_that_tag_alone_and_said_so() -> None:
    tags = (*TAGS, TagSpec("typo", "linne", "int32", 50_000_000))
    with Agent(moves=False) as agent, reading(agent.port, tags) as made:
        wait_until(lambda: qualities(made) == {1, 133})
        wait_until(lambda: device_of(made)["state"] == "partly")
        cause = device_of(made)["cause"]
        assert (cause["id"], cause["args"]["first"]) == ("mtconnect.no_item", "linne")


def test_agent_when_nothing_listens_then_refused_is_said() -> None:
    with Agent(moves=False) as agent:
        port = agent.port
    with reading(port) as made:
        wait_until(lambda: link_of(made)["cause"] is not None)
        assert link_of(made)["cause"]["id"] == "link.refused"
        wait_until(lambda: qualities(made) == {130})


STRANGERS = {
    "html": b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n<html>no</html>",
    "modbus": b"\x00\x01\x00\x00\x00\x03\x01\x83\x02",
    "entities": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<!DOCTYPE a [<!ENTITY x SYSTEM "
    b'"file:///etc/passwd">]><MTConnectDevices>&x;</MTConnectDevices>',
}


@pytest.mark.parametrize("name", STRANGERS)
def test_stranger_when_it_answers_then_said_not_an_agent_and_never_a_value(name: str) -> None:
    import socketserver

    class Says(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(1000)
            self.request.sendall(STRANGERS[name])

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Says) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.05,))
        serving.start()
        try:
            with reading(server.server_address[1]) as made:
                wait_until(lambda: link_of(made)["cause"] is not None)
                assert link_of(made)["cause"]["id"] == "mtconnect.not_an_agent"
                assert qualities(made) <= {0, 130}
                runner = made.runners[0]
                assert isinstance(runner, HostRunner) and runner.restarts == 0
        finally:
            server.shutdown()
            serving.join()
