"""Remedies that can be typed as they stand: here they are typed, and then nothing is wrong."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from gateway.config import load, remedy_of
from gateway.config.problems import Located
from tests.unit.test_config import DEVICE, HEAD, TAGS

SERIAL = HEAD + '[links.com1]\ntype = "serial"\nport = "/dev/jiahe/com1"\n'
GOOD = HEAD + DEVICE + TAGS
CSV = HEAD + DEVICE + 'tags_file = "t.csv"\n'
ON_COM1 = DEVICE.replace("net", "com1") + "unit = 1\n" + TAGS

#: Puts what a remedy says into the lines of a file.
Typist = Callable[[list[str], Located, str], None]


def line(lines: list[str], problem: Located, typed: str) -> None:
    """In place of the line."""
    lines[problem.line - 1] = typed


def below(lines: list[str], problem: Located, typed: str) -> None:
    """Below the line, which is a header."""
    lines.insert(problem.line, typed)


def at_end(lines: list[str], problem: Located, typed: str) -> None:
    lines.append(typed)


def gone(lines: list[str], problem: Located, typed: str) -> None:
    """The remedy is to take the line out."""
    lines[problem.line - 1] = ""


def word(lines: list[str], problem: Located, typed: str) -> None:
    """In place of what stands at the problem: a name, a key or a value."""
    old = lines[problem.line - 1]
    rest = old[problem.column - 1 :]
    match = re.match(r'"[^"]*"|\{[^}]*\}|[^\s,;=\]}]+', rest)
    assert match is not None, rest
    lines[problem.line - 1] = old[: problem.column - 1] + typed + rest[match.end() :]


def assigned(lines: list[str], problem: Located, typed: str) -> None:
    """`key = value`, where the problem is at that value or at that key."""
    old, key = lines[problem.line - 1], typed.partition(" = ")[0]
    pattern = rf'\b{key}\s*=\s*("[^"]*"|\{{[^}}]*\}}|[^\s,}}]+)'
    assert re.search(pattern, old), (old, typed)
    lines[problem.line - 1] = re.sub(pattern, lambda _: typed, old)


def cell(lines: list[str], problem: Located, typed: str) -> None:
    """`{key} 列填 {value}`, or the value alone where the problem stands."""
    key, told, value = typed.partition(" 列填 ")
    cells, heads = lines[problem.line - 1].split(","), lines[0].split(",")
    column = heads.index(key) if told else old_column(lines, problem)
    while len(cells) <= column:
        cells.append("")
    cells[column] = value if told else typed
    lines[problem.line - 1] = ",".join(cells)


def old_column(lines: list[str], problem: Located) -> int:
    return lines[problem.line - 1][: problem.column - 1].count(",")


class Slip(NamedTuple):
    """A mistake, what of its Chinese remedy is typed (a pattern with one group), and how."""

    message: str
    text: str
    pattern: str
    typist: Typist
    table: str = ""


def rest(pattern: str) -> str:
    return pattern + r"([\s\S]+)"


WRITE, SUCH_AS = rest("写成 "), rest("例如：")
ROWS = "name,address,type\n"

SLIPS = [
    # names
    Slip("config.syntax_name", GOOD.replace("devices.press", "devices.电表2"), WRITE, line),
    Slip("config.syntax_name", GOOD.replace("{ t =", "{ 压力 ="), WRITE, line),
    Slip("config.syntax_name", GOOD.replace("tags =", "[devices.press.tags]\n压力 =").replace(
        "{ t = {", "{").replace("} }", "}"), WRITE, line),
    Slip("config.dotted_name", GOOD.replace("devices.press", "devices.cnc.1"), WRITE, line),
    Slip("config.dotted_name", GOOD.replace("devices.press", 'devices.hall."a b".c'), WRITE, line),
    Slip("config.dotted_name", GOOD.replace("links.net", "links.net.a").replace('"net"', '"net-a"'),
         WRITE, line),
    Slip("config.bad_name", GOOD.replace("devices.press", 'devices."cnc.1"'), SUCH_AS, word),
    Slip("config.bad_name", GOOD.replace("devices.press", 'devices."电表 2"'), SUCH_AS, word),
    Slip("config.bad_name", GOOD.replace("devices.press", 'devices."#1 {unit:02}!"'), SUCH_AS,
         word),
    Slip("config.bad_name", GOOD.replace("{ t =", '{ "温度 (℃)" ='), SUCH_AS, word),
    Slip("config.bad_id", GOOD.replace('"box"', '"嘉兴 1号"'), SUCH_AS, assigned),
    Slip("config.range_without_place", HEAD + DEVICE.replace("press", '"电表"')
         + 'unit = "1-3"\n' + TAGS, SUCH_AS, line),
    # tables that are missing
    Slip("config.no_tags", HEAD + DEVICE.replace("press", "电表2").replace("电表2", '"电表2"'),
         SUCH_AS, at_end),
    Slip("config.no_tags", HEAD + DEVICE, SUCH_AS, at_end),
    *(Slip("config.no_tags", HEAD + DEVICE.replace('"modbus"', f'"{name}"'), SUCH_AS, at_end)
      for name in ("dlt645", "mtconnect", "s7")),
    Slip("config.missing_table", GOOD.replace('[gateway]\nid = "box"\n', ""), SUCH_AS, at_end),
    Slip("config.missing_table", GOOD.replace('[platform]\naddress = "127.0.0.1:8443"\n', "")
         .replace("insecure = true\n", ""), SUCH_AS, at_end),
    Slip("config.no_link_yet", GOOD.replace('[links.net]\ntype = "tcp"\naddress = "10.0.0.1:502"\n',
         ""), SUCH_AS, at_end),
    Slip("config.no_such_link", GOOD.replace('"net"', '"nett"'), rest("链路："), word),
    Slip("config.insecure_remote", GOOD.replace("127.0.0.1", "10.0.0.9"),
         r"证书：([\s\S]+)", line),
    # keys that are missing
    Slip("config.missing", GOOD.replace('link = "net"\n', ""), SUCH_AS, below),
    Slip("config.missing", GOOD.replace('driver = "modbus"\n', ""), SUCH_AS, below),
    Slip("config.missing", GOOD.replace('type = "tcp"\n', ""), SUCH_AS, below),
    Slip("config.missing", SERIAL.replace('type = "serial"\n', "") + ON_COM1, SUCH_AS, below),
    Slip("config.missing", SERIAL.replace('port = "/dev/jiahe/com1"\n', "") + ON_COM1, SUCH_AS,
         below),
    Slip("config.missing", GOOD.replace('address = "10.0.0.1:502"\n', ""), SUCH_AS, below),
    Slip("config.no_period", GOOD.replace('every = "1 s"\n', ""), r'(every = "[^"]*")',
         lambda lines, problem, typed: lines.insert(10, typed)),
    # values
    Slip("config.wrong_type", GOOD.replace('"holding:1"', "40001"), SUCH_AS, assigned),
    Slip("config.wrong_type", HEAD + DEVICE.replace("modbus", "dlt645") + "meter = 12345678901\n"
         + 'profile = "dlt645-3p"\n', SUCH_AS, assigned),
    Slip("config.no_unit", GOOD.replace('"1 s"', "1"), SUCH_AS, assigned),
    Slip("config.no_unit", GOOD.replace('"1 s"', "500"), SUCH_AS, assigned),
    Slip("config.bad_unit", GOOD.replace('"1 s"', '"1秒"'), SUCH_AS, word),
    Slip("config.bad_unit", GOOD.replace('"1 s"', '"fast"'), SUCH_AS, word),
    Slip("config.out_of_range", GOOD.replace('"1 s"', '"2 days"'), r"到 (.+)", word),
    Slip("config.out_of_range", GOOD.replace('"1 s"', '"1 ns"'), r'允许 ("[^"]*")', word),
    Slip("config.out_of_range", GOOD + "max_registers = 200\n", r"到 (.+)", word),
    Slip("config.bad_choice", GOOD.replace('"int16"', '"number"'), r'可选：("[^"]*", ("[^"]*"))',
         lambda lines, problem, typed: word(lines, problem, typed.partition(", ")[2])),
    Slip("config.bad_choice_near", SERIAL + "parity = \"偶\"\n" + ON_COM1, r'(?:可选：)("[^"]*")',
         word),
    Slip("config.bad_address", GOOD.replace("10.0.0.1:502", "10.0.0"), SUCH_AS, word),
    Slip("config.bad_unit_range", GOOD + 'unit = "1-"\n', r"写一个数 (unit = 7)", assigned),
    Slip("config.version", GOOD.replace("version = 1", "version = 9"), r"软件读 (version = 1)",
         assigned),
    Slip("config.unknown_key_near", GOOD.replace("every", "period"), rest("改成 "), word),
    Slip("config.unknown_key_near", GOOD.replace("every", "everyy"), rest("改成 "), word),
    Slip("config.port_in_address", GOOD.replace('"10.0.0.1:502"', '"10.0.0.1"\nport = 502'), WRITE,
         lambda lines, problem, typed: lines.__setitem__(slice(8, 10), [typed])),
    Slip("config.no_such_driver", GOOD.replace("modbus", "fanuc"),
         r'可选：.*("modbus")', word),
    Slip("config.no_such_profile", HEAD + DEVICE + 'profile = "zzz"\n',
         r'例如：(profile = "[^"]*")', assigned),
    Slip("config.not_zero", GOOD.replace('"int16"', '"int16", scale = 0'), "(删掉)",
         lambda lines, problem, typed: line(
             lines, problem, lines[problem.line - 1].replace(", scale = 0", ""))),
    Slip("config.in_flight_serial", SERIAL + "in_flight = 4\n" + ON_COM1, "(删掉)", gone),
    Slip("config.wrong_kind_of_link", SERIAL + 'address = "h:1"\n' + ON_COM1, "(删掉)", gone),
    # ports
    Slip("config.port_path", SERIAL.replace("/dev/jiahe/com1", "COM1") + ON_COM1,
         r'(port = "[^"]*")', assigned),
    Slip("config.port_path", SERIAL.replace("/dev/jiahe/com1", "com 12") + ON_COM1,
         r'(port = "[^"]*")', assigned),
    Slip("config.port_path", SERIAL.replace("/dev/jiahe/com1", "ttyUSB0") + ON_COM1,
         r'(port = "[^"]*")', assigned),
    Slip("config.odd_baud", SERIAL + "baud = 96000\n" + ON_COM1, r"(baud = \d+)", assigned),
    # signs
    *[
        Slip("config.full_width", GOOD.replace(old, new), WRITE, line)
        for old, new in [
            ('", type', '"； type'), ('"1 s"', '"1 s"；'), ('"1 s"', '"1 s"，'),
            ("every =", "every："), ("tags =", "tags："), ("{ t =", "{ t："),
            ("every =", "every（周期）="), ('"1 s"', '"1 s"（周期）'), ('"1 s"', "“1 s”"),
            ('"box"', "“box”；"), ("[links.net]", "【links。net】"),
            ("version = 1", "version ＝ １"),
            ('"int16"', '"int16"， offset ＝ －4'), ('"int16"', '"int16", deadband = 1％'),
            ("{ t =", "｛ t ="), ('"holding:1"', "“holding：1”"), ("10.0.0.1:502", "10.0.0.1：502"),
            ("insecure = true", "insecure = true。"),
            ('"box"', '"box"\nsite = “3号线（东），二楼”'),
        ]
    ],
    *[
        Slip("config.stray_sign", GOOD.replace(old, new), WRITE, line)
        for old, new in [
            ('"1 s"', '"1 s";'), ('"1 s"', '"1 s",'), ('"holding:1",', '"holding:1";'),
            ("every =", "every:"),
            ('address = "holding', 'address: "holding'),
        ]
    ],
    # TOML, by people who do not know TOML
    *[
        Slip(message, text, WRITE, line)
        for message, text in [
            ("config.syntax_value", GOOD.replace('"box"', "box")),
            ("config.syntax_value", GOOD.replace('"box"', '"box"\nsite = 车间')),
            ("config.syntax_value", GOOD.replace("= true", "= True")),
            ("config.syntax_value", GOOD.replace("= true", "= yes")),
            ("config.syntax_value", GOOD.replace('"tcp"', "tcp # a link")),
            ("config.syntax_value", GOOD.replace('"int16" }', '"int16", report = change }')),
            ("config.syntax_value", GOOD.replace('"holding:1"', "holding:1")),
            ("config.syntax_rest", GOOD.replace('"1 s"', "1s")),
            ("config.syntax_rest", GOOD.replace('"1 s"', "500 ms")),
            ("config.syntax_rest", SERIAL + "baud = 9600bps\n" + ON_COM1),
            ("config.syntax_equals", GOOD.replace('type = "tcp"', 'type "tcp"')),
            ("config.syntax_equals", GOOD.replace('type = "tcp"', "type tcp")),
            ("config.syntax_string", GOOD.replace('"tcp"', '"tcp')),
            ("config.syntax_string", GOOD.replace('"tcp"', "'tcp\"")),
            ("config.syntax_escape", GOOD.replace('"box"', '"box"\nsite = "D:\\hall"')),
        ]
    ],
    Slip("config.syntax_bracket", GOOD.replace("[links.net]", "[links.net"), rest("写成 (?=\\[)")
         .replace(r"([\s\S]+)", r"(\S+?)，"), line),
    *[
        Slip(message, GOOD.replace("holding:1", written), rest("例如："),
             lambda lines, problem, typed: word(lines, problem, f'"{typed}"'))
        for message, written in [
            ("modbus.address_syntax", "16"), ("modbus.address_syntax", "4x0010"),
            ("modbus.address_syntax", "0010H"), ("modbus.address_syntax", "0x0010"),
            ("modbus.address_syntax", "D100"), ("modbus.address_syntax", "holding-7"),
            ("modbus.address_syntax", "保持寄存器 7"), ("modbus.address_syntax", "输入寄存器7"),
            ("modbus.address_syntax", "nonsense"), ("modbus.address_syntax", "9" * 30),
            ("modbus.address_space", "HR:7"), ("modbus.address_space", "hold:0x10"),
        ]
    ],
    Slip("modbus.framing", GOOD.replace('"modbus"', '"modbus"\nframing = "ascii"').replace(
        'type = "tcp"', 'type = "udp"'), r'可选：("\w+")', word),
    Slip("modbus.data_bits", SERIAL + "data_bits = 7\n" + ON_COM1, r"(data_bits = 8)",
         lambda lines, problem, typed: lines.__setitem__(lines.index("data_bits = 7"), typed)),
    Slip("config.unit_left_out", SERIAL + ON_COM1.replace("unit = 1\n", ""), SUCH_AS, below),
    Slip("config.empty", GOOD.replace('"10.0.0.1:502"', '""'), SUCH_AS, assigned),
    Slip("config.no_such_profile_near", HEAD + DEVICE + 'profile = "chint-dtsu66"\n',
         r"改成 ([^；]+)", lambda lines, problem, typed: word(lines, problem, f'"{typed}"')),
    Slip("config.bad_packet", GOOD.replace('type = "tcp"\naddress = "10.0.0.1:502"',
         'type = "listen"\nlisten = "0.0.0.0:6000"\nregister = "JX007"') + "unit = 1\n",
         SUCH_AS, assigned),
    Slip("config.bad_listen", GOOD.replace('type = "tcp"\naddress = "10.0.0.1:502"',
         'type = "listen"\nlisten = "6000"') + "unit = 1\n", SUCH_AS, assigned),
    # addresses
    Slip("modbus.two_readings", GOOD.replace("holding:1", "holding:40010"),
         r"就写 (holding:\d+)；",
         lambda lines, problem, typed: word(lines, problem, f'"{typed}"')),
    Slip("modbus.two_readings", GOOD.replace("holding:1", "holding:40010"),
         r"就写 (holding:0x\w+)，",
         lambda lines, problem, typed: word(lines, problem, f'"{typed}"')),
    Slip("modbus.address_manual", GOOD.replace("holding:1", "holding:400010"), rest("写成 "),
         lambda lines, problem, typed: word(lines, problem, f'"{typed}"')),
    Slip("modbus.bool_bit", GOOD.replace("int16", "bool"), rest("例如："),
         lambda lines, problem, typed: word(lines, problem, f'"{typed}"')),
    Slip("modbus.coil_type", GOOD.replace("holding:1", "coil:1"), r'(type = "bool")', assigned),
    # tables
    Slip("config.cell_empty", CSV, SUCH_AS, cell, ROWS + "t,holding:1,"),
    Slip("config.cell_empty", CSV, SUCH_AS, cell, ROWS + "t,,int16"),
    Slip("config.cell_empty", CSV, SUCH_AS, cell, ROWS + ",holding:1,int16"),
    Slip("config.cell_empty", CSV, SUCH_AS, cell, "name,address,type,length\nt,holding:1,string,"),
    Slip("config.wrong_type", CSV, SUCH_AS, cell, "name,address,type,scale\nt,holding:1,int16,x"),
    Slip("config.wrong_type", CSV, SUCH_AS, cell, "name,address,type,labels\nt,holding:1,int16,x"),
    Slip("config.bad_unit", CSV, SUCH_AS, cell, "name,address,type,every\nt,holding:1,int16,500"),
    Slip("config.bad_name", CSV, SUCH_AS, cell, ROWS + "a b,holding:1,int16"),
    Slip("config.full_width", CSV, WRITE, cell, ROWS + "t,holding：1,int16"),
    Slip("config.tag_key_conflict", CSV, r"(report 列填 change)", cell,
         "name,address,type,report,deadband\nt,holding:1,int16,all,5"),
    Slip("config.bad_choice_near", CSV, r"可选：\w+, (\w+)", cell, ROWS + "t,holding:1,word"),
    Slip("modbus.coil_type", CSV, r"(type 列填 bool)", cell, ROWS + "t,coil:1,int16"),
    Slip("modbus.two_readings", CSV, r"就写 (holding:\d+)；", cell,
         "name,space,address,type\nt,保持寄存器,40010,int16"),
    Slip("config.csv_no_headings", CSV, r"例如：([\w,]+)",
         lambda lines, problem, typed: lines.insert(0, typed), "t,holding:1,int16"),
    Slip("config.csv_no_headings", CSV, r"例如：([\w,]+)", line, "点表 V1.0\nt,holding:1,int16"),
    Slip("config.csv_full_width", CSV, rest("第一行成为："),
         lambda lines, problem, typed: lines.__setitem__(slice(None), [
             typed, *(each.replace("，", ",") for each in lines[1:])]),
         "name，address，type\nt，holding:1，int16"),
    Slip("config.csv_empty", CSV, "(每行写一个标签)",
         lambda lines, problem, typed: lines.append("t,holding:1,int16"), "name,address,type"),
]  # fmt: skip


@pytest.mark.parametrize("slip", SLIPS, ids=lambda slip: slip.message)
def test_remedy_when_typed_as_it_stands_then_nothing_is_wrong(tmp_path: Path, slip: Slip) -> None:
    files = {"gateway.toml": slip.text.split("\n")}
    if slip.table:
        files["t.csv"] = slip.table.split("\n")
    for _ in range(4):  # a slip may be one in several lines
        for name, lines in files.items():
            (tmp_path / name).write_text("\n".join(lines), "utf-8")
        problems = load(tmp_path / "gateway.toml").problems
        found = [each for each in problems if each.id == slip.message]
        if not found:
            break
        for problem in reversed(found):
            mend = remedy_of(problem, "zh")
            typed = re.search(slip.pattern, mend)
            assert typed is not None, mend
            slip.typist(files[Path(problem.file).name], problem, typed[1])
    assert not [each for each in problems if each.severity == "error" or each in found]


@pytest.mark.parametrize("slip", SLIPS, ids=lambda slip: slip.message)
def test_remedy_when_in_english_then_it_names_the_same(tmp_path: Path, slip: Slip) -> None:
    """What is typed is no matter of language."""
    (tmp_path / "gateway.toml").write_text(slip.text, "utf-8")
    (tmp_path / "t.csv").write_text(slip.table, "utf-8")
    for problem in load(tmp_path / "gateway.toml").problems:
        zh, en = (remedy_of(problem, lang) for lang in ("zh", "en"))
        if problem.id == slip.message and (typed := re.search(slip.pattern, zh)):
            for part in re.findall(r'[\w.:/"-]*[0-9"=][\w.:/"-]*', typed[1]):
                assert part in en, (part, en)


@pytest.mark.parametrize("coding", ["gb18030", "utf-16"])
def test_file_when_in_another_coding_then_the_command_converts_it(
    tmp_path: Path, coding: str
) -> None:
    folder = tmp_path / "a b"
    folder.mkdir()
    file = folder / "gateway.toml"
    file.write_bytes(GOOD.replace('"box"', '"box"\nsite = "车间"').encode(coding))
    (problem,) = (
        each for each in load(file).problems if each.id in ("config.not_utf8", "config.utf16")
    )
    command = remedy_of(problem, "zh").partition("或：")[2]
    subprocess.run(["sh", "-c", command], check=True)
    assert load(file).problems == []
