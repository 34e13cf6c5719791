"""The newest values of groups whose rows Python made, for `jiahe watch`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from native.block.latest import latest
from native.rows.group import Group


def newest(groups: Iterable[Group], causes: Mapping[int, str]) -> list[dict[str, Any]]:
    """As `drivers.api.OpenedLinks.latest` gives them. `causes`: what is wrong, by quality."""
    found = []
    for group in groups:
        row = latest(group)
        values = row[1] if row else [(None, 0)] * len(group.plan.tags)
        for tag, (raw, quality) in zip(group.plan.tags, values, strict=True):
            time_ns = row[0] if row else 0
            one = {"tag": tag, "raw": raw, "quality": quality, "time_ns": time_ns}
            found.append(one | {"said": causes.get(quality)})
    return found
