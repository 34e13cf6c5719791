"""Tags from a table: CSV as Excel saves it, headings in English or Chinese.

UTF-8 with or without byte order mark, or GB18030 (what Excel in China writes unless told "CSV
UTF-8"); commas, semicolons or tabs. One row a tag; empty cells are left out.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from gateway.config.positions import Path, Spot
from gateway.config.problems import Located, Problems, Severity
from gateway.config.schema import TAG
from gateway.config.source import BLANKED, CONTROL, SIZE_MAX
from gateway.config.units import show_size
from gateway.files import Inode

#: Heading to key. `name` is the tag's name, `space` goes before a bare number in `address`.
HEADINGS: Mapping[str, str] = {
    **{key: key for key in ("name", "space", *TAG)},
    "点位": "name", "名称": "name", "标签": "name", "tag": "name", "变量名": "name",
    "功能区": "space", "寄存器类型": "space", "地址": "address", "寄存器地址": "address",
    "类型": "type", "数据类型": "type", "字节序": "order", "倍率": "scale", "系数": "scale",
    "偏移": "offset", "单位": "unit", "周期": "every", "采集周期": "every", "死区": "deadband",
    "上报": "report", "长度": "length", "有符号": "signed", "编码": "encoding", "对照": "labels",
    "分辨率": "resolution",
    "至少": "at_least", "无效值": "no_value",
    "无数值": "no_value", "下限": "min", "上限": "max", "说明": "description",
    "备注": "description",
}  # fmt: skip
_SPACES = {
    "保持寄存器": "holding", "输入寄存器": "input", "线圈": "coil", "离散输入": "discrete",
    "03": "holding", "3": "holding", "04": "input", "4": "input", "01": "coil", "1": "coil",
    "02": "discrete", "2": "discrete",
}  # fmt: skip


class PointTable:
    """A CSV file that was read. `data` is tag name to its keys, as TOML would have given it."""

    def __init__(self, file: str, raw: bytes, inode: Inode | None = None) -> None:
        self.file = file
        self.inode = inode
        self.problems = Problems()
        self.data: dict[str, dict[str, Any]] = {}
        self._lines_of: dict[str, int] = {}  # of tags
        self._heads: list[str] = []
        self._delimiter = ","
        if len(raw) > SIZE_MAX:
            self._problem(Spot(0, 0), "config.too_big", limit=show_size(SIZE_MAX))
            raw = b""
        self._text = _decode(raw)
        self._lines = self._text.split("\n")
        self._clean()
        self._read()

    def located(
        self,
        at: Path | Spot,
        message: str,
        /,
        *,
        at_value: bool = False,
        severity: Severity = "error",
        **args: Any,
    ) -> Located:
        """A problem at a path (tag, key), or at a spot; a cell is its own key and value."""
        spot = at if isinstance(at, Spot) else self._spot(at)
        if message == "config.missing":
            message = "config.cell_empty"
        line = self._lines[spot.line - 1] if spot.line else ""
        return Located(
            self.file, spot.line, spot.column, severity, message, args, line, in_table=True
        )

    def lost(self, path: Path) -> set[str]:
        """Nothing of a table is taken out."""
        return set()

    def is_header(self, path: Path) -> bool:
        """A table has none."""
        return False

    def where(self, path: Path) -> str:
        spot = self._spot(path)
        return f"{self.file}:{spot.line}:{spot.column}"

    def _spot(self, path: Path) -> Spot:
        """The cell of a tag's key, else its first one."""
        line = self._lines_of.get(str(path[0])) if path else None
        if line is None:
            return Spot(1, 1)
        key = path[1] if len(path) > 1 and path[1] in self._heads else "name"
        return Spot(line, self._column(line, str(key)))

    def _column(self, line: int, key: str) -> int:
        index = self._heads.index(key)
        return _columns(self._lines[line - 1], self._delimiter)[index] if index else 1

    def _problem(self, spot: Spot, message: str, **args: Any) -> None:
        self.problems.append(self.located(spot, message, **args))

    def _clean(self) -> None:
        """Say what control characters there are, and full-width signs between the cells; read what
        was meant.
        """
        if not self._text.replace("\n", "").isprintable():
            for number, line in enumerate(self._lines, 1):
                if (found := CONTROL.search(line)) and not self.problems.are_enough:
                    code = f"U+{ord(found[0]):04X}"
                    spot = Spot(number, found.start() + 1)
                    self._problem(spot, "config.control_character", code=code)
            self._text = self._text.translate(BLANKED)
        head = self._lines[0]
        wide = next((sign for sign in "，；" if sign in head), "")
        if wide and not any(sign in head for sign in ",;\t"):
            spot, wanted = Spot(1, head.index(wide) + 1), head.replace(wide, ",")
            self._problem(spot, "config.csv_full_width", found=wide, wanted=wanted)
            self._text = self._text.replace(wide, ",")

    def _read(self) -> None:
        delimiter = max(",;\t", key=self._text.partition("\n")[0].count)
        csv.field_size_limit(SIZE_MAX)  # a cell of labels may be long; the file is bounded
        rows = csv.reader(io.StringIO(self._text, newline=""), delimiter=delimiter)
        try:
            heads = self._headings(next(rows, []), delimiter)
            if heads is None:
                return
            self._heads, self._delimiter = heads, delimiter
            line = rows.line_num
            for row in rows:
                if self.problems.are_enough:
                    break
                self._row(row, rows.line_num)
            if not self.data and not self.problems:
                self._problem(Spot(max(1, line), 1), "config.csv_empty")
        except csv.Error as error:
            self._problem(Spot(max(1, rows.line_num), 1), "config.csv_syntax", error=str(error))

    def _headings(self, row: list[str], delimiter: str) -> list[str] | None:
        known = ", ".join(("name", "space", *TAG))
        heads = [HEADINGS.get(cell.strip(), HEADINGS.get(cell.strip().lower(), "")) for cell in row]
        if not any(heads):
            example = delimiter.join(("name", "address", "type"))
            self._problem(Spot(1, 1), "config.csv_no_headings", example=example, known=known)
            return None
        columns = _columns(self._lines[0], delimiter)
        for cell, head, column in zip(row, heads, columns, strict=False):
            if not head and cell.strip():
                self._problem(Spot(1, column), "config.csv_unknown", key=cell.strip(), known=known)
        missing = [key for key in ("name", "address", "type") if key not in heads]
        for key in missing:
            self._problem(Spot(1, 1), "config.csv_heading", key=key, known=known)
        return None if missing else heads

    def _row(self, row: list[str], line: int) -> None:
        cells = {
            head: cell
            for head, text in zip(self._heads, row, strict=False)
            if head and (cell := text.strip())
        }
        if not cells or row[0].lstrip().startswith("#"):
            return
        name = cells.pop("name", "")
        if not name or name in self.data:
            spot = Spot(line, self._column(line, "name"))
            if name:
                self._problem(spot, "config.twice_name", name=name, first=self.where((name,)))
            else:
                self._problem(spot, "config.missing", key="name", example="name = t1")
            return
        self._lines_of[name] = line
        space = cells.pop("space", "")
        tag = {key: _value(key, cell) for key, cell in cells.items()}
        if space and ":" not in str(tag.get("address", ":")):
            tag["address"] = f"{_SPACES.get(space, space)}:{tag['address']}"
        self.data[name] = tag


def _decode(raw: bytes) -> str:
    raw = raw.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("gb18030", errors="replace")


def _columns(line: str, delimiter: str) -> list[int]:
    """Where each cell of a line starts, from 1."""
    cell = re.compile(rf'(?:"(?:[^"]|"")*"?|[^{re.escape(delimiter)}])*')
    columns, at = [], 0
    while True:
        columns.append(at + 1)
        match = cell.match(line, at)
        at = match.end() if match else len(line)
        if at >= len(line):
            return [*columns, *[len(line) + 1] * 64]
        at += 1


#: Booleans as spreadsheets write them.
_BOOLS = {"true": True, "1": True, "是": True, "false": False, "0": False, "否": False}


def _value(key: str, cell: str) -> Any:
    """A cell as TOML would have given it; what cannot be converted stays text, and is refused."""
    kind = TAG[key].kind
    try:
        if kind == "int":
            return int(cell)
        if kind == "decimal" or (kind == "deadband" and not cell.endswith("%")):
            return Decimal(cell)
    except (ValueError, InvalidOperation):
        return cell
    if kind == "bool":
        return _BOOLS.get(cell.lower(), cell)
    if kind == "labels":
        pairs = (part.partition("=") for part in re.split(r"[;；]", cell) if part.strip())
        return {number.strip(): label.strip() for number, _, label in pairs}
    if kind == "raws":
        return [part.strip() for part in re.split(r"[;；]", cell) if part.strip()]
    if kind == "choice" and key == "type":
        return cell.lower()
    return cell.upper() if key == "order" else cell
