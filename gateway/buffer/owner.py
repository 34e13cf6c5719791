"""Whose buffer it is, for whom only looks: nothing is locked, made or mended."""

from __future__ import annotations

import json
from pathlib import Path

from gateway.buffer.state import unsealed


def owner(file: Path) -> str | None:
    """The gateway whose `state` this is; None where it is gone, or damaged, which the daemon sees
    to. Raises no OSError.
    """
    try:
        text = unsealed(file.read_bytes())
    except OSError:
        return None
    found = None if text is None else json.loads(text).get("gateway")
    return found if isinstance(found, str) else None
