"""A simulated agent: one milling machine, made data, a ring that runs over. Its own code; nothing
of the driver's is used.

`Agent.command` takes the faults that `jiahe-sim` lists. Listens on loopback unless told otherwise
by the caller.
"""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import quoteattr

from drivers.mtconnect.machine import (
    MACHINE,
    NAMESPACE,
    Seen,
    boxes_of,
    stamp,
    type_name,
)
from drivers.mtconnect.served import FaultError, Served


class Agent(Served):
    """`with Agent() as agent:` serves on `agent.port` until the block ends."""

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        ring: int = 4096,
        seed: str = "0",
        moves: bool = True,
        name: str = "VMC-1",
    ) -> None:
        """`moves`: makes data by itself, ten times a second."""
        self.name, self._ring_size = name, ring
        self.changed = threading.Condition()
        self.instance, self.slow_s, self.mute, self.no_stream = 1_700_000_000, 0.0, False, False
        self._begin()
        agent = self

        class Handler(_Handler):
            served = agent

        super().__init__((host, port), Handler, seed=seed, moves=moves)

    def drop(self) -> None:
        super().drop()
        with self.changed:
            self.changed.notify_all()

    # ---- what it holds -----------------------------------------------------------------------

    def _begin(self) -> None:
        self.ring: deque[Seen] = deque(maxlen=self._ring_size)
        self.now: dict[str, Seen] = {}
        self.active: dict[str, dict[str, Seen]] = {}
        self.next_sequence = 1
        for category, _, item, _, _, value in MACHINE:
            if category == "CONDITION":
                self.condition(item, "Normal")
            else:
                self.put(item, value)

    def put(self, item: str, value: str) -> int:
        """A new value; its sequence."""
        return self._keep(item, value, "", "")

    def condition(self, item: str, level: str, code: str = "", text: str = "") -> int:
        """`level`: Normal, Warning, Fault, Unavailable."""
        with self.changed:
            held = self.active.setdefault(item, {})
            sequence = self._keep(item, level, code, text)
            if level in ("Warning", "Fault"):
                held[code] = self.now[item]
            elif code:
                held.pop(code, None)
            else:
                held.clear()
            return sequence

    def _keep(self, item: str, value: str, code: str, text: str) -> int:
        with self.changed:
            seen = Seen(self.next_sequence, item, value, stamp(), code, text)
            self.next_sequence += 1
            self.ring.append(seen)
            self.now[item] = seen
            self.changed.notify_all()
            return seen.sequence

    def command(self, line: str) -> str:
        """Obey one of COMMANDS; an answer for people. Raises FaultError."""
        word, *rest = line.split()
        try:
            if word in ("set", "fault", "normal") and rest[0] not in self.now:
                raise KeyError(rest[0])
            if word == "set":
                self.put(rest[0], " ".join(rest[1:]))
            elif word == "fault":
                self.condition(rest[0], "Fault", rest[1], " ".join(rest[2:]))
            elif word == "normal":
                self.condition(rest[0], "Normal", *rest[1:2])
            elif word == "flood":
                with self.changed:
                    for i in range(int(rest[0])):
                        self._keep("line", str(i), "", "")
            elif word == "restart":
                self.restart()
            elif word == "slow":
                self.slow_s = float(rest[0]) / 1000
            elif word in ("mute", "nostream"):
                self.mute = self.mute or word == "mute"
                self.no_stream = self.no_stream or word == "nostream"
            elif word == "unavailable":
                self.unavailable()
            elif word == "clear":
                self.slow_s, self.mute, self.no_stream = 0.0, False, False
            else:
                raise KeyError(word)
        except (IndexError, ValueError, KeyError):
            raise FaultError("no_agent_command", line=line) from None
        return "ok"

    def restart(self) -> None:
        """Restart as the process of an agent does: another instance id, sequences from 1."""
        with self.changed:
            self.instance += 1
            self._begin()
        self.drop()

    def unavailable(self) -> None:
        """The machine is switched off behind its agent."""
        with self.changed:
            for category, _, item, _, _, _ in MACHINE:
                if category == "CONDITION":
                    self.condition(item, "Unavailable")
                else:
                    self.put(item, "UNAVAILABLE")

    def works(self, item: str, value: str) -> None:
        self.put(item, value)

    # ---- documents ---------------------------------------------------------------------------

    def _document(self, kind: str, body: str) -> bytes:
        space = NAMESPACE.format(kind)
        first = self.ring[0].sequence if self.ring else 1
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<MTConnect{kind} xmlns="{space}" xmlns:m="{space}"><Header '
            f'creationTime="{stamp()}" sender="sim" instanceId="{self.instance}" version="1.3" '
            f'bufferSize="{self._ring_size}" nextSequence="{self.next_sequence}" '
            f'firstSequence="{first}" lastSequence="{self.next_sequence - 1}"/>'
            f"{body}</MTConnect{kind}>\n"
        ).encode()

    def probe(self) -> bytes:
        items = "".join(
            f'<DataItem category="{category}" id="{item}" name="{name}" '
            f'type="{type_name(element)}"/>'
            for category, element, item, name, _, _ in MACHINE
        )
        own = quoteattr(self.name)
        body = f'<Devices><Device id="d1" name={own} uuid="sim-1"><DataItems>{items}</DataItems>'
        return self._document("Devices", body + "</Device></Devices>")

    def current(self) -> bytes:
        with self.changed:
            seen = []
            for category, _, item, _, _, _ in MACHINE:
                active = list(self.active.get(item, {}).values())
                seen += active if category == "CONDITION" and active else [self.now[item]]
            return self._streams(seen)

    def sample(self, begin: int, count: int) -> tuple[bytes, int]:
        """(document, where it goes on); an error document where `begin` is not there any more."""
        with self.changed:
            first = self.ring[0].sequence if self.ring else 1
            if not first <= begin <= self.next_sequence:
                return self.error("OUT_OF_RANGE", "'from' is not in the buffer"), -1
            seen = [each for each in self.ring if each.sequence >= begin][:count]
            following = seen[-1].sequence + 1 if seen else begin
            document = self._streams(seen)
        told = f'nextSequence="{self.next_sequence}"'.encode()
        return document.replace(told, f'nextSequence="{following}"'.encode(), 1), following

    def error(self, code: str, text: str) -> bytes:
        return self._document("Error", f'<Errors><Error errorCode="{code}">{text}</Error></Errors>')

    def _streams(self, seen: list[Seen]) -> bytes:
        body = boxes_of(seen)
        own = quoteattr(self.name)
        return self._document(
            "Streams",
            f'<Streams><DeviceStream name={own} uuid="sim-1"><ComponentStream component="Device" '
            f'componentId="d1">{body}</ComponentStream></DeviceStream></Streams>',
        )


class Commanded(Protocol):
    """One that obeys the commands that `jiahe-sim` lists."""

    def command(self, line: str) -> str: ...


class Together:
    """Several, commanded as one."""

    def __init__(self, machines: Sequence[Commanded]) -> None:
        self._machines = machines

    def command(self, line: str) -> str:
        """Raises FaultError."""
        return "; ".join([machine.command(line) for machine in self._machines])


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    served: Agent

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is said of single requests."""

    def do_GET(self) -> None:
        agent = self.served
        while agent.mute and not agent.is_stopping:
            time.sleep(0.05)
        if agent.slow_s:
            time.sleep(agent.slow_s)
        url = urlsplit(self.path)
        asked = {key: values[0] for key, values in parse_qs(url.query).items()}
        page = url.path.rstrip("/").rpartition("/")[2]
        if page in ("probe", ""):
            self._say(agent.probe())
        elif page == "current":
            self._say(agent.current())
        elif page == "sample" and "interval" in asked and not agent.no_stream:
            self._stream(asked)
        elif page == "sample" and "interval" in asked:
            self._say(agent.error("INVALID_REQUEST", "interval is not supported"))
        elif page == "sample":
            begin = int(asked.get("from", "1"))
            self._say(agent.sample(begin, int(asked.get("count", "100")))[0])
        else:
            self._say(agent.error("UNSUPPORTED", "no such page"), 404)

    def _say(self, body: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, asked: dict[str, str]) -> None:
        agent, boundary = self.served, "a1b2"
        self.send_response(200)
        self.send_header("Content-Type", f"multipart/x-mixed-replace;boundary={boundary}")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        at, count = int(asked["from"]), int(asked.get("count", "100"))
        beat_s = float(asked.get("heartbeat", "10000")) / 1000
        instance = agent.instance
        while not agent.is_stopping and agent.instance == instance and not agent.mute:
            time.sleep(float(asked["interval"]) / 1000 + agent.slow_s)
            with agent.changed:
                if at == agent.next_sequence:
                    agent.changed.wait(beat_s)
            document, at = agent.sample(at, count)
            head = f"--{boundary}\r\nContent-type: text/xml\r\nContent-length: {len(document)}\r\n"
            part = head.encode() + b"\r\n" + document + b"\r\n"
            self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
            if at < 0:
                break
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)
