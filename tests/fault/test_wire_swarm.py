"""All wire faults at once, drawn at random: whatever comes together, no value is wrong.

`--seed N` repeats a run. Half of the faults are left out of each run, so that rare company meets.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

import pytest

from drivers.modbus.simulator import now_ns
from tests.kit.dtu import Dtu, free_port, listening
from tests.kit.scanner import TIMEOUT_NS, Scanner, pairs
from tests.kit.slave import (
    HANG_UP,
    RESET,
    Asked,
    SerialSlave,
    Step,
    TcpSlave,
    answer,
    honest,
    refusal,
)

TIMEOUT_S = TIMEOUT_NS / 1e9
REQUESTS = 60
Fault = Callable[[Asked, random.Random], Iterable[Step]]


def flip(asked: Asked, rng: random.Random) -> Iterable[Step]:
    spoilt = bytearray(answer(asked))
    spoilt[rng.randrange(len(spoilt))] ^= 1 << rng.randrange(8)
    return [bytes(spoilt)]


def cut(asked: Asked, rng: random.Random) -> Iterable[Step]:
    frame = answer(asked)
    return [frame[: rng.randrange(len(frame))]]


def pause(asked: Asked, rng: random.Random) -> Iterable[Step]:
    frame = answer(asked)
    at = rng.randrange(len(frame))
    return [frame[:at], rng.uniform(0.001, 0.05), frame[at:]]


#: On any wire.
FAULTS: dict[str, Fault] = {
    "cut": cut,
    "pause": pause,
    "late": lambda a, r: [TIMEOUT_S * r.uniform(0.9, 1.9), answer(a)],
    "mute": lambda a, r: [],
    # In one piece: a second answer that comes alone is, without ids, the next request's answer.
    "twice": lambda a, r: [answer(a) * 2],
    "other unit": lambda a, r: [answer(a, unit=a.unit % 100 + 100)],
    "refused": lambda a, r: [refusal(a, r.choice([1, 2, 3, 4, 6, 11]))],
}
#: Where a checksum guards the frame, and nothing else does.
SERIAL: dict[str, Fault] = {
    "flip": flip,
    "noise before": lambda a, r: [r.randbytes(r.randrange(1, 300)), answer(a)],
    "noise behind": lambda a, r: [answer(a), r.randbytes(r.randrange(1, 300))],
    "noise and late": lambda a, r: [r.randbytes(20) + b"\n", r.uniform(0.01, 0.05), answer(a)],
    "echo": lambda a, r: [a.frame, answer(a)],
}
TCP: dict[str, Fault] = {
    "other id": lambda a, r: [answer(a, transaction=(a.transaction + r.randrange(65536)) % 65536)],
    "hang up": lambda a, r: [answer(a)[: r.randrange(13)], HANG_UP],
    "reset": lambda a, r: [RESET],
    "garbage": lambda a, r: [r.randbytes(9)],
    "segments": lambda a, r: [answer(a)[i : i + 1] for i in range(13)],
}


#: Of a DTU: its heartbeat anywhere, and a drop of its 4G that the gateway hears nothing of.
BEAT = b"\xfe"


def beat_inside(asked: Asked, rng: random.Random) -> Iterable[Step]:
    frame = answer(asked)
    at = rng.randrange(len(frame))
    return [frame[:at] + BEAT + frame[at:]]


@pytest.mark.slow
def test_faults_when_many_come_together_behind_a_dtu_leave_no_wrong_value(
    rng: random.Random,
) -> None:
    plans = {u: [pairs((0, 100, 200), device=f"d{u}")] for u in (1, 254)}
    known = FAULTS | SERIAL | {"hang up": TCP["hang up"], "reset": TCP["reset"]}
    chosen = rng.sample(sorted(known), len(known) // 3)

    def swarm(asked: Asked) -> Iterable[Step]:
        fate = rng.random()
        if fate < 0.5:
            return [BEAT, answer(asked)] if fate < 0.2 else [answer(asked), BEAT]
        if fate < 0.6:
            return beat_inside(asked, rng)
        if fate < 0.7:
            # Once: a second answer to one request is, without ids, the next request's answer.
            dtu.behind_hello = [rng.choice([0.0, 0.03]), answer(asked)]
            dtu.dial_anew()
            return []
        return known[rng.choice(chosen)](asked, rng)

    with Dtu(free_port(), swarm, heartbeat=BEAT) as dtu:
        scanner = Scanner(dtu, devices=plans)
        with listening(scanner):
            scanner.until(lambda: len(dtu.asked) >= REQUESTS)
            dtu.script = honest
            since_ns = now_ns()
            scanner.until(
                lambda: min(scanner.good(device=d, after_ns=since_ns) for d in ("d1", "d254")) >= 30
            )
    scanner.check()


@pytest.mark.slow
@pytest.mark.parametrize("wire", ["rtu", "tcp in flight"])
def test_faults_when_many_come_together_leave_no_wrong_value(wire: str, rng: random.Random) -> None:
    """Over a real wire; the stories have all kinds of links."""
    serial = wire == "rtu"
    known = FAULTS | (SERIAL if serial else TCP)
    if not serial:
        # A server that leaves bytes of an answer out and goes on with the next one: on TCP nothing
        # tells, where both were awaited. With one in flight the first has timed out by then.
        known = {name: fault for name, fault in known.items() if fault is not cut}
    chosen = rng.sample(sorted(known), (len(known) + 1) // 2)
    plans = {u: [pairs((0, 100, 200), device=f"d{u}")] for u in (1, 2)}

    def swarm(asked: Asked) -> Iterable[Step]:
        if rng.random() < 0.6:
            return honest(asked)
        return known[rng.choice(chosen)](asked, rng)

    framing, names = wire.split()[0], [f"d{unit}" for unit in plans]
    with SerialSlave(swarm, framing) if serial else TcpSlave(swarm, framing) as slave:
        scanner = Scanner(slave, devices=plans, in_flight=1 if serial else 4)
        with scanner.running():
            scanner.until(lambda: len(slave.asked) >= REQUESTS)
            slave.script = honest
            since_ns = now_ns()
            scanner.until(
                lambda: min(scanner.good(device=d, after_ns=since_ns) for d in names) >= 30
            )
    scanner.check()
