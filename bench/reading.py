"""P16: one tag's minute out of a store that holds 100,000 blocks, by `jiahe-ingest export`.

The store is filled as a receiver fills it, by the real session, with the blocks that the sealer
makes of a meter read each second: 28 hours of them. Then a minute in the middle is asked for, by
the program as it ships: its start is in the figure.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from jiahe.ingest.v1 import ingest_pb2 as pb

from bench.daemon import BIN
from bench.harness import Figure, Goal, Row
from bench.machine import answers
from bench.samples import plan_of
from bench.traces import S, meter
from bench.wire_bytes import Work, configuration
from drivers.api import DeviceSpec, LinkSpec
from gateway.catalog import build
from ingest.inline import InlineStore
from ingest.stores.opening import connect
from native.block.seal import Sealer
from native.rows.group import Group
from tests.contract import receiver
from tests.contract.examples import UTC_NS, anchor
from tests.contract.streams import said, stream

BLOCKS = 100_000
EPOCH = 1 << 32
EXPORT_S_MAX = 0.5


def fill(path: Path) -> str:
    """A store at `path` with BLOCKS blocks of one row each; the name of one of its tags."""
    trace = meter(1)
    plan = plan_of(trace)
    group = Group(1, plan)
    group.start(0)
    sealer = Sealer([group])
    device = DeviceSpec("meter", LinkSpec("cell", "tcp"), "modbus", plan.tags)
    made = build("bench", "", [(1, device, plan)])
    good = bytes([pb.QUALITY_GOOD]) * len(plan.requests)
    rows = answers(trace)
    with closing(connect(path)) as sql:
        sql.execute("PRAGMA synchronous = OFF")  # what is filled here may be lost
        one = stream(InlineStore(sql))
        said(one, receiver.hello(EPOCH))
        for content in made.tag_sets.values():
            said(one, pb.StreamRequest(tag_set=pb.TagSet(content=content)))
        named = pb.Catalog(epoch=EPOCH, revision=1, id=made.id, content=made.content)
        said(one, pb.StreamRequest(catalog=named))
        first = pb.BlockPayload(anchors=[anchor(0)]).SerializeToString()
        for seq in range(1, BLOCKS + 1):
            group.push(seq - 1, (seq - 1) * S, 0, good, next(rows))
            (sealed,) = sealer.seal(EPOCH, seq, 1, extra=first if seq == 1 else b"")
            (answer,) = said(one, pb.StreamRequest(block=pb.Block.FromString(sealed.data)))
            if not answer.HasField("ack"):
                raise RuntimeError(f"block {seq} was refused: {answer}")
    return trace.names[0]


def reading(rounds: int) -> Iterator[Row]:
    """P16. Seconds on the wall."""
    with TemporaryDirectory(prefix="jiahe-bench-") as name:
        store = Path(name) / "store.db"
        tag = fill(store)
        begin_s = UTC_NS // S + BLOCKS // 2
        begin, end = (datetime.fromtimestamp(begin_s + s, UTC).isoformat() for s in (0, 60))
        command = [BIN / "jiahe-ingest", "export", "--store", f"sqlite:{store}", "--device"]
        command += ["meter", "--tag", tag, "--from", begin, "--to", end]
        taken = []
        for _ in range(rounds):
            before = time.monotonic()
            done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
            taken.append(time.monotonic() - before)
            lines = done.stdout.splitlines()
            if len(lines) != 61:
                raise RuntimeError(f"{len(lines) - 1} rows of a minute: {lines[:3]}")
    work = f"one tag's minute out of {BLOCKS:,} blocks"
    text = configuration(Work("meter", "1 s", "1 s", 0), meter(1), 7443, 502)
    goal = Goal("at most", EXPORT_S_MAX)
    yield Row("P16", work, "s", Figure.of(taken), goal=goal, configuration=text)
