"""What a CPU sends, damaged: nothing is written outside the row, every byte is done with or waited
for, and a new connection is well again.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from drivers.s7.request import STATE, Part, request_of
from drivers.s7.simulator import Plc
from drivers.s7.station import station_of
from drivers.s7.stretch import Stretch
from native.s7.client import Client

_ITEMS = (Stretch("DB", 1, 0, 5), Stretch("DB", 1, 9, 39))
_REQUESTS = (
    request_of(_ITEMS, [Part(0, 0, "", 2), Part(0, 2, "", 3), Part(1, 0, "string", 20)]),
    request_of([Stretch("DB", 1, 20, 24)], [Part(0, 0, "", 4)]),
    STATE,
    request_of([Stretch("DB", 1, 0, 96)], [Part(0, 8 * n, "", 8) for n in range(12)]),
)
_CONFIRM = bytes([3, 0, 0, 11, 6, 0xD0, 0, 1, 0, 1, 0])
_VERDICTS = {
    "answer",
    "broken",
    "busy",
    "damaged",
    "foreign answer",
    "more",
    "partial",
    "refused",
    "noise",
}
_STATION = station_of(0, 1)._replace(state_s=0).encode()


@contextmanager
def cases(folder: Path) -> Iterator[Callable[[random.Random], None]]:
    plc = Plc()
    plc.grow("DB", 1, 100)[:] = bytes(range(100))
    plc.memory["DB", 1][9:11] = b"\x14\x14"

    def case(rng: random.Random) -> None:
        client = Client(_STATION, _REQUESTS)
        plc.faults.clear()
        plc.faults.grant, plc.faults.items = rng.choice([64, 240, 960]), rng.choice([0, 0, 1])
        plc.faults.end = rng.choice([0, 0, 30])
        _connect(client, plc)
        data = bytearray().join(_answer(plc, client.ask(n)) for n in range(4))
        for _ in range(rng.randint(1, 4)):
            _damage(data, rng)
        cut = rng.randrange(len(data) + 1)
        for piece in (bytes(data[:cut]), bytes(data[cut:])):
            verdict, about, _ = client.take(piece)
            for _ in range(len(data) + 1):
                assert verdict in _VERDICTS, verdict
                if verdict in ("more", "broken"):
                    break
                more = b""
                if verdict == "partial":
                    more = _answer(plc, client.go_on(about))
                    if rng.random() < 0.5:
                        _damage(spoilt := bytearray(more), rng)
                        more = bytes(spoilt)
                verdict, about, _ = client.take(more)
            else:
                raise AssertionError("it goes on for ever")
            if verdict == "broken":
                break
        assert [len(part) for _, part in client.parts()] == [2, 3, 20, 4, 1, *[8] * 12]
        plc.faults.clear()
        _connect(client, plc)
        assert client.take(_answer(plc, client.ask(0))) == ("answer", 0, 0)
        assert client.parts()[:3] == [
            (1, b"\0\1"), (1, b"\2\3\4"), (1, bytes(range(11, 31))),
        ]  # fmt: skip

    yield case


def _connect(client: Client, plc: Plc) -> None:
    client.begin()
    _, setup = client.shake(_CONFIRM)
    assert client.shake(_answer(plc, setup)) == ("ready", b"")


def _answer(plc: Plc, asked: bytes | tuple[int, int]) -> bytes:
    assert isinstance(asked, bytes), asked
    pdu = plc.answer(asked[7:])
    return b"\x03\0" + (7 + len(pdu)).to_bytes(2, "big") + b"\x02\xf0\x80" + pdu


def _damage(data: bytearray, rng: random.Random) -> None:
    where = rng.randrange(len(data) + 1)
    match rng.randrange(4):
        case 0:
            data[where : where + 1] = rng.randbytes(1)
        case 1:
            data[where:where] = rng.randbytes(rng.randint(1, 9))
        case 2:
            del data[where : where + rng.randint(1, 9)]
        case 3:
            data[where:where] = data[: rng.randint(0, len(data))]
    if not data:
        data.append(3)
