"""The uplink: cut, unplugged, half-open, in bad weather; and a start with nothing there."""

from __future__ import annotations

import re
from itertools import product

import pytest

from hw_tests.box.emulated import Emulated
from hw_tests.box.stage import Stage
from hw_tests.rows.conftest import Row

_CARD = "enp0s3"
#: 5G in bad weather, in both directions: a round trip of 300 ± 100 ms, 3 % lost, 64 kbit/s.
_WEATHER = "netem delay 150ms 50ms loss 3% rate 64kbit limit 200"


@pytest.mark.parametrize("how", ["cut", "cable", "half-open"])
def test_uplink_when_gone_for_30_s_then_all_arrives_afterwards(
    row: Row, switches: Emulated, how: str
) -> None:
    stage = switches
    stage.start()
    stage.wait_good()
    if how == "cut":
        stage.relay.cut()
    elif how == "cable":
        stage.box.cable("uplink", plugged=False)
    else:
        stage.relay.half_open(up=True, down=True)
    stage.run_for(30)
    mended_ns = stage.now_ns()
    if how == "cut":
        stage.relay.mend()
    elif how == "cable":
        stage.box.cable("uplink", plugged=True)
    stage.wait_good()
    stage.wait_drained()
    took_s = (stage.now_ns() - mended_ns) / 1e9
    row.settle(f"uplink gone for 30 s: {how}", f"all delivered {took_s:.0f} s after")


def _weather(stage: Stage, verb: str) -> None:
    """What comes in goes through the interface ifb0, so that it can be delayed, too."""
    guest = stage.guest
    if verb == "add":
        guest.do("modprobe ifb numifbs=1 && ip link set ifb0 up")
        guest.do(f"tc qdisc add dev {_CARD} handle ffff: ingress")
        redirect = "matchall action mirred egress redirect dev ifb0"
        guest.do(f"tc filter add dev {_CARD} parent ffff: {redirect}")
        for card in (_CARD, "ifb0"):
            guest.do(f"tc qdisc add dev {card} root {_WEATHER}")
    else:
        for where in (f"{_CARD} root", f"{_CARD} ingress", "ifb0 root"):
            guest.do(f"tc qdisc del dev {where}")


def test_uplink_when_in_bad_weather_with_cuts_then_all_arrives(
    row: Row, switches: Emulated
) -> None:
    stage = switches
    stage.start()
    stage.wait_good()
    _weather(stage, "add")
    for _ in range(2):
        stage.run_for(30)
        stage.relay.cut()
        stage.run_for(10)
        stage.relay.mend()
    stage.run_for(30)
    _weather(stage, "del")
    stage.wait_good()
    row.settle("RTT 300 ± 100 ms, 3 % loss, 64 kbit/s for two minutes, two cuts of 10 s")


def test_uplink_when_large_packets_vanish_without_a_word_then_all_arrives(
    row: Row, switches: Emulated
) -> None:
    """Packets above 1,280 bytes are dropped on their way out, and no ICMP says so: a token bucket
    drops what is larger than itself.
    """
    stage, guest = switches, switches.guest
    stage.start()
    stage.wait_good()
    bucket = "tbf rate 20mbit burst 1294 latency 200ms"  # with the head of Ethernet
    guest.do(f"tc qdisc add dev {_CARD} root {bucket}")
    stage.relay.cut()
    stage.run_for(20)
    began_ns = stage.now_ns()
    stage.relay.mend()
    stage.wait_drained()
    took_s = (stage.now_ns() - began_ns) / 1e9
    dropped = guest.do(f"tc -s qdisc show dev {_CARD}")
    guest.do(f"tc qdisc del dev {_CARD} root")
    row.settle(
        "packets above 1,280 bytes vanish without a word, a backlog of 20 s",
        f"all delivered {took_s:.0f} s after the connection could be made",
    )
    assert re.search(r"dropped [1-9]", dropped), dropped


@pytest.mark.timeout(2400)
def test_box_when_started_with_things_absent_then_it_delivers_when_they_are_there(
    row: Row, switches: Emulated
) -> None:
    """Router, clock and device, in all combinations."""
    stage = switches
    stage.start()
    stage.wait_good()
    worst_s, away_ns = 0.0, 0.0
    for router, clock, device in product((True, False), repeat=3):
        stage.power_off()
        stage.power_on(
            clock="utc" if clock else "1970-01-01T00:00:00",
            absent=[each for each, there in (("uplink", router), ("a", device)) if not there],
        )
        stage.wait_answer()
        began_ns = stage.now_ns()
        if not router:
            stage.box.cable("uplink", plugged=True)
        if not device:
            stage.box.plug("a")
            away_ns += began_ns % 10**15
        worst_s = max(worst_s, stage.wait_good())
    row.settle(
        "started with router, clock and device absent, in all 8 combinations",
        f"good values {worst_s:.0f} s after all was there, at worst",
        link_down=stage.ticks(away_ns), device_silent=100,
    )  # fmt: skip
