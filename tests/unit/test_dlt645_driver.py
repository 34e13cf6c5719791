"""A meter from the configuration's file to its values, by the daemon's own way."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from drivers import profiles
from drivers.api import DevicePlan, LinkSpec, OpenedLinks
from drivers.dlt645 import DRIVER
from drivers.dlt645.simulator import Faults, Meter, Served
from drivers.scan import open_links
from gateway.config import load
from gateway.config.loading import Loaded
from native.block.seal import Sealer

A, B = "123456789012", "000000000007"
GOOD = 1
HEAD = """
version = 1
[gateway]
id = "g"
[platform]
address = "127.0.0.1:8443"
insecure = true
[buffer]
path = "buffer"
[links.l]
type = "tcp"
address = "127.0.0.1:{port}"
"""
METER = """
[devices.m]
link = "l"
driver = "dlt645"
meter = "123456789012"
every = "50 ms"
"""
TAGS = """
[devices.m.tags]
ua = { address = "02010100" }
ub = { address = "02010200" }
p = { address = "02030000" }
"""


def loaded(text: str, folder: Path, port: int = 502) -> Loaded:
    file = folder / "gateway.toml"
    file.write_text(text.replace("{port}", str(port)), "utf-8")
    return load(file)


@contextmanager
def running(text: str, folder: Path, meters: Sequence[Meter]) -> Iterator[OpenedLinks]:
    served = Served(meters)
    served.start()
    found = loaded(text, folder, served.port)
    assert found.config is not None, found.problems
    links: dict[str, tuple[LinkSpec, list[DevicePlan]]] = {}
    for device in found.config.devices:
        links.setdefault(device.link.name, (device.link, []))[1].append(DRIVER.plan(device))
    opened = open_links(list(links.values()), 1, {})
    threads = [Thread(target=runner.run) for runner in opened.runners]
    for thread in threads:
        thread.start()
    try:
        yield opened
    finally:
        for runner in opened.runners:
            runner.stop()
        for thread in threads:
            thread.join()
        served.stop()


def until(wanted: Any, look: Any, within_s: float = 10.0) -> None:
    end = time.monotonic() + within_s
    while (found := look()) != wanted:
        assert time.monotonic() < end, found
        Event().wait(0.02)


def newest(opened: OpenedLinks, device: str = "m") -> dict[str, tuple[Any, int]]:
    return {each["tag"].name: (each["raw"], each["quality"]) for each in opened.latest(device)}


def test_tag_when_the_standard_has_it_then_only_its_address_is_written(tmp_path: Path) -> None:
    found = loaded(HEAD + METER + TAGS, tmp_path)
    assert found.problems == []
    assert found.config is not None
    (device,) = found.config.devices
    assert [(t.type, str(t.scale), t.unit) for t in device.tags] == [
        ("int32", "0.1", "V"), ("int32", "0.1", "V"), ("int32", "0.0001", "kW"),
    ]  # fmt: skip
    assert dict(device.own) == {"meter": A}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + METER.replace(A, "7") + TAGS, "dlt645.meter_short"),
        (HEAD + METER.replace(f'"{A}"', A) + TAGS, "config.wrong_type"),
        (HEAD + METER + TAGS.replace("02010100", "0201FF00"), "dlt645.address_block"),
        (HEAD + METER + TAGS + METER.replace(".m]", ".n]") + TAGS.replace(".m.", ".n."),
         "dlt645.meter_twice"),
        (HEAD + METER + TAGS
         + METER.replace(".m]", ".n]").replace(f'meter = "{A}"', "") + TAGS.replace(".m.", ".n."),
         "dlt645.meter_alone"),
        (HEAD + METER.replace("dlt645", "modbus")
         + '[devices.m.tags]\na = { address = "holding:1", type = "int16" }\n',
         "config.key_of_driver"),
    ],
)  # fmt: skip
def test_file_when_a_meter_cannot_be_read_so_then_said(
    text: str, message: str, tmp_path: Path
) -> None:
    assert [problem.id for problem in loaded(text, tmp_path).problems] == [message]


@pytest.mark.parametrize("name", ["dlt645-1p", "dlt645-3p"])
def test_profile_when_configured_then_read_whole(name: str, tmp_path: Path) -> None:
    text = HEAD + METER.replace('every = "50 ms"', f'profile = "{name}"')
    with running(text, tmp_path, [Meter(A, faults=Faults(answer_ms=1))]) as opened:
        tags = set(newest(opened))
        until(dict.fromkeys(tags, GOOD), lambda: {t: q for t, (_, q) in newest(opened).items()})
        for each in opened.latest("m"):
            tag = each["tag"]
            assert tag.min <= each["raw"] * tag.scale <= tag.max, tag.name
    assert name in profiles.names()


def test_block_when_the_meter_has_none_then_its_items_are_read_one_by_one(tmp_path: Path) -> None:
    meter = Meter(A, faults=Faults(answer_ms=1, no_blocks=True))
    with running(HEAD + METER + TAGS, tmp_path, [meter]) as opened:
        sealer, seq = Sealer(opened.groups), count()

        def look() -> set[int]:
            for runner in opened.runners:
                runner.learn()
            sealer.seal(1, next(seq), 1)  # a changed plan begins with a new store
            return {quality for _, quality in newest(opened).values()}

        until({GOOD}, look)
        (device,) = opened.runners[0].devices()
        assert device["learned"] == [{"id": "dlt645.learned_block", "args": {"block": "0201FF00"}}]


def test_data_when_the_meter_has_none_then_its_words_say_so(tmp_path: Path) -> None:
    meter = Meter(A, faults=Faults(answer_ms=1, refuses=frozenset({"02030000"})))
    with running(HEAD + METER + TAGS, tmp_path, [meter]) as opened:
        until(
            ("partly", "dlt645.no_data"),
            lambda: next(
                (d["state"], (d["cause"] or {}).get("id")) for d in opened.runners[0].devices()
            ),
        )


def test_example_when_made_then_as_long_as_the_rows(tmp_path: Path) -> None:
    found = loaded(HEAD + METER + TAGS, tmp_path)
    assert found.config is not None
    (group,) = DRIVER.plan(found.config.devices[0]).groups
    rows = DRIVER.example(group, "seed", 100)
    assert len(rows) == 100 and len(set(rows)) > 30
    assert {len(row) for row in rows} == {sum(sum(r.parts) for r in group.requests)}
