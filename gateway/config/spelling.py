"""How things are written in the files, for remedies that can be typed as they stand."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

#: Characters of a name of a link, a device or a tag.
NAME_MAX = 64
_UNIT = re.compile(r"\{unit(?::0?[1-9])?\}")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
#: `type = "bool"` as remedies show it: key, then a text, a table or a bare value.
_ASSIGNED = re.compile(r'\b([a-z_]+) = ("[^"]*"|\{[^}]*\}|[^\s；;，,)）]+)')
_CELL = {"zh": "{key} 列填 {value}", "en": "{value} in column {key}"}


def key(name: str) -> str:
    """A name as a key of TOML."""
    return name if _BARE.fullmatch(name) else _text(name)


def _text(written: str) -> str:
    """In quotes; what JSON escapes TOML does, in the same way."""
    return json.dumps(written, ensure_ascii=False)


def header(path: Iterable[str | int]) -> str:
    """The header of the table at `path`, its names in quotes where they need them."""
    return f"[{'.'.join(key(part) for part in path if isinstance(part, str))}]"


def value(written: Any) -> str:
    """A value as TOML has it."""
    if isinstance(written, bool):
        return "true" if written else "false"
    if isinstance(written, dict):
        return (
            f"{{ {', '.join(f'{key(name)} = {value(each)}' for name, each in written.items())} }}"
        )
    if isinstance(written, list):
        return f"[{', '.join(map(value, written))}]"
    if isinstance(written, str):
        return _text(written)
    return str(written)


def listed(choices: Iterable[str]) -> str:
    """Texts to choose from."""
    return ", ".join(f'"{choice}"' for choice in choices)


def allowed_name(name: str) -> str:
    """The nearest that may be a name; what stands for a unit number stays."""
    parts = [_allowed(part) for part in _UNIT.split(name)]
    return "-".join(filter(None, [*parts, *_UNIT.findall(name)])) or "a1"


def _allowed(part: str) -> str:
    kept = "".join(sign if sign.isalnum() or sign in "-_" else " " for sign in part)
    return re.sub(r"-*\s+-*", "-", kept.strip())[:NAME_MAX].strip("-")


def cells(remedy: str, lang: str) -> str:
    """A remedy for a file in TOML as it is for a table: what is typed goes into a cell, without
    quotes.
    """
    form = _CELL["zh" if lang == "zh" else "en"]
    words = _ASSIGNED.sub(lambda found: form.format(key=found[1], value=_cell(found[2])), remedy)
    return re.sub(r'"([^"\s][^"]*)"', r"\1", words)


def _cell(value: str) -> str:
    """{ 0 = "manual", 1 = "auto" } is 0=manual;1=auto there."""
    if value.startswith("{"):
        pairs = (pair.replace('"', "").split("=") for pair in value.strip("{ }").split(","))
        return ";".join(f"{number.strip()}={label.strip()}" for number, label in pairs)
    return value.strip('"')
