"""Requests, parts and fields of a plan, and other plans for the same tags: nothing that a driver
passes reads or writes elsewhere, and what is not followed any more has no memory.
"""

from __future__ import annotations

import pytest

from drivers.api import Field, GroupPlan, Request
from drivers.modbus.request import Read, request_of
from native.rows.group import Group
from tests.kit.scans import GOOD, PERIOD_NS, Box, plan, registers, tag


def word(number: int) -> bytes:
    return registers("uint16", "ABCD", number)


def test_replan_when_the_requests_ask_too_much_is_refused_and_the_old_ones_stay() -> None:
    box = Box([plan([tag("a"), tag("b")])])
    group = box.groups[0]
    field = Field(0, 0, "int16", "ABCD", 2, -1)
    for requests in (
        [], [Request(b"x", (), 1, 1)], [Request(b"x", (2, 0), 1, 1)], [Request(b"x", (-1,), 1, 1)],
        [Request(b"x" * 8193, (2,), 1, 1)], [Request("x", (2,), 1, 1)],  # type: ignore[arg-type]
        [Request(b"x", (2,), -2, 1)], [Request(b"x", (1 << 20, 1), 1, 1)],
        [Request(b"x", (1,) * 65536, 1, 1)], [Request(b"x", (2,), 1, 1 << 31)],
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"request|characters"):
            group.replan(requests, [field, field])
    with pytest.raises(ValueError, match="outside"):
        group.replan([request_of(Read(3, 0, 1))], [field, Field(0, 1, "int16", "ABCD", 2, -1)])
    with pytest.raises(ValueError, match="names no part"):
        group.replan([request_of(Read(3, 0, 1))], [field, Field(1, 0, "int16", "ABCD", 2, -1)])
    box.push(0, 0, word(1) + word(2))
    assert [entry.value for entry in box.seal()] == ["1", "2"]


@pytest.mark.parametrize(
    ("field", "words"),
    [
        (Field(0, 0, "int16", "ABCD", 3, -1), "length or bit"),
        (Field(0, 0, "string", "ABCD", 0, -1), "length or bit"),
        (Field(0, 0, "string", "ABCD", 257, -1), "length or bit"),
        (Field(0, 0, "int16", "ABCD", 2, 3), "no bit"),
        (Field(0, 0, "bool", "ABCD", 1, 8), "length or bit"),
        (Field(0, 0, "float16", "ABCD", 2, -1), "type or order"),  # type: ignore[arg-type]
        (Field(0, 0, "int16", "AB", 2, -1), "type or order"),  # type: ignore[arg-type]
        (Field(0, 1, "int16", "ABCD", 2, -1), "outside"),
        (Field(0, -2, "int16", "ABCD", 2, -1), "outside"),
        (Field(0, 0, "string", "BADC", 3, -1), "outside"),
    ],
)
def test_group_when_a_field_would_read_elsewhere_then_is_refused(field: Field, words: str) -> None:
    requests = (Request(b"x", (2 if field.length < 3 else 3,), 1, 1),)
    with pytest.raises(ValueError, match=words):
        Group(1, GroupPlan("d", PERIOD_NS, (tag("t"),), requests, (field,), 0))


def test_replan_when_its_fields_are_not_the_tags_then_is_refused() -> None:
    made = plan([tag("a", "string", length=4), tag("b")])
    box = Box([made])
    requests = (Request(b"x", (20,), 1, 1),)
    text, number = Field(0, 0, "string", "ABCD", 4, -1), Field(0, 4, "int16", "ABCD", 2, -1)
    for fields, words in (
        ((text,), "1 fields for the 2 tags"),
        ((text, number, number), "3 fields for the 2 tags"),
        ((number, number), "type and length"),
        ((text._replace(length=5), number), "type and length"),
    ):
        with pytest.raises(ValueError, match=words):
            box.groups[0].replan(requests, fields)


def test_texts_when_their_tags_tell_no_length_then_fill_blocks_that_hold_them() -> None:
    """What a text may take is its field's length, whatever its tag says."""
    tags = tuple(tag(f"t{i}", "string") for i in range(65))
    fields = tuple(Field(i, 0, "string", "ABCD", 250, -1) for i in range(65))
    requests = tuple(Request(b"x", (250,), 1, 1) for _ in range(65))
    box = Box([GroupPlan("d", PERIOD_NS, tags, requests, fields, 0)])
    rows = 400
    for tick in range(rows):
        text = bytes(33 + (tick + i) % 90 for i in range(250))
        box.push(0, tick, text * 65, status=[GOOD] * 65)
    assert len(box.seal()) == 65 * rows


def test_plans_when_changed_again_and_again_then_leave_no_memory_behind() -> None:
    tags = [tag("a", "uint16"), tag("b", "uint16")]
    ways = plan(tags), plan(tags, apart=True)
    box = Box([plan(tags)])
    group = box.groups[0]
    for tick in range(200):
        made = ways[tick % 2]
        group.replan(made.requests, made.fields)
        if tick % 3 == 0:
            box.seal()
        box.push(0, tick, word(tick) + word(1))
        assert group.layouts_kept <= 4
    box.seal()
    assert box.accounted(1) == [(tick, 0) for tick in range(200)]
