"""What technicians type who know other programs: each remedy, typed as it stands, mends it."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from pathlib import Path

import pytest

from gateway.config import load, remedy_of
from gateway.config.address import AddressError, split_address
from gateway.config.likely import likely, units
from gateway.config.meant import meant, with_item, yaml_path
from tests.unit.test_config import DEVICE, HEAD, TAGS
from tests.unit.test_config_remedies import (
    CSV,
    GOOD,
    ON_COM1,
    SERIAL,
    SUCH_AS,
    WRITE,
    Slip,
    assigned,
    cell,
    gone,
    line,
    rest,
    word,
)
from tests.unit.test_config_remedies import (
    test_remedy_when_in_english_then_it_names_the_same as names_the_same,
)
from tests.unit.test_config_remedies import (
    test_remedy_when_typed_as_it_stands_then_nothing_is_wrong as is_mended,
)

TAG = '{ address = "holding:1", type = "int16" }'
S7 = GOOD.replace("modbus", "s7").replace("10.0.0.1:502", "10.0.0.1:102").replace(
    'address = "holding:1", type = "int16"', 'address = "DB12.DBD4", type = "float32"')  # fmt: skip
METER = SERIAL + (
    '[devices.m]\nlink = "com1"\ndriver = "dlt645"\nmeter = "012345678901"\nevery = "5 s"\n'
    '[devices.m.tags]\nva = { address = "02010100" }\n'
)


def above(lines, problem, typed):  # type: ignore[no-untyped-def]
    lines.insert(problem.line - 1, typed)


def value(lines, problem, typed):  # type: ignore[no-untyped-def]
    word(lines, problem, f'"{typed}"')


def in_header(lines, problem, typed):  # type: ignore[no-untyped-def]
    """In place of a header's first name."""
    line(lines, problem, f"[{typed}.{lines[problem.line - 1].partition('.')[2]}")


SLIPS = [
    # one mistake is one mistake
    Slip("config.unknown_key_near", GOOD.replace("[gateway]", "[gateways]"), rest("改成 "), word),
    Slip("config.unknown_key_near", GOOD.replace("[links.net]", "[link.net]"), rest("改成 "),
         in_header),
    Slip("config.unknown_key_near", GOOD.replace("[devices.press]", "[device.press]").replace(
         TAGS, f"[devices.press.tags]\nt1 = {TAG}\n"), rest("改成 "), in_header),
    Slip("config.unknown_key_near", GOOD.replace(TAGS, f"[device.press.tags]\nt1 = {TAG}\n"),
         rest("改成 "), in_header),
    Slip("config.unknown_key_near", GOOD.replace("address = \"127", "addressx = \"127"),
         rest("改成 "), word),
    Slip("config.wrong_type", GOOD.replace("insecure = true", 'insecure = "true"'), SUCH_AS,
         assigned),
    Slip("config.wrong_driver", HEAD + DEVICE.replace("modbus", "s7")
         + 'profile = "chint-dtsu666"\n', r'(driver = "\w+")',
         lambda lines, problem, typed: lines.__setitem__(
             lines.index('driver = "s7"'), typed)),
    # the value that stands there, as it is written here
    Slip("config.wrong_type", SERIAL + 'baud = "2400"\n' + ON_COM1, r"(baud = 2400)", assigned),
    Slip("config.wrong_type", SERIAL + 'stop_bits = "二"\n' + ON_COM1, r"(stop_bits = 2)",
         assigned),
    Slip("config.wrong_type", GOOD.replace('"int16"', '"int16", scale = "0,1"'), r"(scale = 0\.1)",
         assigned),
    Slip("config.wrong_type", GOOD.replace('"int16"', '"int16", deadband = -2'),
         r"(deadband = 2)", assigned),
    Slip("config.wrong_type", GOOD.replace('"int16"', '"int16", labels = ["停", "转"]'),
         r"例如：(labels = .*)",
         lambda lines, problem, typed: lines.__setitem__(problem.line - 1, lines[
             problem.line - 1].replace('labels = ["停", "转"]', typed))),
    Slip("config.wrong_type", GOOD + 'holes = "holding:100-199"\n', SUCH_AS, assigned),
    Slip("config.wrong_type", GOOD + 'align = "是"\n', r"(align = true)", assigned),
    Slip("config.bad_unit", GOOD.replace('"1 s"', '"10Hz"'), r'例如：("100 ms")', word),
    Slip("config.bad_unit_range", GOOD.replace("press", '"press-{unit}"') + 'unit = "1～3"\n',
         r'例如：(unit = "1-3")', assigned),
    Slip("config.bad_unit_range", GOOD.replace("press", '"press-{unit}"') + "unit = [1, 2]\n",
         r'例如：(unit = "1,2")',
         lambda lines, problem, typed: line(lines, problem, typed)),
    Slip("config.bad_unit_range", GOOD + 'unit = "７号"\n', r"例如：(unit = 7)", assigned),
    Slip("config.min_over_max", GOOD.replace('"int16"', '"int16", min = 9, max = 1'),
         r"写成 (min = 1, max = 9)",
         lambda lines, problem, typed: lines.__setitem__(problem.line - 1, lines[
             problem.line - 1].replace("min = 9, max = 1", typed))),
    Slip("config.bad_choice_near", GOOD.replace('"int16"', '"float32", order = "3412"'),
         r'可选："ABCD", ("CDAB")', word),
    Slip("config.bad_choice_near", SERIAL + 'parity = "8E1"\n' + ON_COM1,
         r'可选："none", ("even")', word),
    Slip("config.bad_choice_near", GOOD + 'framing = "RTU over TCP"\n', r'可选：("rtu")', word),
    Slip("config.no_such_driver_near", GOOD.replace('"modbus"', '"Modbus RTU"'),
         r'^(driver = "modbus")', assigned),
    Slip("config.no_such_driver_near", GOOD.replace('"modbus"', '"ｍｏｄｂｕｓ"'),
         r'^(driver = "modbus")', assigned),
    # addresses
    Slip("config.bad_address", GOOD.replace("10.0.0.1:502", "10.0.0.1.502"),
         r'例如：("10\.0\.0\.1:502")', word),
    Slip("config.bad_address", GOOD.replace("10.0.0.1:502", "10.0.0.1:70000"),
         r'例如：("10\.0\.0\.1")', word),
    Slip("modbus.address_syntax", GOOD + 'holes = ["100-199"]\n', rest("例如："),
         lambda lines, problem, typed: line(lines, problem, f'holes = ["{typed}"]')),
    Slip("modbus.wstring", GOOD.replace('"int16"', '"wstring", length = 8'), r'^(type = "string")',
         assigned),
    Slip("s7.address_syntax", S7.replace("DB12.DBD4", "DB12,DBD4"), rest("例如："), value),
    Slip("dlt645.address_syntax", METER.replace("02010100", "02 01 01 00"), r"例如：(\w+)$",
         value),
    Slip("dlt645.address_syntax", METER.replace("02010100", "2010200"), r"例如：(02010200)$",
         value),
    # cells
    Slip("config.wrong_type", CSV, r"例如：(scale 列填 0\.1)", cell,
         "name,address,type,scale\nt,holding:1,int16,0。1"),
    Slip("config.bad_choice_near", CSV, r"可选：bool, int8, uint8, (int16)", cell,
         "name,address,type\nt,holding:1,整数"),
    Slip("config.bad_unit", CSV, r"例如：(2 s)", cell,
         "name,address,type,every\nt,holding:1,int16,2"),
    # keys and tables in the wrong place
    Slip("config.tag_outside", GOOD.replace(TAGS, f"t1 = {TAG}\nt2 = {TAG}\n"), rest("一行："),
         above),
    Slip("config.tag_header", GOOD.replace(TAGS, '[devices.press.t1]\naddress = "holding:1"\n'
         'type = "int16"\n'), WRITE, line),
    Slip("config.tags_list", GOOD.replace(TAGS, '[[devices.press.tags]]\nname = "t1"\n'
         'address = "holding:1"\ntype = "int16"\n'), rest("例如："),
         lambda lines, problem, typed: lines.__setitem__(
             slice(problem.line - 1, problem.line + 3), typed.split("\n"))),
    Slip("config.missing_inside", GOOD.replace('"int16"', '"string"'), WRITE, line),
    Slip("config.inline_lines", GOOD.replace(TAGS, 'tags = {\n  t = {\n    address = "holding:1",\n'
         '    type = "int16",\n  },\n}\n'), r"一行：(.*)",
         lambda lines, problem, typed: lines.__setitem__(
             slice(problem.line - 1, problem.line + 5), [typed])),
    Slip("config.list_of_tables", GOOD.replace("[devices.press]", '[[devices]]\nname = "press"'),
         r"一行：(.*)",
         lambda lines, problem, typed: lines.__setitem__(
             slice(problem.line - 1, problem.line + 1), [typed])),
    Slip("config.wrong_type", GOOD.replace('"10.0.0.1:502"', '["10.0.0.1:502"]'),
         r'例如：(address = "10\.0\.0\.1:502")',
         lambda lines, problem, typed: line(lines, problem, typed)),
    Slip("config.bad_address", GOOD.replace("10.0.0.1:502", "10.0.0.1,502"),
         r'例如：("10\.0\.0\.1:502")', word),
    Slip("config.twice_table", GOOD + "[links.net]\n" + 'type = "tcp"\naddress = "10.0.0.2"\n',
         r"例如 (\S+)$", line),
    Slip("config.key_of_driver", S7.replace('"s7"', '"s7"\nunit = 1'), "(删去它)", gone),
    # habits of other languages
    *[
        Slip(message, GOOD.replace(old, new), WRITE, line)
        for message, old, new in [
            ("config.stray_sign", TAG, '{ address: "holding:1", type: "int16" }'),
            ("config.stray_sign", TAG, '{ "address": "holding:1", "type": "int16" }'),
            ("config.stray_sign", 'type = "tcp"', "type: tcp"),
            ("config.stray_sign", 'every = "1 s"', 'every = "1 s" ; each second'),
            ("config.syntax_value", 'every = "1 s"', 'every == "1 s"'),
            ("config.syntax_value", 'every = "1 s"', 'every => "1 s"'),
            ("config.syntax_inline", '"int16" } }', '"int16", scale = 10% } }'),
            ("config.syntax_inline", '"int16" } }', '"int16", scale = 1/10 } }'),
            ("config.syntax_inline", '"int16" } }', '"int16", deadband = 1% } }'),
            ("config.syntax_rest", 'every = "1 s"', 'every = "1 s" // 每秒'),
            ("config.syntax_value", '"int16" }', '"int16", scale = .1 }'),
            ("config.syntax_equals", '"int16" }', '"int16", scale = 0,1 }'),
            ("config.syntax_inline", '"int16" } }', '"int16" }'),
        ]
    ],
    Slip("config.syntax_inline", METER.replace('"02010100"', "02010100"), WRITE, line),
]  # fmt: skip


@pytest.mark.parametrize("slip", SLIPS, ids=lambda slip: slip.message)
def test_slip_when_its_remedy_is_typed_then_it_is_mended(tmp_path: Path, slip: Slip) -> None:
    is_mended(tmp_path, slip)
    names_the_same(tmp_path, slip)


@pytest.mark.parametrize("slip", SLIPS, ids=lambda slip: slip.message)
def test_slip_when_it_is_one_then_one_error(tmp_path: Path, slip: Slip) -> None:
    (tmp_path / "gateway.toml").write_text(slip.text, "utf-8")
    (tmp_path / "t.csv").write_text(slip.table, "utf-8")
    found = [
        each.id for each in load(tmp_path / "gateway.toml").problems if each.severity == "error"
    ]
    assert set(found) <= {slip.message}


def test_yaml_when_it_is_a_whole_file_then_each_line_says_what_to_write(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text("version: 1\ngateway:\n  id: box\nlinks:\n  net:\n    type: tcp\n", "utf-8")
    mends = [remedy_of(each, "zh") for each in load(file).problems if each.line]
    assert [mend.partition(" ")[2] for mend in mends[:1]] == ["version = 1"]
    assert any("[links.net]" in mend for mend in mends)
    assert any('type = "tcp"' in mend for mend in mends)


def test_file_when_it_is_no_text_then_said_and_no_conversion_is_advised(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(200))
    assert [each.id for each in load(file).problems] == ["config.not_text"]


@pytest.mark.parametrize(
    ("kind", "written", "typed"),
    [
        ("int", "２４００", "2400"), ("int", "2.5", ""), ("int", "many", ""), ("int", True, ""),
        ("decimal", "1,5", "1.5"), ("decimal", "1e3", ""), ("bool", "on", "true"),
        ("bool", 0, "false"), ("bool", "maybe", ""), ("deadband", "-1％", '"1 %"'),
        ("labels", [], ""), ("texts", "", ""), ("table", {}, ""), ("int", "9" * 80, ""),
        ("int", Decimal("inf"), ""), ("int", Decimal("-inf"), ""), ("int", Decimal("nan"), ""),
        ("int", Decimal("1e9999"), ""), ("int", Decimal("1e999999999"), ""),
        ("int", Decimal("96e2"), "9600"), ("texts", 'a"b\\c', r'["a\"b\\c"]'),
        ("labels", ['a"b', "c"], r'{ 0 = "a\"b", 1 = "c" }'),
    ],
)  # fmt: skip
def test_value_when_it_is_of_another_kind_then_what_it_may_have_been(
    kind: str, written: object, typed: str
) -> None:
    assert likely(kind, written) == typed


@pytest.mark.parametrize("written", ["inf", "-inf", "nan", "1e9999", "1e999999999"])
@pytest.mark.parametrize(
    ("key", "id_"), [("baud", "config.wrong_type"), ("timeout", "config.bad_unit")]
)
def test_check_when_a_number_is_beyond_all_bounds_then_said_where_it_stands(
    tmp_path: Path, key: str, id_: str, written: str
) -> None:
    file = tmp_path / "gateway.toml"
    text = SERIAL.replace("[links.com1]\n", f"[links.com1]\n{key} = {written}\n")
    file.write_text(text, "utf-8")
    (problem,) = (each for each in load(file).problems if each.args.get("key") == key)
    assert problem.id == id_
    assert remedy_of(problem, "en")


@pytest.mark.parametrize(
    ("address", "typed"),
    [("10.0.0.1 502", "10.0.0.1:502"), ("10.0.0.1 99999", ""), ("10.0.0.1.502", "10.0.0.1:502"),
     ("10.0.0.1.0", ""), ("10.0.0.1.99999", "")],
)  # fmt: skip
def test_address_when_its_port_is_told_apart_otherwise_then_a_remedy_has_a_port_that_there_is(
    address: str, typed: str
) -> None:
    with pytest.raises(AddressError) as caught:
        split_address(address, 502)
    assert caught.value.meant == typed


@pytest.mark.parametrize(
    ("written", "typed"),
    [("1 至 3", '"1-3"'), ("1、3", '"1,3"'), ("三", "3"), ("1-", ""), ([], ""), (2.5, "")],
)
def test_units_when_written_otherwise_then_as_here(written: object, typed: str) -> None:
    assert units(written) == typed


def test_line_when_guessed_then_it_is_toml_and_texts_stay_whole() -> None:
    for text in ('a = "http://x" // y', "b = { c: 1, d: 'e: f' }", "e = 007", "f = .5", "g: 1"):
        assert tomllib.loads(meant(text, 1))
    assert meant('a = "http://x" // y', 16) == 'a = "http://x" # y'
    assert meant('a == "b == c"', 3) == 'a = "b == c"'
    assert with_item("t = { a = 1 } # }", "t", "b = 2") == "t = { a = 1, b = 2 } # }"
    assert with_item("s = { t = {} }", "t", "b = 2") == "s = { t = { b = 2 } }"
    assert with_item("t = 1", "t", "b = 2") == ""
    assert yaml_path(["a = 1"], 0) == () and yaml_path(["a:", "  b:"], 1) == ("a", "b")


@pytest.mark.parametrize("written", ["inf", "-inf", "nan", "1e9999"])
def test_remedy_of_a_list_when_a_number_in_it_is_absurd_then_it_is_not_written_again(
    tmp_path: Path, written: str
) -> None:
    file = tmp_path / "gateway.toml"
    tag = f'name = "t1", address = "holding:1", type = "int16", scale = {written}'
    file.write_text(GOOD.replace(TAGS, f"tags = [ {{ {tag} }} ]\n"), "utf-8")
    found = {each.id: remedy_of(each, "en") for each in load(file).problems}
    typed = found.pop("config.tags_list").partition("\n")[2]
    assert found.keys() <= {"config.absurd_number", "config.wrong_type"} and found
    file.write_text(GOOD.replace(TAGS, typed + "\n"), "utf-8")
    assert load(file).problems == []
