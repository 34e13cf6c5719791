"""A meter in virtual time: what else is on its line, what comes late, and frames that others wrote
down. The rig has no wire and no clock (native/engine/rig).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from drivers.api import DeviceSpec, LinkSpec, TagSpec
from drivers.dlt645.learn import AGAIN_S, Learner
from drivers.dlt645.planner import known, plan_device, row_type
from drivers.dlt645.simulator import build
from drivers.dlt645.simulator.frames import Frame
from drivers.dlt645.station import station_of
from native.engine.link import Link
from native.engine.rig import Rig
from tests.kit.scans import Box

SECOND, MS = 10**9, 1_000_000
METER = "000000000161"
#: Frames of a published log of a meter (its address 000000000161), none of which we made: what was
#: asked, what it answered, and what its reader took that for.
PUBLISHED = [
    ("00010000", "68610100000000681104333334331416",
     "686101000000006891083333343359333333" "8A16", "0.26"),
    ("00020000", "68610100000000681104333335331516",
     "686101000000006891083333353359343333" "8C16", "1.26"),
    ("00030000", "68610100000000681104333336331616",
     "686101000000006891083333363359333433" "8D16", "100.26"),
    ("00040000", "68610100000000681104333337331716",
     "686101000000006891083333373356333433" "8B16", "100.23"),
    ("02010100", "68610100000000681104333434351716",
     "68610100000000689106333434353443" "1016", "100.1"),
]  # fmt: skip
#: A Modbus request and answer, the CRC of both right.
MODBUS_ASK = bytes.fromhex("010300000002c40b")
MODBUS_ANSWER = bytes.fromhex("010304000100022a32")


class Talk:
    """One meter on a serial line, its tags asked each second; FE are left out."""

    def __init__(self, texts: Sequence[str], meter: str = METER, **own: Any) -> None:
        spec = LinkSpec("l", "serial", port="/dev/null", baud=9600, timeout_ns=500 * MS)
        tags = tuple(
            TagSpec(text, text, row_type(known(text)), SECOND, scale=known(text).scale)
            for text in texts
        )
        keys = tuple({"meter": meter, "preamble": 0, **own}.items())
        self.device = DeviceSpec("m", spec, "dlt645", tags, own=keys)
        self.box = Box(plan_device(self.device).groups)
        self.link = Link(spec, [(station_of(self.device), self.box.groups)])
        self.rig = Rig(self.link)
        self.begun = self.rig.now
        self.rig.open()

    def sent(self, until_ms: int) -> bytes:
        return self.rig.wait(self.begun + until_ms * MS)

    def rows(self) -> list[tuple[str | None, int]]:
        """Value and quality of each entry, in the order of tags and rows."""
        self.rig.finish()
        return [(each.value, each.quality) for each in self.box.seal()]


def ask(text: str, control: int = 0x11) -> bytes:
    return build(Frame(METER, control, bytes.fromhex(text)[::-1]), 0)


def answer(text: str, data: str, meter: str = METER) -> bytes:
    return build(Frame(meter, 0x91, bytes.fromhex(text)[::-1] + bytes.fromhex(data)), 0)


def refusal(code: int = 2) -> bytes:
    return build(Frame(METER, 0xD1, bytes([code])), 0)


@pytest.mark.parametrize(("text", "asked", "answered", "value"), PUBLISHED)
def test_meter_when_it_answers_as_in_a_published_log_then_that_value(
    text: str, asked: str, answered: str, value: str
) -> None:
    talk = Talk([text])
    assert talk.sent(10).hex().upper() == asked.upper()
    talk.rig.feed(bytes.fromhex(answered))
    assert talk.rows() == [(value, 1)]


@pytest.mark.parametrize(
    "front",
    [MODBUS_ANSWER, MODBUS_ASK + MODBUS_ANSWER, bytes.fromhex("6803020068689f"), b"\x68",
     b"\xfe\xfe\x68\x00", bytes(7) + b"\x68" + bytes(20)],
    ids=["answer", "both", "of unit 68", "a 68", "a cut head", "68 inside"],
)  # fmt: skip
def test_answer_when_another_protocol_s_bytes_are_in_front_then_taken(front: bytes) -> None:
    talk = Talk(["02010100"])
    assert talk.sent(10) == ask("02010100")
    talk.rig.feed(front + answer("02010100", "0123"))
    assert talk.rows() == [("230.1", 1)]


@pytest.mark.parametrize("data", ["6816", "1668", "9168"])
def test_bytes_of_another_protocol_when_nothing_is_awaited_then_no_tick_is_lost(data: str) -> None:
    talk = Talk(["02010100"])
    for second in range(3):
        assert talk.sent(1000 * second + 10) == ask("02010100")
        talk.rig.feed(answer("02010100", "0123"))
        assert talk.sent(1000 * second + 500) == b""
        talk.rig.feed(MODBUS_ASK + bytes.fromhex(data))
        talk.rig.feed(MODBUS_ANSWER)
    assert talk.rows() == [("230.1", 1)] * 3


def test_refusal_when_late_then_waited_for_and_never_taken_for_the_next_request_s() -> None:
    talk = Talk(["02010100", "00010000"])
    assert talk.sent(10) == ask("00010000")
    talk.rig.feed(answer("00010000", "78563412"))
    assert talk.sent(100) == ask("02010100")
    assert talk.sent(1000) == b"", "a second and more, for what it may still say"
    talk.rig.feed(refusal())
    assert talk.sent(3000) == ask("00010000"), "it has said it: nothing is owed"
    talk.rig.feed(answer("00010000", "79563412"))
    assert talk.sent(3500) == ask("02010100")
    talk.rig.feed(answer("02010100", "0123"))
    found = talk.rows()
    assert (None, 133) not in found
    assert {value for value, quality in found if quality == 1} == {
        "123456.78", "123456.79", "230.1",
    }  # fmt: skip


def test_answer_when_to_another_master_s_request_then_what_is_owed_stays_owed() -> None:
    talk = Talk(["02010100"])
    assert talk.sent(10) == ask("02010100")
    assert talk.sent(900) == b"", "no answer"
    talk.rig.feed(ask("00010000") + answer("00010000", "78563412"))
    assert talk.sent(1400) == b"", "that was another's: ours may still come"


def test_answer_when_its_connection_was_lost_then_waited_for_on_the_next_one() -> None:
    talk = Talk(["02010100"])
    assert talk.sent(10) == ask("02010100")
    talk.rig.hang_up(104)
    assert talk.sent(950) == b""
    sent = talk.sent(3000)
    assert sent == ask("02010100")
    assert talk.rig.now - talk.begun >= 1000 * MS


def test_meter_when_alone_on_its_line_then_found_and_called_by_its_address() -> None:
    talk = Talk(["02010100"], meter="")
    assert talk.sent(10).hex() == "68" + "aa" * 6 + "681300df16"
    talk.rig.feed(build(Frame(METER, 0x93, bytes.fromhex(METER)[::-1]), 0))
    assert talk.sent(500) == ask("02010100")
    talk.rig.feed(answer("02010100", "0123"))
    assert talk.rows() == [("230.1", 1)]


def test_frame_when_the_direction_switch_ate_its_head_then_the_first_68_counts() -> None:
    talk = Talk(["02010100"], preamble=4)
    assert talk.sent(10) == b"\xfe" * 4 + ask("02010100")
    talk.rig.feed(b"\xfe" + answer("02010100", "0123"))
    assert talk.rows() == [("230.1", 1)]


@pytest.mark.parametrize(("phases", "b"), [(1, (None, 139)), (3, ("0", 1))])
def test_phase_when_the_meter_says_zero_then_no_value_only_where_it_has_no_such_phase(
    phases: int, b: tuple[str | None, int]
) -> None:
    talk = Talk(["0201FF00.1", "0201FF00.2"], phases=phases)
    assert talk.sent(10) == ask("0201FF00")
    talk.rig.feed(answer("0201FF00", "142300000000"))
    assert talk.rows() == [("231.4", 1), b]


def test_phases_when_none_of_the_tags_is_there_then_the_meter_is_still_heard() -> None:
    talk = Talk(["02010200", "01290000.time"], phases=1)
    assert talk.sent(10) == ask("02010200")
    talk.rig.feed(answer("02010200", "0000"))
    assert talk.rows() == [(None, 139)] * 2


def test_block_when_refused_then_kept_over_a_restart_and_tried_again_after_a_day() -> None:
    talk = Talk(["02010100", "02010200", "02010300"])
    now = [0.0]
    first = Learner(talk.device, None, lambda: now[0])
    (plan,) = plan_device(talk.device).groups
    for _ in range(2):
        first.refused(plan.requests[0].spec, 2)
    assert first.revision and len(first.replan(plan).requests) == 3
    kept = first.kept()
    second = Learner(talk.device, kept, lambda: now[0])
    assert second.revision and len(second.replan(plan).requests) == 3
    now[0] = AGAIN_S
    before = second.revision
    assert not second.curious
    assert second.revision > before and len(second.replan(plan).requests) == 1
    assert second.said() == []


@pytest.mark.parametrize("kept", [{}, {"blocks": ["02010100"]}, {"blocks": [7]}, {"blocks": 3}, []])
def test_kept_when_it_does_not_fit_then_refused(kept: Any) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        Learner(Talk(["02010100"]).device, kept)
