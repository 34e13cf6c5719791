"""The reference of all keys and limits in docs/configuration*.md, written from the schema and from
the table of sizes.

`python -m gateway.config.reference` rewrites what stands between the markers of both pages; a test
fails when they are out of date.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from jiahe.ingest import limits

from drivers import registry
from drivers.keys import Key
from gateway.config import reserved
from gateway.config.schema import (
    BOX,
    BUFFER,
    DEVICE,
    FILE,
    GATEWAY,
    LINK,
    LINK_TLS,
    PLATFORM,
    PROFILE,
    TAG,
    UPLINK,
    Table,
)
from gateway.config.source import SIZE_MAX
from gateway.config.spelling import NAME_MAX
from gateway.config.units import show_duration, show_size
from gateway.messages import text

KEYS = "<!-- keys: from gateway/config/schema.py -->", "<!-- end of keys -->"
LIMITS = "<!-- limits: from proto/limits.py -->", "<!-- end of limits -->"
PAGES = {"en": "configuration.md", "zh": "configuration.zh-CN.md"}


def _keys_of_drivers(in_profiles: bool = False) -> Table:
    """What devices, or profiles, have that one driver alone reads, with its name."""
    return {
        key.name: replace(key, only=(name,))
        for name in registry.ours()
        for key in registry.get(name).keys
        if key.in_profiles or not in_profiles
    }


_TABLES: tuple[tuple[str, Table], ...] = (
    ("", {"version": FILE["version"]}),
    ("[gateway]", GATEWAY),
    ("[platform]", PLATFORM),
    ("[uplinks.NAME]", UPLINK),
    ("[buffer]", BUFFER),
    ("[box]", BOX),
    ("[links.NAME]", LINK),
    ("[links.NAME.tls]", LINK_TLS),
    ("[devices.NAME]", {**DEVICE, **_keys_of_drivers()}),
    ("[devices.NAME.tags]", TAG),
    ("[profile]", {**PROFILE, **_keys_of_drivers(in_profiles=True)}),
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
    return "\n".join([*parts, _reserved(lang)])


def _reserved(lang: str) -> str:
    """What a later version will have."""
    heading, key, purpose = {
        "en": ("Reserved for later versions", "name", "for"),
        "zh": ("留给以后的版本", "名称", "用途"),
    }[lang]
    names = [
        (f"{title} {name}".strip(), message)
        for title, _, keys in reserved.KEYS
        for name, message in keys.items()
    ]
    names += [
        (f'{name} = "{value}"', message)
        for name, values in reserved.VALUES.items()
        for value, message in values.items()
    ]
    rows = "".join(f"| `{name}` | {text(message, lang)} |\n" for name, message in names)
    return f"### {heading}\n\n| {key} | {purpose} |\n|---|---|\n{rows}"


def rewritten(page: str, lang: str) -> str:
    """The page with its references up to date."""
    for (first, last), made in ((LIMITS, limits_table(lang)), (KEYS, reference(lang))):
        before, _, rest = page.partition(first)
        _, _, after = rest.partition(last)
        page = f"{before}{first}\n\n{made}\n{last}{after}"
    return page


def limits_table(lang: str) -> str:
    """A Markdown table of what one gateway may have."""
    head = {"en": "| of | at most |", "zh": "| 什么 | 最多 |"}[lang]
    rows = (f"| {zh if lang == 'zh' else en} | {most} |" for en, zh, most in _limits(lang))
    return "\n".join((head, "|---|---|", *rows)) + "\n"


def _limits(lang: str) -> Iterator[tuple[str, str, str]]:
    """English, Chinese, how much."""
    sizes = "{} bytes" if lang == "en" else "{} 字节"
    letters = "{} characters" if lang == "en" else "{} 个字符"
    yield "links", "链路", f"{limits.LINKS_MAX:,}"
    yield "tags of all devices together", "全部设备的标签之和", f"{limits.TAGS_MAX:,}"
    yield (
        "groups: a device's tags of one period",
        "组：一台设备里周期相同的标签",
        f"{limits.GROUPS_MAX:,}",
    )
    yield "the name of a device or tag", "设备名、标签名", letters.format(NAME_MAX)
    yield (
        "a text: `site`, `unit`, `address` …",
        "一段文字：`site`、`unit`、`address` 等",
        sizes.format(limits.TEXT_BYTES_MAX),
    )
    yield "`labels` of one tag", "一个标签的 `labels`", f"{limits.LABELS_MAX:,}"
    yield "the text of a label", "一个 label 的文字", sizes.format(limits.LABEL_BYTES_MAX)
    yield (
        "the digits of a decimal, with its point",
        "小数的位数，连小数点",
        str(limits.DECIMAL_CHARS_MAX),
    )
    yield (
        "names, units and labels of a device's tags of one period",
        "一台设备里周期相同的标签的名称、单位和 labels",
        show_size(limits.TAG_SET_BYTES_MAX),
    )
    yield (
        "the same of everything; devices that share a profile or a table count once",
        "全部加起来；共用模板或标签表的设备只算一次",
        show_size(limits.CATALOG_BYTES_MAX),
    )
    yield "a file", "一个文件", show_size(SIZE_MAX)


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
