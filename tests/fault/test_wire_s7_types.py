"""Every type of an S7 tag on its whole way: a user's file, a simulated CPU, rows, sealed blocks,
and the reader that platforms are given; and as `jiahe watch` shows it.
"""

from __future__ import annotations

import datetime
from pathlib import Path
from threading import Event

import pytest
from jiahe.ingest.v1 import ingest_pb2 as pb

from drivers.s7.address import parse
from drivers.s7.simulator import SimTag, Simulator
from drivers.s7.simulator.values import STEPS, value
from gateway.catalog import build
from gateway.config import load
from gateway.report.values import local_time, show
from gateway.scanning import Scanning
from native.block.seal import Sealer
from tests.kit.short import short_reader

#: name: (address, type, more keys)
TAGS = {
    "bit": ("DB1.DBX0.3", "bool", ""),
    "small": ("DB1.DBB1", "int8", ""),
    "byte": ("DB1.DBB2", "uint8", ""),
    "int": ("DB1.DBW4", "int16", ""),
    "word": ("MW20", "uint16", ""),
    "dint": ("MD24", "int32", ""),
    "dword": ("DB1.DBD8", "uint32", ""),
    "lint": ("DB1.DBB12", "int64", ""),
    "ulint": ("DB1.DBB20", "uint64", ""),
    "real": ("DB1.DBD28", "float32", ""),
    "lreal": ("DB1.DBB32", "float64", ""),
    "bcd3": ("DB1.DBB40", "bcd", "length = 3"),
    "bcd2s": ("DB1.DBB44", "bcd", "length = 2, signed = true"),
    "bcd16": ("C2", "bcd16", ""),
    "bcd32": ("DB1.DBD48", "bcd32", ""),
    "text": ("DB1.DBB52", "string", "length = 12"),
    "wide": ("DB1.DBB70", "wstring", "length = 10"),
    "when": ("DB1.DBB100", "date_time", ""),
    "dtl": ("DB1.DBB110", "dtl", ""),
    "ldt": ("DB1.DBB130", "ldt", ""),
    "timer": ("T5", "s5time", ""),
    "delay": ("MW40", "s5time", ""),
}
CONFIG = """version = 1
[gateway]
id = "box"
[platform]
address = "127.0.0.1:8443"
insecure = true
[buffer]
path = "buffer"
[links.cell4]
type = "tcp"
address = "127.0.0.1:{port}"
[devices.plc]
link = "cell4"
driver = "s7"
every = "20 ms"
[devices.plc.tags]
{tags}
"""
LOOKS, LOOK_S = 600, 0.01
_1970 = datetime.datetime(1970, 1, 1)


def simulated(name: str) -> SimTag:
    address, type_, more = TAGS[name]
    length = int(more.partition("length = ")[2].partition(",")[0] or 0)
    return SimTag(name, parse(address), type_, length, "signed" in more)


def exported(name: str, counter: int) -> str:
    """What a platform's table shows at that step of the CPU."""
    shown = value(simulated(name), counter)
    if isinstance(shown, datetime.datetime):
        return str((shown - _1970) // datetime.timedelta(microseconds=1) * 1000)
    if isinstance(shown, bytes):
        return shown.decode("utf-8")
    if isinstance(shown, float):
        return f"{shown:f}".rstrip("0").rstrip(".").replace("-0", "0" if shown == 0 else "-0")
    return str(int(shown))


def started(file: Path, port: int) -> Scanning:
    """The daemon's side of the file, while it scans."""
    lines = [
        f'{name} = {{ address = "{address}", type = "{type_}"{more and ", " + more} }}'
        for name, (address, type_, more) in TAGS.items()
    ]
    file.write_text(CONFIG.format(port=port, tags="\n".join(lines)), "utf-8")
    loaded = load(file)
    assert loaded.config is not None and not loaded.problems, loaded.problems
    scanning = Scanning(loaded.config, {})
    scanning.start(None)
    return scanning


def platform_values(daemon: Scanning) -> dict[str, list[str | None]]:
    """Each tag's values, row by row, as whoever has the wire contract reads them."""
    sealer, pause = Sealer(daemon.groups), Event()
    made = build("site", "", daemon.catalog_groups)
    head = [pb.StreamRequest(tag_set=pb.TagSet(content=c)) for c in made.tag_sets.values()]
    catalog = pb.Catalog(epoch=1, revision=1, id=made.id, content=made.content)
    head.append(pb.StreamRequest(catalog=catalog))
    found: dict[str, list[str | None]] = {name: [] for name in TAGS}
    for seq in range(1, LOOKS):
        for sealed in sealer.seal(1, seq, 1):
            block = pb.StreamRequest(block=pb.Block.FromString(sealed.data))
            for _, _, tag, _, _, shown, quality in short_reader().read([*head, block]):
                if quality == pb.QUALITY_GOOD:
                    found[tag].append(shown)
        if all(len(values) >= 5 for values in found.values()):
            return found
        pause.wait(LOOK_S)
    raise AssertionError(f"{found}")


def test_types_when_read_by_a_users_file_then_the_platform_and_watch_show_each(
    tmp_path: Path,
) -> None:
    with Simulator([simulated(name) for name in TAGS]) as sim:
        daemon = started(tmp_path / "gateway.toml", sim.port)
        try:
            found = platform_values(daemon)
            newest = {each["tag"].name: each for each in daemon.latest("plc")}
        finally:
            assert daemon.stop()
    for name, values in found.items():
        told = {exported(name, counter): counter for counter in range(STEPS)}
        assert set(values) <= set(told), name
        assert newest[name]["quality"] == pb.QUALITY_GOOD
        watched = show(newest[name]["tag"], newest[name]["raw"])
        assert watched in {shown_by_watch(name, counter) for counter in range(STEPS)}, name


def shown_by_watch(name: str, counter: int) -> object:
    shown = value(simulated(name), counter)
    if isinstance(shown, datetime.datetime):
        return str(shown).rstrip("0") if shown.microsecond else str(shown)
    return shown.decode("utf-8") if isinstance(shown, bytes) else shown


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "1970-01-01 00:00:00"),
        (1_000_000_001, "1970-01-01 00:00:01.000000001"),
        (1_767_225_599_500_000_000, "2025-12-31 23:59:59.5"),
    ],
)
def test_local_time_when_shown_then_as_the_plant_reads_it(ns: int, text: str) -> None:
    assert local_time(ns) == text
