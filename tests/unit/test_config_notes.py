"""What is read all the same, but is mostly a slip: a note each, and none where all is well."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from drivers.modbus import address
from drivers.modbus.address import AddressError, parse
from gateway.config import load, remedy_of, render
from tests.unit.test_config import DEVICE, HEAD

SERIAL = HEAD + '[links.com1]\ntype = "serial"\nport = "/dev/null"\n'


def notes(folder: Path, text: str, *, csv: str = "") -> list[tuple[str, str]]:
    """Ids and English words of what is worth a word; nothing may be an error."""
    if csv:
        (folder / "t.csv").write_text(csv, "utf-8")
        text += 'tags_file = "t.csv"\n'
    (folder / "gateway.toml").write_text(text, "utf-8")
    loaded = load(folder / "gateway.toml")
    assert loaded.config is not None, loaded.problems
    return [(each.id, render(each, "en").split("\n")[0]) for each in loaded.problems]


@pytest.mark.parametrize(
    ("text", "meant", "wire"),
    [
        ("holding:40010", "holding:9", "holding:0x9C4A"),
        ("Holding:49999.3", "holding:9998.3", "holding:0xC34F.3"),
        ("input:30001", "input:0", "input:0x7531"),
        ("discrete:10012", "discrete:11", "discrete:0x271C"),
        ("coil:00012", "coil:11", "coil:0x000C"),
        ("coil:000012", "coil:11", "coil:0x000C"),
    ],
)
def test_address_when_it_may_be_a_manuals_number_then_both_readings_are_named(
    tmp_path: Path, text: str, meant: str, wire: str
) -> None:
    kind = "bool" if "coil" in text or "discrete" in text or "." in text else "int16"
    tags = f'tags = {{ t = {{ address = "{text}", type = "{kind}" }} }}\n'
    ((message, words),) = notes(tmp_path, HEAD + DEVICE + tags)
    assert message == "modbus.two_readings"
    assert text in words and f"it would be {meant}" in words
    (problem,) = load(tmp_path / "gateway.toml").problems
    for lang in ("zh", "en"):
        assert meant in remedy_of(problem, lang) and wire in remedy_of(problem, lang)
    for typed, number in ((meant, parse(meant).number), (wire, parse(text).number)):
        assert parse(typed).number == number
        assert notes(tmp_path, HEAD + DEVICE + tags.replace(text, typed)) == []


@pytest.mark.parametrize(
    "text",
    ["holding:4001", "holding:39999", "holding:50000", "holding:40000", "holding:0x9C4A", "40010",
     "input:40010", "holding:30001", "coil:12", "coil:00000", "discrete:9999", "holding:0040010"],
)  # fmt: skip
def test_address_when_it_means_one_thing_then_nothing_is_said(text: str) -> None:
    assert address.manual(text) is None


@pytest.mark.parametrize(
    ("text", "meant"),
    [("holding:400010", "holding:9"), ("input:300001", "input:0"), ("discrete:165536.0", None),
     ("discrete:165536", "discrete:65535"), ("holding:465537", None), ("holding:70000", None)],
)  # fmt: skip
def test_address_when_too_big_but_a_manuals_number_then_what_to_write(
    text: str, meant: str | None
) -> None:
    with pytest.raises(AddressError) as caught:
        parse(text)
    if meant is None:
        assert caught.value.message == "modbus.address_range"
    else:
        assert caught.value.message == "modbus.address_manual"
        assert caught.value.arguments["meant"] == meant


def test_table_when_its_space_and_its_number_disagree_then_both_readings_are_named(
    tmp_path: Path,
) -> None:
    table = "点位,功能区,地址,类型\n压力,保持寄存器,40010,uint16\n温度,保持寄存器,12,uint16\n"
    ((message, words),) = notes(tmp_path, HEAD + DEVICE, csv=table)
    assert message == "modbus.two_readings"
    assert words.startswith(f"{tmp_path / 't.csv'}:2:10: ") and "holding:9" in words


@pytest.mark.parametrize(
    ("rows", "overlapping"),
    [
        # one bit twice
        ("a,coil:7,bool\nb,coil:7,bool\n", ["b"]),
        ("a,holding:7.3,bool\nb,40008.3,bool\n", ["b"]),
        # one register twice, a part of a longer value, a text across it
        ("a,holding:7,int16\nb,holding:7,uint16\n", ["b"]),
        ("a,40001,float32\nb,40002,uint16\n", ["b"]),
        ("b,40002,uint16\na,40001,float32\n", ["a"]),
        ("a,holding:0,float64\nb,holding:1,int16\nc,holding:3,int16\n", ["b", "c"]),
        ("a,input:0,int32\nb,input:1,int32\nc,input:2,int32\n", ["b", "c"]),
        # a bit of a float
        ("a,holding:0,float32\nb,holding:1.0,bool\n", ["b"]),
        # an alarm word and its bits, neighbours, other spaces
        ("a,holding:7,uint16\nb,holding:7.3,bool\nc,holding:7.4,bool\n", []),
        ("a,holding:7,uint32\nb,holding:8.3,bool\n", []),
        ("a,40001,float32\nb,40003,float32\nc,30001,float32\nd,00001,bool\ne,10001,bool\n", []),
    ],
)
def test_tags_when_they_lie_on_each_other_then_a_note_at_the_later(
    tmp_path: Path, rows: str, overlapping: list[str]
) -> None:
    found = notes(tmp_path, HEAD + DEVICE, csv="name,address,type\n" + rows)
    assert [message for message, _ in found] == ["modbus.overlap"] * len(overlapping)
    lines = [row.split(",")[0] for row in rows.splitlines()]
    for (_, words), name in zip(found, overlapping, strict=True):
        assert f"t.csv:{lines.index(name) + 2}:" in words


def test_string_when_a_number_lies_in_it_then_a_note(tmp_path: Path) -> None:
    table = (
        "name,address,type,length\na,holding:0,string,16\nb,holding:7,int16,\nc,holding:8,int16,\n"
    )
    ((message, words),) = notes(tmp_path, HEAD + DEVICE, csv=table)
    assert message == "modbus.overlap" and ":3:" in words


@pytest.mark.parametrize(
    ("baud", "near"),
    [(96000, 9600), (1152000, None), (11520, 115200), (576, 57600), (9601, 9600), (9600, None),
     (187500, None), (50, 300), (100, 300)],
)  # fmt: skip
def test_baud_when_unusual_then_a_note_with_what_was_meant(
    tmp_path: Path, baud: int, near: int | None
) -> None:
    device = DEVICE.replace("net", "com1") + "unit = 1\n"
    tags = 'tags = { t = { address = "holding:1", type = "int16" } }\n'
    found = notes(tmp_path, SERIAL + f"baud = {baud}\n" + device + tags)
    if near is None:
        assert found == []
    else:
        assert [message for message, _ in found] == ["config.odd_baud"]
        assert f"is it {near}?" in found[0][1]
        assert notes(tmp_path, SERIAL + f"baud = {near}\n" + device + tags) == []


def test_data_bits_when_7_then_a_note_with_rtu_and_none_with_ascii(tmp_path: Path) -> None:
    device = DEVICE.replace("net", "com1") + "unit = 1\n"
    tags = 'tags = { t = { address = "holding:1", type = "int16" } }\n'
    link = SERIAL + "data_bits = 7\n"
    assert [message for message, _ in notes(tmp_path, link + device + tags)] == ["modbus.data_bits"]
    assert notes(tmp_path, link + device + 'framing = "ascii"\n' + tags) == []


@pytest.mark.parametrize("link", ["net", "com1"])
def test_unit_when_twice_on_a_link_then_a_note_at_the_second(tmp_path: Path, link: str) -> None:
    tags = 'tags = { t = { address = "holding:1", type = "int16" } }\n'
    device = DEVICE.replace("net", link)
    twice = device + "unit = 3\n" + tags + device.replace("press", '"p-{unit}"') + 'unit = "2-4"\n'
    ((message, words),) = notes(tmp_path, SERIAL + twice + tags)
    assert message == "config.unit_twice" and "press on the same link is unit 3 too" in words


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ("name,address,type\n", 1), ("name,address,type", 1),
        ("name,address,type\n,,\n,,\n", 1), ("点位;地址;类型\r\n", 1),
        ("name,address,type\n# t,holding:1,int16\n", 1),
    ],
    ids=["line", "no line end", "empty rows", "chinese", "comments"],
)  # fmt: skip
def test_table_when_it_has_headings_only_then_an_error(
    tmp_path: Path, table: str, line: int
) -> None:
    (tmp_path / "t.csv").write_text(table, "utf-8")
    for key in ("tags_file", "profile"):
        (tmp_path / "gateway.toml").write_text(HEAD + DEVICE + f'{key} = "t.csv"\n')
        loaded = load(tmp_path / "gateway.toml")
        assert [(each.line, each.id) for each in loaded.problems] == [(line, "config.csv_empty")]
        assert loaded.config is None


@pytest.mark.parametrize("tags", ["tags = {}\n", "[devices.press.tags]\n", 'profile = "p.toml"\n'])
def test_device_when_it_has_no_tag_in_the_end_then_an_error(tmp_path: Path, tags: str) -> None:
    (tmp_path / "p.toml").write_text('[profile]\ntitle = "x"\ndriver = "modbus"\n')
    (tmp_path / "gateway.toml").write_text(HEAD + DEVICE + tags)
    loaded = load(tmp_path / "gateway.toml")
    assert [each.id for each in loaded.problems] == ["config.no_tags"]
    own = '[devices.press.tags]\nt = { address = "holding:1", type = "int16" }\n'
    if "profile" in tags:  # a profile of settings alone is one
        assert notes(tmp_path, HEAD + DEVICE + tags + own) == []


@pytest.mark.parametrize(
    ("name", "meant"),
    [("20-x.toml.txt", "20-x.toml"), ("20-x.TOML", "20-x.toml"), ("20-x.conf", "20-x.toml"),
     ("hall 1.toml.bak", "'hall 1.toml'"), ("20-x", "20-x.toml")],
)  # fmt: skip
def test_file_when_in_conf_d_but_not_read_then_said_with_how_to_have_it_read(
    tmp_path: Path, name: str, meant: str
) -> None:
    folder = tmp_path / "conf.d"
    folder.mkdir()
    (folder / "10-a.toml").write_text('[gateway]\nsite = "x"\n')
    (folder / name).write_text('[links.more]\ntype = "tcp"\naddress = "10.0.0.2"\n')
    tags = 'tags = { t = { address = "holding:1", type = "int16" } }\n'
    ((message, words),) = notes(tmp_path, HEAD + DEVICE + tags)
    assert message == "config.not_read" and name in words
    (problem,) = load(tmp_path / "gateway.toml").problems
    for lang in ("zh", "en"):
        move = remedy_of(problem, lang).partition("sudo ")[2]
        assert move.endswith(meant) or move.endswith(str(folder / meant.strip("'")) + "'")
        assert shlex.split(move) == ["mv", str(folder / name), str(folder / meant.strip("'"))]
    subprocess.run(shlex.split(move), check=True)
    assert notes(tmp_path, HEAD + DEVICE + tags) == []


def test_file_when_in_conf_d_for_another_use_then_nothing_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "conf.d"
    folder.mkdir()
    for name in (".hidden", "10-a.toml~", "#10-a.toml#"):
        (folder / name).write_text("")
    (folder / "t.csv").write_text("name,address,type\nt,holding:1,int16\n")
    assert notes(tmp_path, HEAD + DEVICE + 'tags_file = "conf.d/t.csv"\n') == []


def test_file_when_missing_but_another_is_beside_it_then_that_is_named(tmp_path: Path) -> None:
    (tmp_path / "gateway.toml.txt").write_text(HEAD)
    (problem,) = load(tmp_path / "gateway.toml").problems
    assert problem.id == "config.not_found_near"
    mend = remedy_of(problem, "en")
    assert f"sudo mv {tmp_path / 'gateway.toml.txt'} {tmp_path / 'gateway.toml'}" in mend


def test_tags_when_their_period_is_missing_then_their_addresses_are_judged_all_the_same(
    tmp_path: Path,
) -> None:
    """All mistakes at once: not the period now, and the address after it was mended."""
    tags = 'tags = { t = { address = "DB12,DBD4", type = "float32" } }\n'
    text = HEAD + DEVICE.replace("modbus", "s7").replace('every = "1 s"\n', "") + tags
    (tmp_path / "gateway.toml").write_text(text, "utf-8")
    loaded = load(tmp_path / "gateway.toml")
    assert loaded.config is None
    assert {"config.no_period", "s7.address_syntax"} <= {each.id for each in loaded.problems}
