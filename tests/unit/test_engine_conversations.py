"""The engine on conversations in virtual time: tests/engine/*.dat, byte by byte and to the tenth of
a millisecond. The rig has no wire and no clock, so nothing here waits.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.conversation import Conversation, hold

FOLDER = Path(__file__).resolve().parent.parent / "engine"


@pytest.mark.parametrize("awaits", [False, True], ids=["in epoll", "in the read"])
@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.dat")), ids=lambda path: path.stem)
def test_conversation_when_held_in_virtual_time_then_goes_as_written(
    path: Path, awaits: bool
) -> None:
    """The same, whether the shell waits for bytes in epoll or in the read."""
    hold(path, awaits)


def test_ticks_when_nobody_listens_then_are_all_accounted_and_good_again_when_somebody_does() -> (
    None
):
    talk = Conversation()
    talk.link_is("tcp", {"timeout": "300"})
    talk.reads(["3:0:2"])
    talk.begin()
    talk.rig.refuse(111)
    talk.rig.hang_up(104)
    assert talk.rig.wait(talk.ns("30000")) == b""
    talk.rig.refuse(0)
    asked = talk.rig.wait(talk.ns("35000"))  # it is tried again each three seconds
    assert 30_000 < talk.at() <= 34_000 and asked[7] == 3
    talk.rig.feed(asked[:4] + bytes.fromhex("0007 01 03 04 00 01 00 02"))
    rows = talk.rows(1)
    assert rows[max(rows)] == ["65538"]
    due, accounted = talk.box.groups[0].scanned()
    assert due == accounted >= 31
