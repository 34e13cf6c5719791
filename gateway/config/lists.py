"""[[devices]] and [[links]], as other programs have them: reported, and taken by their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.config import spelling
from gateway.config.check import Place
from gateway.config.problems import Problems

#: What people call the name of one.
_NAMES = ("name", "名称", "id")


def by_name(place: Place, data: Mapping[str, Any], problems: Problems) -> dict[str, Any]:
    """The tables of a file, with those of such lists under their names."""
    made = dict(data)
    for table in ("links", "devices"):
        rows = made.get(table)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            continue
        named: dict[str, Any] = {}
        for number, row in enumerate(rows, 1):
            known = next((key for key in _NAMES if isinstance(row.get(key), str)), "")
            name = spelling.allowed_name(row[known]) if known else f"{table[:-1]}-{number}"
            named[name] = {key: value for key, value in row.items() if key != known}
        first = spelling.header((table, next(iter(named), "NAME")))
        problems.append((place / table).error("config.list_of_tables", table=table, meant=first))
        made[table] = named
    return made
