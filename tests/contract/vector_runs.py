"""Vectors of runs: schedules, parts of a request, pushed values, and a run's books."""

from __future__ import annotations

from collections.abc import Iterator

from jiahe.ingest.v1 import ingest_pb2 as pb

from tests.contract import encode
from tests.contract.vector import (
    BOOT,
    DUE_NS,
    EPOCH,
    PERIOD_NS,
    Row,
    Vector,
    catalog,
    group,
    tag,
)  # fmt: skip


def _schedule() -> Vector:
    """Two groups, three runs; skipped ticks at the start, inside and at the end; late rows."""
    tags = [tag("counter", pb.VALUE_TYPE_UINT)]
    groups = [(group(4, "lathe"), tags), (group(9, "robot", 10_000_000), tags)]
    runs = [
        encode.run(
            4, 100, 10, [encode.column([7, 8, 9, 10], order=1)], first_due_ns=DUE_NS,
            skipped=[(100, 2, 1), (104, 3, 2), (109, 1, 3)],
            late_us=[150, 152, 154, 156], late_order=2,
        ),
        encode.run(
            9, 0, 3, [encode.column([1, 2, 3])],
            first_due_ns=DUE_NS + 5, late_us=[0, -20, 3], late_order=1,
        ),
        encode.run(
            4, 110, 3_000_000, [], first_due_ns=DUE_NS + 10 * PERIOD_NS,
            skipped=[(110, 3_000_000, 2)],
        ),
    ]  # fmt: skip
    lathe = [(102, 150, "7"), (103, 152, "8"), (107, 154, "9"), (108, 156, "10")]
    rows: list[Row] = [
        (2, "lathe", "counter", str(DUE_NS + (tick - 100) * PERIOD_NS + late * 1000), "0", value, 1)
        for tick, late, value in lathe
    ]
    rows += [
        (2, "robot", "counter", str(DUE_NS + 5 + tick * 10_000_000 + late * 1000), "0", value, 1)
        for tick, late, value in ((0, 0, "1"), (1, -20, "2"), (2, 3, "3"))
    ]
    return Vector(
        "schedule",
        "several groups and runs; ticks without rows; rows that are late",
        [
            *encode.catalog(EPOCH, 1, groups),
            pb.StreamRequest(block=encode.block(EPOCH, 2, pb.BlockPayload(runs=runs))),
        ],
        rows,
    )


def _parts() -> Vector:
    int16 = pb.VALUE_TYPE_INT
    silent = pb.QUALITY_BAD_NO_ANSWER
    tags = [
        pb.Tag(name="a", type=int16, bits=16, part=0),
        pb.Tag(name="b", type=int16, bits=16, part=1),
        pb.Tag(name="own", type=int16, bits=16, part=1),
        pb.Tag(name="rare", type=int16, bits=16, part=1, report=pb.REPORT_MODE_CHANGE),
    ]
    run = encode.run(
        1, 0, 3,
        [
            encode.column([1, 2, 3]),
            encode.column([4, 6]),
            pb.Column(values=[7, 8], quality=[
                pb.QualityRun(count=1, quality=pb.QUALITY_UNCERTAIN_OUT_OF_RANGE),
                pb.QualityRun(count=1, quality=pb.QUALITY_BAD_REFUSED, code=2),
                pb.QualityRun(count=1, quality=pb.QUALITY_GOOD),
            ]),
            encode.column([9], rows=[2]),
        ],
        first_due_ns=DUE_NS,
    )  # fmt: skip
    run.parts.add()
    run.parts.add(quality=encode.quality_runs([1, silent, 1]))
    per_tag: list[tuple[str, list[tuple[int, str | None, int]]]] = [
        ("a", [(0, "1", 1), (1, "2", 1), (2, "3", 1)]),
        ("b", [(0, "4", 1), (1, None, silent), (2, "6", 1)]),
        ("own", [(0, "7", 65), (1, None, 133), (2, "8", 1)]),
        ("rare", [(2, "9", 1)]),
    ]
    rows: list[Row] = [
        (1, "press", name, str(DUE_NS + tick * PERIOD_NS), "0", value, quality)
        for name, entries in per_tag
        for tick, value, quality in entries
    ]
    block = encode.block(EPOCH, 1, pb.BlockPayload(runs=[run]), needs=[pb.FEATURE_PARTS])
    about = "parts of a request: columns without a quality of their own have their part's"
    return Vector("parts", about, [*catalog(tags), pb.StreamRequest(block=block)], rows)


def _events() -> Vector:
    """Six pushed values, of which the box lost two; two tags; the source's own time with most."""
    tags = [
        tag("state", pb.VALUE_TYPE_UINT, bits=8),
        pb.Tag(name="program", type=pb.VALUE_TYPE_TEXT),
    ]
    own = 1_795_000_000_000_000_000
    run = encode.run(1, 7, 1, [encode.column([], qualities=[140])] * 2, first_due_ns=DUE_NS)
    run.events.add(
        first=100, count=6,
        lost=[pb.TickGap(first_tick=102, count=2, reason=pb.GAP_REASON_MEMORY_FULL)],
        time_order=1, time_us=[500, 250, 250, 1],
        columns=[
            pb.EventColumn(tag=0, column=pb.Column(
                values=[3, 4, 5], sparse=True, rows=[0, 1, 2],
                source_time_order=1, source_time_ns=[own, 1000, -own - 1000])),
            pb.EventColumn(tag=1, column=pb.Column(
                encoding=pb.VALUE_ENCODING_TEXT, sparse=True, rows=[2],
                texts=[pb.TextRun(count=1, text=b"O1001")], source_time_ns=[own + 7])),
        ],
    )  # fmt: skip
    due = [str(DUE_NS + us * 1000) for us in (500, 750, 1000, 1001)]
    rows: list[Row] = [
        (1, "press", "state", str(DUE_NS), "0", None, 140),
        (1, "press", "program", str(DUE_NS), "0", None, 140),
        (1, "press", "state", due[0], str(own), "3", 1),
        (1, "press", "state", due[1], str(own + 1000), "4", 1),
        (1, "press", "state", due[3], "0", "5", 1),
        (1, "press", "program", due[2], str(own + 7), "O1001", 1),
    ]
    block = encode.block(
        EPOCH, 1, pb.BlockPayload(runs=[run]),
        needs=[pb.FEATURE_EVENTS, pb.FEATURE_SOURCE_TIME],
    )  # fmt: skip
    about = "pushed values: numbered, two lost, with the box's time and the source's"
    return Vector("events", about, [*catalog(tags), pb.StreamRequest(block=block)], rows)


def _bookkeeping() -> Vector:
    payload = pb.BlockPayload(
        anchors=[
            pb.Anchor(
                boot_id=BOOT,
                boot_time_ns=DUE_NS,
                utc_ns=1_795_000_000_000_000_000,
                source=pb.ANCHOR_SOURCE_PLATFORM,
                error_ns=20_000_000,
            ),
            pb.Anchor(
                boot_id=BOOT,
                boot_time_ns=DUE_NS + 1,
                utc_ns=1_795_086_400_000_000_000,
                source=pb.ANCHOR_SOURCE_SYSTEM,
                error_ns=1_000_000,
                voids_earlier=True,
            ),
        ],
        gaps=[
            pb.Gap(
                reason=pb.GAP_REASON_CRASH,
                epoch=7,
                count_unknown=True,
                after_seq=12,
                until_ns=DUE_NS,
                until_boot_id=BOOT,
            ),
            pb.Gap(
                reason=pb.GAP_REASON_PLATFORM_LOST,
                epoch=6,
                blocks=[pb.SeqRange(first=1, last=4)],
                end_of_epoch=True,
                events=[pb.GapEvents(group=3, first=5, count=2)],
            ),
        ],
        begin=pb.Begin(
            previous_epoch=7,
            previous_last_seq=14,
            sampled_until_ns=DUE_NS - 5_000_000_000,
            previous_boot_id=BOOT,
            ended=pb.RUN_END_CRASHED,
            began_ns=DUE_NS,
        ),
        end_of_epoch=True,
    )
    about = (
        "no rows: how the run began, anchors of which the later voids the earlier, the gap after"
        " a crash, a run that the platform lost, and the clean end of the epoch"
    )
    block = encode.block(EPOCH, 1, payload)
    tags = [tag("counter", pb.VALUE_TYPE_UINT, bits=32)]
    return Vector("bookkeeping", about, [*catalog(tags), pb.StreamRequest(block=block)], [])


def vectors() -> Iterator[Vector]:
    yield from (_schedule(), _parts(), _events(), _bookkeeping())
