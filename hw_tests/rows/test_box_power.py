"""The power goes: what was flushed, or acknowledged, is there afterwards."""

from __future__ import annotations

import os
import random

import pytest

from hw_tests.box.emulated import Emulated
from hw_tests.rows.conftest import Row

CUTS = int(os.environ.get("CUTS", "20"))


def _cut_once(stage: Emulated, rng: random.Random, *, offline: bool) -> None:
    """`offline`: what was flushed is on the disk alone."""
    if offline:
        stage.relay.cut()
    stage.run_for(rng.uniform(2.0, 6.0))
    stage.power_cut()
    if offline:
        stage.relay.mend()
    stage.power_on()
    stage.wait_answer()


@pytest.mark.short
def test_power_when_cut_then_no_more_than_flush_every_is_missing(
    row: Row, switches: Emulated
) -> None:
    stage = switches
    stage.start()
    stage.wait_good()
    _cut_once(stage, random.Random(1), offline=True)
    stage.wait_good()
    stored = row.settle("power cut, the uplink down")
    row.say(f"took {stage.crashes.lost_s(stored):.2f} s")


@pytest.mark.timeout(CUTS * 240 + 600)
def test_power_when_cut_again_and_again_then_no_cut_takes_more_than_flush_every(
    row: Row, switches: Emulated
) -> None:
    """Half of them with the uplink down."""
    stage, rng = switches, random.Random(CUTS)
    stage.start()
    stage.wait_good()
    for number in range(CUTS):
        _cut_once(stage, rng, offline=bool(number % 2))
    stage.wait_good()
    stored = row.settle(f"{CUTS} power cuts, half of them with the uplink down")
    row.say(f"the worst took {stage.crashes.lost_s(stored):.2f} s")


def test_disk_when_the_power_is_cut_then_what_was_not_flushed_is_gone(
    row: Row, switches: Emulated
) -> None:
    """Of the emulation: else no row above would show anything. The file is of an earlier boot: what
    was flushed in this one is written in place.
    """
    stage, guest = switches, switches.guest
    guest.do("cd /var/tmp; for n in flushed unflushed; do head -c 4096 /dev/zero >$n; done; sync")
    stage.power_off()
    stage.power_on()
    guest = stage.guest
    stage.wait_answer()
    stage.wait_good()
    write = "head -c 4096 /dev/zero | tr '\\0' x | dd of=/var/tmp/{} bs=4096 status=none {}"
    guest.do(write.format("flushed", "conv=fsync,notrunc"))
    guest.do("systemctl stop jiahe && sync")
    guest.do(write.format("unflushed", "oflag=direct conv=notrunc"))
    assert guest.do("head -c 1 /var/tmp/unflushed") == "x"
    stage.power_cut()
    stage.power_on()
    kept = stage.guest.do("head -c 1 /var/tmp/flushed; head -c 1 /var/tmp/unflushed | tr '\\0' 0")
    assert kept == "x0"
    stage.wait_answer()
    stage.wait_good()
    row.settle("power cut, of the emulation: a write that was not flushed", "that write is gone")
