"""The table of sizes that box and receiver share."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jiahe.ingest import limits as shared

from ingest import limits as receiver


def test_receiver_when_it_has_a_limit_of_the_table_then_it_is_the_tables() -> None:
    own = {name for name in vars(receiver) if name.isupper()}
    common = own & {name for name in vars(shared) if name.isupper()}
    assert common
    for name in common:
        assert getattr(receiver, name) == getattr(shared, name), name


@pytest.mark.parametrize(("name", "count"), [("block/bundle.pyx", 9), ("block/joiner.pxd", 1)])
def test_native_code_when_it_names_limits_of_the_table_then_they_are_the_tables(
    name: str, count: int
) -> None:
    text = (Path(__file__).parents[2] / "native" / name).read_text()
    found = re.findall(
        r"^    ([A-Z_]+_MAX) = ([\d_]+)(?: (<<|\*) (\d+))?(?: \* (\d+))?$", text, re.M
    )
    for limit, first, sign, second, third in found:
        number = int(first) << int(second) if sign == "<<" else int(first) * int(second or 1)
        assert number * int(third or 1) == getattr(shared, limit), limit
    assert len(found) == count


def test_table_when_a_catalog_is_at_its_most_then_the_other_limits_let_it_through() -> None:
    """A limit that another one makes unreachable is no promise."""
    assert shared.COLUMNS_MAX >= shared.TAGS_MAX
    assert shared.RUNS_MAX >= shared.GROUPS_MAX >= shared.LINKS_MAX
    assert shared.LABELS_MAX * (shared.LABEL_BYTES_MAX + 16) <= shared.TAG_SET_BYTES_MAX
    assert shared.TAG_SET_BYTES_MAX <= shared.CATALOG_BYTES_MAX
