"""Tags that are written in a device itself, or as a list: reported, and taken for what they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.config import spelling
from gateway.config.check import Place
from gateway.config.problems import Problems
from gateway.config.schema import Table
from gateway.config.units import is_absurd


def with_its_tags(
    place: Place, data: Mapping[str, Any], table: Table, problems: Problems
) -> Mapping[str, Any]:
    """The device's table with the tags that stand beside its keys, or in a list, where they
    belong; each such place is an error.
    """
    if isinstance(rows := data.get("tags"), list):
        return {**data, "tags": _of_list(place, rows, problems)}
    outside = {name: value for name, value in data.items() if name not in table and _is_tag(value)}
    if not outside:
        return data
    name = next(iter(outside))
    head = (*place.path, "tags")
    if place.has_header(name):
        meant = spelling.header((*head, name))
        problems.append((place / name).error("config.tag_header", tag=name, meant=meant))
    else:
        meant = spelling.header(head)
        problems.append((place / name).error("config.tag_outside", tag=name, meant=meant))
    own = data.get("tags", {})
    tags = {**outside, **(own if isinstance(own, dict) else {})}
    return {key: value for key, value in data.items() if key not in outside} | {"tags": tags}


def _is_tag(value: object) -> bool:
    """An address is what tags alone have, a type with it."""
    return isinstance(value, dict) and "address" in value and "link" not in value


def _of_list(place: Place, rows: list[Any], problems: Problems) -> dict[str, Any]:
    """[[devices.NAME.tags]], as other programs have it: the tags by their names."""
    tags: dict[str, Any] = {}
    for number, row in enumerate(rows, 1):
        if isinstance(row, dict):
            name = spelling.allowed_name(str(row.get("name", row.get("名称", f"t{number}"))))
            tags[name] = {key: each for key, each in row.items() if key not in ("name", "名称")}
    header = spelling.header((*place.path, "tags"))
    name, tag = next(iter(tags.items()), ("t1", {"address": "holding:0", "type": "int16"}))
    written = {key: each for key, each in tag.items() if not is_absurd(each)}  # said where it is
    first = f"{spelling.key(name)} = {spelling.value(written)}"
    problems.append((place / "tags").error("config.tags_list", header=header, first=first))
    return tags
