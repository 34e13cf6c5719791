"""Devices alike: read, checked and planned once, and one object each of what they share."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import registry
from drivers.modbus.address import Range
from drivers.modbus.limits import Limits
from drivers.modbus.planner import Row
from gateway.config import load
from tests.unit.test_config import HEAD

PROFILE = '[profile]\ntitle = "x"\ndriver = "modbus"\n[tags]\n' + "".join(
    f't{at} = {{ address = "holding:{2 * at}", type = "float32" }}\n' for at in range(20)
)
DEVICE = '[devices.{name}]\nlink = "net"\ndriver = "modbus"\nevery = "{every}"\n{more}\n'


def test_devices_when_alike_then_they_share_tags_and_plans(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(PROFILE)
    more = 'profile = "p.toml"\nunit = {}'
    (tmp_path / "gateway.toml").write_text(
        HEAD
        + "".join(DEVICE.format(name=f"d{n}", every="1 s", more=more.format(n)) for n in (1, 2, 3))
        + DEVICE.format(name="slow", every="2 s", more=more.format(4))
        + DEVICE.format(name="own", every="1 s", more=more.format(5))
        + '[devices.own.tags]\nt3 = { unit = "bar" }\n'
    )
    config = load(tmp_path / "gateway.toml").config
    assert config is not None
    one, two, three, slow, own = config.devices
    assert one.tags is two.tags is three.tags
    assert {tag.every_ns for tag in slow.tags} == {2 * 10**9}
    assert [tag.unit for tag in own.tags if tag not in one.tags] == ["bar"]
    assert sum(mine is theirs for mine, theirs in zip(own.tags, one.tags, strict=True)) == 19
    driver = registry.get("modbus")
    first, second = (driver.plan(each).groups[0] for each in (one, two))
    assert first.fields is second.fields and first.tags is one.tags
    assert (first.device, second.device) == ("d1", "d2")


def test_mistake_when_devices_share_it_then_each_of_their_own_is_said_too(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("name,address,type\na,holding:1,int16\nb,holdin:1,int16\n")
    table = 'tags_file = "t.csv"\n{}'
    (tmp_path / "gateway.toml").write_text(
        HEAD
        + DEVICE.format(name="d1", every="1 s", more=table.format("unit = 1"))
        + DEVICE.format(name="d2", every="1 s", more=table.format('unit = 2\nholes = ["x"]'))
        + DEVICE.format(name="d3", every="1 s", more=table.format('unit = 3\nframing = "rtu"'))
    )
    found = [(Path(each.file).name, each.id) for each in load(tmp_path / "gateway.toml").problems]
    assert found == [
        ("gateway.toml", "modbus.address_syntax"), ("t.csv", "modbus.address_space"),
    ]  # fmt: skip


_RANGES = st.builds(
    lambda first, count: Range("holding", first, first + count - 1),
    st.integers(0, 60), st.integers(1, 12),
)  # fmt: skip


@given(st.lists(_RANGES, min_size=1, max_size=12), st.lists(_RANGES, max_size=3), st.data())
def test_request_when_looked_for_then_its_own_else_the_first_without_a_hole(
    ranges: list[Range], holes: list[Range], data: st.DataObject
) -> None:
    ranges.sort()
    held = data.draw(st.sampled_from(ranges))
    first = data.draw(st.integers(held.first, held.last))
    wanted = Range("holding", first, data.draw(st.integers(first, held.last)))
    expected = min(
        (number for number, one in enumerate(ranges) if one.covers(wanted)),
        key=lambda n: (ranges[n] != wanted, any(hole.meets(ranges[n]) for hole in holes), n),
    )
    assert Row(ranges, Limits(holes=tuple(holes))).find(wanted) == expected


def test_tables_when_copies_of_each_other_then_they_are_one(tmp_path: Path) -> None:
    table = "name,address,type\n" + "".join(f"t{n},holding:{n},int16\n" for n in range(9))
    for name in ("a.csv", "b.csv", "c.CSV"):
        (tmp_path / name).write_text(table)
    (tmp_path / "gateway.toml").write_text(
        HEAD
        + "".join(
            DEVICE.format(name=f"d{n}", every="1 s", more=f'tags_file = "{name}"\nunit = {n}')
            for n, name in enumerate(("a.csv", "b.csv", "c.CSV"))
        )
    )
    loaded = load(tmp_path / "gateway.toml")
    assert loaded.config is not None
    one, two, three = loaded.config.devices
    assert one.tags is two.tags is three.tags
    assert [path.name for path in loaded.tables] == ["a.csv", "b.csv", "c.CSV"]
    (tmp_path / "b.csv").write_text(table.replace("int16", "int61"))
    (tmp_path / "c.CSV").write_text(table.replace("int16", "int61"))
    files = {Path(each.file).name for each in load(tmp_path / "gateway.toml").problems}
    assert files == {"b.csv", "c.CSV"}, "a mistake in copies is said in each"


def test_tables_when_more_than_are_kept_then_each_is_still_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.config.tags.TAGS_HELD_MAX", 5)
    text = HEAD
    for n in range(4):
        rows = "".join(f"t{n}x{at},holding:{at},int16\n" for at in range(3))
        (tmp_path / f"{n}.csv").write_text(f"name,address,type\n{rows}")
    for n, file in enumerate([0, 1, 2, 3, 0, 1]):
        more = f'tags_file = "{file}.csv"\nunit = {n}'
        text += DEVICE.format(name=f"d{n}", every="1 s", more=more)
    (tmp_path / "gateway.toml").write_text(text)
    config = load(tmp_path / "gateway.toml").config
    assert config is not None
    names = [[tag.name for tag in device.tags] for device in config.devices]
    assert names[4] == names[0] == ["t0x0", "t0x1", "t0x2"] and names[5] == names[1]
