"""The reference of all keys in docs/configuration*.md, written from the schema.

`python -m gateway.config.reference` rewrites what stands between the markers of both pages; a test
fails when they are out of date.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from gateway.config.schema import (
    BUFFER,
    DEVICE,
    FILE,
    GATEWAY,
    LINK,
    LINK_TLS,
    PLATFORM,
    PROFILE,
    PROFILE_TAG,
    TAG,
    Key,
    Table,
)
from gateway.config.units import show_duration, show_size

FIRST, LAST = "<!-- keys: from gateway/config/schema.py -->", "<!-- end of keys -->"
PAGES = {"en": "configuration.md", "zh": "configuration.zh-CN.md"}

_TABLES: tuple[tuple[str, Table], ...] = (
    ("", {"version": FILE["version"]}),
    ("[gateway]", GATEWAY),
    ("[platform]", PLATFORM),
    ("[buffer]", BUFFER),
    ("[links.NAME]", LINK),
    ("[links.NAME.tls]", LINK_TLS),
    ("[devices.NAME]", DEVICE),
    ("[devices.NAME.tags]", TAG),
    ("[profile]", PROFILE),
    ("[tags]", {name: PROFILE_TAG[name] for name in PROFILE_TAG if name not in TAG}),
)
_WORDS = {
    "en": ("key", "example", "default", "range", "meaning", "required", "only"),
    "zh": ("配置项", "例子", "默认", "范围", "含义", "必填", "仅"),
}


def reference(lang: str) -> str:
    """Markdown tables of every key."""
    key, example, default, allowed, meaning, *_ = _WORDS[lang]
    parts = []
    for title, table in _TABLES:
        heading = f"### `{title}`\n\n" if title else ""
        head = f"| {key} | {example} | {default} | {allowed} | {meaning} |\n|---|---|---|---|---|\n"
        rows = "".join(_row(each, lang) for each in table.values())
        parts.append(heading + head + rows)
    return "\n".join(parts)


def rewritten(page: str, lang: str) -> str:
    """The page with its reference up to date."""
    before, _, rest = page.partition(FIRST)
    _, _, after = rest.partition(LAST)
    return f"{before}{FIRST}\n\n{reference(lang)}\n{LAST}{after}"


def _row(key: Key, lang: str) -> str:
    *_, required, only = _WORDS[lang]
    default = required if key.required else _show(key, key.default)
    allowed = ", ".join(key.choices)
    if key.low is not None or key.high is not None:
        low, high = _show(key, key.low), _show(key, key.high)
        allowed = f"≥ {low}" if key.high is None else f"{low} … {high}"
    meaning = key.zh if lang == "zh" else key.en
    if key.only:
        meaning += f" ({only}: {', '.join(key.only)})"
    example = f"`{key.example}`" if key.example else ""
    cells = (f"`{key.name}`", example, default, allowed, meaning)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _show(key: Key, value: Any) -> str:
    if value is None or value in ("", {}):
        return ""
    if key.kind == "duration":
        return show_duration(value)
    if key.kind in ("size", "rate"):
        return show_size(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ", ".join(str(item) for item in value)
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def main() -> None:
    docs = Path(__file__).parents[2] / "docs"
    for lang, name in PAGES.items():
        page = docs / name
        page.write_text(rewritten(page.read_text("utf-8"), lang), "utf-8")


if __name__ == "__main__":
    main()
