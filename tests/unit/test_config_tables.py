"""Cells of a table of points that are no text nor number; what a driver says in their place."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from drivers.dlt645 import DRIVER
from gateway.config import load
from tests.unit.test_config import DEVICE, HEAD, said, write
from tests.unit.test_config_typed import METER


def test_table_when_a_bcd_is_signed_then_as_the_spreadsheet_says_it(tmp_path: Path) -> None:
    cells = {"true": True, "TRUE": True, "是": True, "0": False, "": False}
    table = "name,address,type,长度,有符号\n" + "".join(
        f"t{n},holding:{2 * n},bcd,4,{cell}\n" for n, cell in enumerate(cells)
    )
    write(tmp_path, table.encode(), "points.csv")
    file = write(tmp_path, HEAD + DEVICE + 'tags_file = "points.csv"\n')
    loaded = load(file)
    assert loaded.config is not None and said(loaded) == []
    assert [tag.signed for tag in loaded.config.devices[0].tags] == list(cells.values())
    write(tmp_path, b"name,address,type,length,signed\na,holding:0,bcd,4,maybe\n", "points.csv")
    assert said(load(file)) == [(2, 19, "config.wrong_type")]


@pytest.mark.parametrize(
    "known",
    [None, [], "int32", {"type": "int33"}, {"type": 5}, {"scale": 0.001}, {"scale": "0.001"},
     {"unit": None}, {"length": "4"}, {"signed": 1}, {"labels": {"0": "off"}}, {"nonsense": 1},
     {5: 1}, {"every": 10**9}, {"address": 3, "type": []}],
)  # fmt: skip
def test_driver_when_it_knows_what_no_tag_can_have_then_said_at_the_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: object
) -> None:
    monkeypatch.setattr(type(DRIVER), "known", lambda self, address: known)
    found = said(load(write(tmp_path, METER)))
    assert [each[2] for each in found if each[2] != "link.port_missing"] == ["config.known"]


def test_driver_when_what_it_knows_wrong_is_written_then_that_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = {"type": "int32", "scale": 0.1, "unit": "V"}
    monkeypatch.setattr(type(DRIVER), "known", lambda self, address: wrong)
    text = METER.replace('"02010100" }', '"02010100", scale = 0.1 }')
    loaded = load(write(tmp_path, text))
    assert loaded.config is not None
    (tag,) = loaded.config.devices[0].tags
    assert (tag.type, tag.scale, tag.unit) == ("int32", Decimal("0.1"), "V")
