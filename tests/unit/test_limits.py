"""The table of sizes that box and receiver share."""

from __future__ import annotations

from jiahe.ingest import limits as shared

from ingest import limits as receiver


def test_receiver_when_it_has_a_limit_of_the_table_then_it_is_the_tables() -> None:
    own = {name for name in vars(receiver) if name.isupper()}
    common = own & {name for name in vars(shared) if name.isupper()}
    assert common
    for name in common:
        assert getattr(receiver, name) == getattr(shared, name), name


def test_table_when_a_catalog_is_at_its_most_then_the_other_limits_let_it_through() -> None:
    """A limit that another one makes unreachable is no promise."""
    assert shared.COLUMNS_MAX >= shared.TAGS_MAX
    assert shared.RUNS_MAX >= shared.GROUPS_MAX >= shared.LINKS_MAX
    assert shared.LABELS_MAX * (shared.LABEL_BYTES_MAX + 16) <= shared.TAG_SET_BYTES_MAX
    assert shared.TAG_SET_BYTES_MAX <= shared.CATALOG_BYTES_MAX
