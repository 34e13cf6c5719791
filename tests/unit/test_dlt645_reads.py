"""The fewest bytes on the wire, against every way there is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.dlt645.identifiers import (
    DATA_MAX,
    Address,
    Block,
    block_of,
    blocks_with,
    item_bytes,
    parse,
    value_of,
)
from drivers.dlt645.reads import Read, choose, locate

SINGLES = [
    "00010000", "00010100", "00010200", "00010400", "00010001", "00010002", "00020000", "01010000",
    "01010100", "02010100", "02010200", "02010300", "02020100", "02020200", "02030000", "02030300",
    "020A0101", "020A0115", "02800002", "04000501", "04000507", "04000102", "9010", "9011", "B611",
    "B613",
]  # fmt: skip


def size_of(identifier: str) -> int:
    value = value_of(identifier)
    assert value is not None
    return item_bytes(identifier, value)


SIZES = {identifier: size_of(identifier) for identifier in SINGLES}


def ways(items: Sequence[str]) -> Iterator[list[Read]]:
    """Every set of requests that brings each item once: by itself, or with any block of it."""
    if not items:
        yield []
        return
    first, rest = items[0], items[1:]
    for way in ways(rest):
        yield [Read(first, SIZES[first], 1), *way]
    for block in blocks_with(first):
        others = [item for item in rest if item in block.items]
        for chosen in range(1 << len(others)):
            with_it = [item for bit, item in enumerate(others) if chosen >> bit & 1]
            read = brings(block, [first, *with_it])
            if read.id_bytes + read.items * read.item_bytes <= DATA_MAX:
                for way in ways([item for item in rest if item not in with_it]):
                    yield [read, *way]


def brings(block: Block, items: Sequence[str]) -> Read:
    last = max(block.items.index(item) for item in items)
    return Read(
        block.identifier, SIZES[items[0]], last + 1 if block.open else len(block.items), block.open
    )


@given(st.lists(st.sampled_from(SINGLES), min_size=1, max_size=5, unique=True))
def test_requests_when_chosen_then_no_other_way_takes_fewer_bytes(items: list[str]) -> None:
    reads = choose([Address(item) for item in items], SIZES)
    assert sum(read.chars for read in reads) == min(
        sum(read.chars for read in way) for way in ways(items)
    )
    for item in items:
        number, at = locate(Address(item), reads)
        made = block_of(reads[number].identifier)
        assert (made.items[at] if made else reads[number].identifier) == item


def test_phases_when_all_are_wanted_then_one_block_brings_them() -> None:
    wanted = [parse(text) for text in ("02010100", "02010200", "02010300", "02800002")]
    assert choose(wanted, SIZES) == [Read("0201FF00", 2, 3), Read("02800002", 2, 1)]


def test_block_when_the_meter_refused_it_then_each_by_itself() -> None:
    wanted = [parse(text) for text in ("02010100", "0201FF00.2")]
    assert choose(wanted, SIZES, {"0201FF00"}) == [Read("02010100", 2, 1), Read("02010200", 2, 1)]


def test_block_when_an_address_names_it_then_it_is_asked_and_brings_the_rest() -> None:
    wanted = [parse(text) for text in ("0201FF00.2", "02010100")]
    assert choose(wanted, SIZES) == [Read("0201FF00", 2, 3)]


def test_single_when_wanted_alone_then_no_block() -> None:
    assert choose([parse("02010300")], SIZES) == [Read("02010300", 2, 1)]


@pytest.mark.parametrize("last", [1, 23, 24, 63])
def test_block_of_demands_when_over_200_bytes_then_not_asked(last: int) -> None:
    names = [f"0101{number:02X}00" for number in range(last + 1)]
    reads = choose([Address(name) for name in names], dict.fromkeys(names, 8))
    if last < 24:
        assert reads == [Read("0101FF00", 8, last + 1, open=True)]
    else:
        assert all(read.id_bytes + read.items * read.item_bytes <= DATA_MAX for read in reads)
