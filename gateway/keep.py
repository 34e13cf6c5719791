"""`learned.json` beside the buffer: limits and holes that the drivers found, kept over restarts.

A convenience, not a promise: without it everything is learned again. So a file that can't be read
or written is said and otherwise does no harm.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_log = logging.getLogger(__name__)

NAME = "learned.json"
#: A thousand devices with a few holes each.
SIZE_MAX = 4 << 20


class Kept:
    """The file, and what it last held."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / NAME
        self._held: Mapping[str, Any] = {}

    def load(self) -> Mapping[str, Any]:
        """What was kept, by device; empty when there is nothing, or nothing that can be read."""
        try:
            if self._path.stat().st_size > SIZE_MAX:
                raise ValueError("larger than it can be")
            found = json.loads(self._path.read_text(encoding="utf-8"))
            if not isinstance(found, dict):
                raise ValueError("no object")
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            _log.warning("%s is left out: %s; limits are learned again", self._path, error)
            return {}
        self._held = found
        return found

    def save(self, learned: Mapping[str, Any]) -> None:
        """Replace the file if anything changed. May wait for the disk."""
        if learned == self._held:
            return
        fresh = self._path.with_suffix(".new")
        try:
            with fresh.open("w", encoding="utf-8") as file:
                json.dump(learned, file, ensure_ascii=False, indent=1, sort_keys=True)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
        except OSError as error:
            _log.warning("%s can't be written: %s", self._path, error)
            return
        self._held = dict(learned)
