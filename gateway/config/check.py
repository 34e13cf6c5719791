"""One TOML table against its table of the schema: every mistake at once, values in base units."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from gateway.config import reserved, spelling
from gateway.config.meant import with_item
from gateway.config.positions import Path, Spot
from gateway.config.problems import Located, Problems, Severity
from gateway.config.schema import TABLES, Table
from gateway.config.synonyms import SYNONYMS
from gateway.config.values import WrongError, convert, nearest

#: After so many problems no more names are guessed at: each guess takes as long as reading a page.
GUESSES_MAX = 500


class Origin(Protocol):
    """A file that values came from: it knows where each stands."""

    file: str

    def located(
        self,
        at: Path | Spot,
        message: str,
        /,
        *,
        at_value: bool = False,
        severity: Severity = "error",
        **args: Any,
    ) -> Located: ...

    def lost(self, path: Path) -> set[str]: ...

    def where(self, path: Path) -> str: ...

    def is_header(self, path: Path) -> bool: ...


class Place(NamedTuple):
    """A path in a file."""

    origin: Origin
    path: Path

    def __truediv__(self, part: str | int) -> Place:
        return Place(self.origin, (*self.path, part))

    def error(self, message: str, **args: Any) -> Located:
        """A problem that is shown at the key."""
        return self.origin.located(self.path, message, **args)

    def value_error(self, message: str, **args: Any) -> Located:
        """A problem that is shown at the value."""
        return self.origin.located(self.path, message, at_value=True, **args)

    def warning(self, message: str, **args: Any) -> Located:
        return self.origin.located(self.path, message, at_value=True, severity="warning", **args)

    def where(self) -> str:
        return self.origin.where(self.path)

    def has_header(self, part: str) -> bool:
        """Whether a table in this one has a header of its own."""
        return self.origin.is_header((*self.path, part))

    def lost(self) -> set[str]:
        """Keys of this table whose line is mistaken, which was reported: they are not missing."""
        return self.origin.lost(self.path)


def check_table(
    place: Place, data: Mapping[str, Any], table: Table, problems: Problems
) -> dict[str, Any]:
    """The values of the known keys that are given and right; all else becomes a problem."""
    checked: dict[str, Any] = {}
    for name, value in data.items():
        if problems.are_enough:
            break
        key = table.get(name)
        if key is None:
            problems.append(_unknown(place / name, name, table, len(problems)))
            continue
        if purpose := reserved.of_value(name, value):
            said = {"id": purpose, "args": {}}
            problems.append(
                (place / name).value_error("config.reserved_value", value=value, purpose=said)
            )
            continue
        try:
            checked[name] = convert(key, value)
        except WrongError as wrong:
            problems.append((place / name).value_error(wrong.message, **wrong.arguments))
    return checked


def complete(
    place: Place,
    data: Iterable[str],
    checked: dict[str, Any],
    table: Table,
    problems: Problems,
    examples: Mapping[str, str] = MappingProxyType({}),
) -> bool:
    """Fill `checked` with the defaults; whether all that is required is there.

    `data` are the keys that were written, so that a wrong value is not missing as well. `examples`
    suit this table better than those of its keys.
    """
    whole = True
    for name, key in table.items():
        if name in checked or key.kind == "table":
            whole = whole and (name in checked or not key.required)
        elif not key.required:
            checked[name] = key.default
        else:
            whole = False
            if name not in place.lost() and not _was_meant(name, list(data), table):
                example = f"{name} = {examples.get(name, key.example)}"
                problems.append(missing(place, name, example))
    return whole


def _was_meant(name: str, data: Sequence[str], table: Table) -> bool:
    """Whether the key is there, under this or another spelling, which was reported."""
    if name in data or name in (SYNONYMS.get(said) for said in data):
        return True
    return name in (nearest(said, table) for said in islice(data, 100) if said not in table)


def missing(place: Place, name: str, example: str) -> Located:
    """The problem of a missing key, with what to type: a line, or the inline table with the key in
    it.
    """
    problem = place.error("config.missing", key=name, example=example)
    if not place.path or problem.in_table:
        return problem
    line = with_item(problem.source, str(place.path[-1]), example)
    return place.error("config.missing_inside", key=name, meant=line) if line else problem


def _unknown(place: Place, name: str, table: Table, before: int) -> Located:
    if purpose := reserved.of_key(table, name):
        return place.error("config.reserved", key=name, purpose={"id": purpose, "args": {}})
    habit = SYNONYMS.get(name, name)
    for meant in (name, habit):
        tables = [head for head, each in TABLES.items() if meant in each and habit not in table]
        if tables:
            where = ", ".join(tables)
            return place.error("config.key_elsewhere", key=name, meant=meant, where=where)
    if before < GUESSES_MAX and (near := nearest(name, table)):
        return place.error("config.unknown_key_near", key=name, near=near)
    return place.error("config.unknown_key", key=name, known=", ".join(table))


def without_dotted(
    place: Place, data: Mapping[str, Any], table: Table, problems: Problems
) -> Mapping[str, Any]:
    """Without the tables that a dot in a name made: [devices.cnc.1] is a table "1" in "cnc"."""
    inner = {
        name: value
        for name, value in data.items()
        if isinstance(value, dict) and name not in table and SYNONYMS.get(name) not in table
    }
    for name, value in inner.items():
        path = (*place.path, name)
        at = place / name
        while len(value) == 1 and isinstance(deeper := next(iter(value.values())), dict):
            (part,) = value
            if part in table:
                break
            path, at, value = (*path, part), at / part, deeper
        whole = spelling.allowed_name("-".join(str(part) for part in path[1:]))
        subtables = [part for part in value if part in table and at.has_header(part)]
        if len(subtables) < len(value):
            meant = spelling.header((path[0], whole))
            problems.append(at.error("config.dotted_name", meant=meant))
        for part in subtables:
            meant = spelling.header((path[0], whole, part))
            problems.append((at / part).error("config.dotted_name", meant=meant))
    return {name: value for name, value in data.items() if name not in inner}
