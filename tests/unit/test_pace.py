"""How large a piece may be: by what the link carries, and what streams that were cut carried."""

from __future__ import annotations

from gateway.uplink.pace import CUT_ROOM_PART, PIECE_BYTES, Cuts, Pace

MIB = 1 << 20


def test_piece_when_the_link_is_fast_is_a_part_of_what_it_carries() -> None:
    assert Pace(Cuts(), room=MIB).piece_bytes == MIB // 4


def test_piece_when_a_stream_was_cut_early_is_the_least_however_fast_the_link_is() -> None:
    """Else a piece that no stream can carry is sent over and over."""
    cuts = Cuts()
    cuts.was_cut(confirmed=111, sent=98_633)
    assert Pace(cuts, room=MIB).piece_bytes == PIECE_BYTES


def test_piece_when_streams_are_cut_late_is_a_part_of_what_they_carry() -> None:
    cuts = Cuts()
    cuts.was_cut(confirmed=MIB, sent=MIB + PIECE_BYTES)
    assert Pace(cuts, room=16 * MIB).piece_bytes == MIB // CUT_ROOM_PART
