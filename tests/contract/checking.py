"""The receiver's checks and its decoding of one block, without session and store."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest.catalog import (
    Layout,
    TagSet,
    add_revision,
    compile_catalog,
    compile_tag_set,
)
from ingest.check import Carried, check_carried, check_name
from ingest.decode import Entry, entries, event_times, row_times
from ingest.desk import finish
from ingest.facts import Facts
from ingest.payload import decompress
from ingest.refusal import RefusedError
from ingest.session import FEATURES
from tests.contract import examples


def finished(steps: Any) -> Any:
    """What the steps give; raises what they raise."""
    found = finish(steps)
    if isinstance(found, RefusedError):
        raise found
    return found


def tag_set(content: pb.TagSetContent) -> TagSet:
    found: TagSet = finished(compile_tag_set(content.SerializeToString(), FEATURES))
    return found


def layout(tags: pb.TagSetContent | None = None, period_ns: int = examples.PERIOD_NS) -> Layout:
    """Of one group, 1."""
    content = examples.tags() if tags is None else tags
    compiled = tag_set(content)
    group = pb.Group(id=1, device="d", period_ns=period_ns, tag_set=compiled.id)
    made = pb.CatalogContent(groups=[group]).SerializeToString()
    catalog = finished(compile_catalog(made, FEATURES))
    return add_revision(Layout(0), catalog, {compiled.id: compiled})


def check(
    carried: Carried, known: Layout | None = None, features: Collection[int] = FEATURES
) -> Facts:
    """Raises RefusedError."""
    check_name(carried, features)
    steps = check_carried(carried, known or layout(), frozenset(features))
    found: Facts = finished(steps)
    return found


def decoded(
    block: pb.Block, tags: pb.TagSetContent | None = None, period_ns: int = examples.PERIOD_NS
) -> list[Entry]:
    """All entries of a block that was checked."""
    content = examples.tags() if tags is None else tags
    payload = pb.BlockPayload.FromString(
        decompress(block.compression, block.payload, block.payload_size)
    )
    found: list[Entry] = []
    for run in payload.runs:
        ticks, _ = row_times(run, period_ns)
        for tag, column in zip(content.tags, run.columns, strict=bool(ticks)):
            found += entries(tag, column, len(ticks), run.parts)
        for events in run.events:
            numbers, _ = event_times(run, events)
            for one in events.columns:
                found += entries(content.tags[one.tag], one.column, len(numbers))
    return found
