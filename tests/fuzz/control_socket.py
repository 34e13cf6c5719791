"""Requests of a local user gone mad: each is answered or hung up on, and others are served."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gateway.control import REQUEST_MAX
from gateway.control.client import ControlClient
from gateway.control.server import ControlServer, Peer
from gateway.messages import about, remedy
from gateway.plain import plain_json
from tests.fuzz.damage import damage

_TEXTS = ["", "status", "watch", "x" * 100, "\ud800", "\x1b[2J", "嘉禾", "\u2028", "a.b", "\x00"]
_NUMBERS = [0, 1, -1, 1 << 53, (1 << 53) - 1, 1 << 64, 10**400, 1e308, 0.5, True, None]
_RAW = [b"1e400", b"NaN", b"-Infinity", b"[" * 990, b"{", b'"\\ud800"', b"\xff\xfe", b"1" * 5000]


@contextmanager
def cases(folder: Path) -> Iterator[Callable[[random.Random], None]]:
    failures: list[dict[str, Any]] = []
    log = logging.getLogger("gateway.control")
    level = log.level
    log.setLevel(logging.CRITICAL)  # what it provokes is said
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda _, told: failures.append(told))
    server = ControlServer(folder / "s", {"status": _status, "watch": _watch})
    loop.run_until_complete(server.start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def case(rng: random.Random) -> None:
        sent = _conversation(rng)
        for line in _told(folder / "s", sent, rng):
            _judge(json.loads(line), sent)
        with ControlClient(folder / "s") as client:
            assert client.call("status")["good"] is True, sent
        assert not failures, (failures, sent)

    try:
        yield case
    finally:
        log.setLevel(level)
        asyncio.run_coroutine_threadsafe(server.close(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


async def _status(params: Mapping[str, Any], peer: Peer) -> Any:
    return {"good": True, "params": params, "every": int(params.get("every_ms", 1000))}


async def _watch(params: Mapping[str, Any], peer: Peer) -> AsyncIterator[Any]:
    for number in range(min(5, int(params.get("every_ms", 2)))):
        yield {"row": number, "target": str(params.get("target"))}


def _value(rng: random.Random, depth: int = 0) -> Any:
    kind = rng.randrange(6)
    if kind == 0 and depth < 3:
        return [_value(rng, depth + 1) for _ in range(rng.randrange(4))]
    if kind == 1 and depth < 3:
        return {rng.choice(_TEXTS): _value(rng, depth + 1) for _ in range(rng.randrange(4))}
    return rng.choice([*_TEXTS, *_NUMBERS])


def _request(rng: random.Random) -> bytes:
    asked: dict[str, Any] = {"id": rng.randrange(9), "method": rng.choice(["status", "watch"])}
    asked["params"] = {"every_ms": 2, "target": None}
    for _ in range(rng.choice([0, 1, 1, 2])):
        key = rng.choice(["id", "method", "params", "every_ms", "target"])
        where = asked["params"] if key in ("every_ms", "target") else asked
        if isinstance(where, dict):
            where[key] = _value(rng)
    line = json.dumps(asked).encode()
    if rng.random() < 0.3:
        line = damage(line, rng)
    if rng.random() < 0.2:
        at = rng.randrange(len(line) + 1)
        line = line[:at] + rng.choice(_RAW) + line[at:]
    return line


def _conversation(rng: random.Random) -> bytes:
    ends = [b"\n", b"\n", b"\n", b"", b"\r\n", b"\n\n"]
    sent = b"".join(_request(rng) + rng.choice(ends) for _ in range(rng.randint(1, 4)))
    return sent if rng.random() < 0.98 else sent + b"x" * (2 * REQUEST_MAX)


def _told(path: Path, sent: bytes, rng: random.Random) -> list[bytes]:
    """What is answered until the server hangs up."""
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(30)
        raw.connect(str(path))
        try:
            for at in range(0, len(sent), step := rng.choice([1 << 20, 1 << 20, 97])):
                raw.sendall(sent[at : at + step])
            raw.shutdown(socket.SHUT_WR)
            return raw.makefile("rb").read().splitlines()
        except (BrokenPipeError, ConnectionResetError):
            return []  # hung up on while it still spoke


def _judge(answer: Any, sent: bytes) -> None:
    assert isinstance(answer, dict) and "id" in answer, (answer, sent)
    if "error" in answer:
        said = answer["error"]
        for lang in ("zh", "en"):
            words = about(said, lang) + remedy(said["id"], lang, **said.get("args", {}))
            assert words.replace("\n", "").isprintable(), (answer, sent)
    else:
        assert answer.keys() & {"result", "item", "end"}, (answer, sent)
    assert json.loads(plain_json(answer)) == answer or "nan" in str(answer).lower(), sent
