"""The requests that read a set of values with the fewest bytes on the wire.

An item can be asked for by itself or come with a block of its kind. Blocks of tariffs and of phases
share no item, so each is decided alone: it is asked for where that takes fewer bytes than its items
one by one, and fits into an answer. An address that names a block (`0201FF00.2`) is read with it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from drivers.dlt645.identifiers import DATA_MAX, Address, Block, block_of, blocks_with

#: 68, address, 68, control, length, sum, 16.
FRAME_CHARS = 12
#: FE in front of a frame: ours, and those that an answer may have.
PREAMBLE = 4
#: Tariffs that a meter commonly has, with their total: what an open block is taken to bring.
_COMMON_ITEMS = 5


class Read(NamedTuple):
    """One request: an identifier, and the items that its answer must bring at the least."""

    identifier: str
    item_bytes: int
    items: int
    open: bool = False  # more items may come: the meter has as many as it has tariffs

    @property
    def id_bytes(self) -> int:
        return len(self.identifier) // 2

    @property
    def answer_data(self) -> int:
        """Bytes of data behind the identifier, as far as can be known."""
        items = max(self.items, _COMMON_ITEMS) if self.open else self.items
        return min(items * self.item_bytes, DATA_MAX - self.id_bytes)

    @property
    def chars(self) -> int:
        """Characters on the wire, of request and answer."""
        return ask_chars(self) + answer_chars(self)


def ask_chars(read: Read, preamble: int = PREAMBLE) -> int:
    """Characters of a request."""
    return preamble + FRAME_CHARS + read.id_bytes


def answer_chars(read: Read) -> int:
    """Characters of its answer."""
    return PREAMBLE + FRAME_CHARS + read.id_bytes + read.answer_data


def choose(
    wanted: Iterable[Address], item_bytes: Mapping[str, int], refused: Collection[str] = ()
) -> list[Read]:
    """The cheapest requests for `wanted`, in order of their identifiers. `item_bytes`: of each
    single identifier among them; `refused`: blocks that the meter does not give.
    """
    forced: dict[str, set[str]] = {}
    free: dict[str, None] = {}
    for address in wanted:
        if address.item and address.identifier not in refused:
            forced.setdefault(address.identifier, set()).add(address.item)
        else:
            free[address.single] = None
    for name, items in forced.items():
        made = _known(name)
        items.update(item for item in free if item in made.items)
        for item in items:
            free.pop(item, None)
    reads = [_block(_known(name), items, item_bytes) for name, items in forced.items()]
    grouped: dict[str, list[str]] = {}
    for item in free:
        for block in blocks_with(item):
            if block.identifier not in refused:
                grouped.setdefault(block.identifier, []).append(item)
    # An item may be in a block of tariffs and in one of settlement days: the best block first.
    offers = sorted(
        ((_saved(name, items, item_bytes), name) for name, items in grouped.items()),
        key=lambda offer: (-offer[0], offer[1]),
    )
    for saved, name in offers:
        left = [item for item in grouped[name] if item in free]
        if saved > 0 and _saved(name, left, item_bytes) > 0:
            reads.append(_block(_known(name), left, item_bytes))
            for item in left:
                del free[item]
    reads += (Read(item, item_bytes[item], 1) for item in free)
    return sorted(reads)


def locate(address: Address, reads: Sequence[Read]) -> tuple[int, int]:
    """Which of `reads` brings it, and the number of its item in the answer."""
    for number, read in enumerate(reads):
        if read.identifier == address.single:
            return number, 0
        made = block_of(read.identifier)
        if made is not None and address.single in made.items[: read.items]:
            return number, made.items.index(address.single)
    raise LookupError(address)


def fits(block: str, item: str, item_bytes: int) -> bool:
    """Whether an answer can hold the items of `block` up to `item`."""
    items = _known(block).items.index(item) + 1
    return len(block) // 2 + items * item_bytes <= DATA_MAX


def _known(identifier: str) -> Block:
    made = block_of(identifier)
    if made is None:
        raise LookupError(identifier)
    return made


def _block(made: Block, items: Collection[str], item_bytes: Mapping[str, int]) -> Read:
    last = max(made.items.index(item) for item in items)
    count = last + 1 if made.open else len(made.items)
    return Read(made.identifier, item_bytes[next(iter(items))], count, made.open)


def _saved(name: str, items: Sequence[str], item_bytes: Mapping[str, int]) -> int:
    """Characters that the block saves over its items one by one; below zero: it costs them."""
    if not items or not all(fits(name, item, item_bytes[item]) for item in items):
        return -1
    alone = sum(Read(item, item_bytes[item], 1).chars for item in items)
    return alone - _block(_known(name), items, item_bytes).chars
