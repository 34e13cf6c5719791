"""Cells of a table of points that are neither text nor number."""

from __future__ import annotations

from pathlib import Path

from gateway.config import load
from tests.unit.test_config import DEVICE, HEAD, said, write


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
