"""What is said of a key in the wrong table, and of a table header that lacks something."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import load
from gateway.messages import remedy

PLANT = """\
version = 1
[gateway]
id = "box"
[platform]
address = "127.0.0.1:8443"
insecure = true
[links.net2]
type = "tcp"
address = "10.0.0.2:502"
[links.net]
type = "tcp"
address = "10.0.0.1:502"
[devices.press]
link = "net"
driver = "modbus"
every = "1 s"
tags = { t = { address = "holding:1", type = "int16" } }
"""


def problems(folder: Path, text: str) -> list[tuple[int, int, str, str]]:
    """Line, column, id and remedy in Chinese."""
    file = folder / "gateway.toml"
    file.write_text(text, "utf-8")
    return [
        (each.line, each.column, each.id, remedy(each.id, "zh", **each.args))
        for each in load(file).problems
    ]


@pytest.mark.parametrize(
    ("table", "line", "mend"),
    [
        ("[links.net]", 'framing = "rtu"', "framing 写在 [devices.…] 里：把这一行移过去"),
        ("[devices.press]", "数据位 = 8", "data_bits 写在 [links.…] 里：把这一行移过去"),
        ("[devices.press]", 'path = "buffer"', "path 写在 [buffer] 里：把这一行移过去"),
        ("[gateway]", 'key = "a"', "key 写在 [platform], [links.….tls] 里：把这一行移过去"),
        ("[links.net]", "baudrate = 9600", "改成 baud"),
        ("[links.net]", 'path = "/dev/ttyS1"', "改成 port"),
    ],
)
def test_key_when_it_is_unknown_here_then_the_table_that_has_it_is_named(
    tmp_path: Path, table: str, line: str, mend: str
) -> None:
    text = PLANT.replace(f"{table}\n", f"{table}\n{line}\n")
    ((_, _, _, said),) = problems(tmp_path, text.replace("数据位", '"数据位"'))
    assert said == mend


@pytest.mark.parametrize(
    ("header", "column", "meant"),
    [
        ("[links.net", 11, "[links.net]"),
        ("[links.net  # the hall", 11, "[links.net]"),
        ("links.net]", 1, "[links.net]"),
        ("  links.net] # the hall", 3, "[links.net]"),
    ],
)
def test_header_when_a_bracket_is_lost_then_that_alone_is_said(
    tmp_path: Path, header: str, column: int, meant: str
) -> None:
    found = problems(tmp_path, PLANT.replace("[links.net]", header))
    assert found == [(10, column, "config.syntax_bracket", f"写成 {meant}，单独一行")]


def test_header_when_broken_beyond_mending_then_its_link_is_not_called_unknown(
    tmp_path: Path,
) -> None:
    found = problems(tmp_path, PLANT.replace("[links.net]", "[links.net = "))
    assert [each[:3] for each in found] == [(10, 12, "config.syntax_header")]


def test_name_when_in_chinese_without_quotes_then_the_line_is_shown_as_it_should_be(
    tmp_path: Path,
) -> None:
    text = PLANT.replace("[links.net2]", "[links.串口1")
    name, bracket = "config.syntax_name", "config.syntax_bracket"
    assert problems(tmp_path, text)[:2] == [
        (7, 8, name, '写成 [links."串口1"]'),
        (7, 11, bracket, '写成 [links."串口1"]，单独一行'),
    ]
    text = PLANT.replace("t = {", "t1 = {").replace("[devices.press]", "[devices.压机.上]")
    assert problems(tmp_path, text)[0] == (13, 10, name, '写成 [devices."压机"."上"]')
    text = PLANT.replace("tags = {", "[devices.press.tags]\n压力 = {")
    meant = '写成 "压力" = { t = { address = "holding:1", type = "int16" } }'
    assert (18, 1, name, meant) in problems(tmp_path, text)
