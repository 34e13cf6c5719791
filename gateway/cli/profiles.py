"""`jiahe profiles`: the makes and models whose tags are shipped."""

from __future__ import annotations

import argparse
import sys
import tomllib
from typing import Any

from drivers import profiles
from gateway.cli.context import Context
from gateway.cli.table import cut, table


def main(context: Context, options: argparse.Namespace) -> int:
    found = [_about(name) for name in profiles.names()]
    if context.json:
        context.show_json(found)
        return 0
    title = "title_zh" if context.lang == "zh" else "title"
    heads = [context.words(f) for f in ("cli.profile", "cli.driver", "cli.tags", "cli.title")]
    rows = [
        [cut(each["name"], 24), each["driver"], str(each["tags"]), each[title] or each["title"]]
        for each in found
    ]
    sys.stdout.write("\n".join(table(heads, rows, right=[2])) + "\n")
    return 0


def _about(name: str) -> dict[str, Any]:
    data = tomllib.loads(profiles.find(name).read_text("utf-8"))
    about = data["profile"]
    return {
        "name": name,
        "title": about["title"],
        "title_zh": about.get("title_zh", ""),
        "driver": about["driver"],
        "tags": len(data.get("tags", {})),
        "source": about.get("source", ""),
        "confidence": about.get("confidence", ""),
    }
