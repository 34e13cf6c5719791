"""What the disk fails to read: asked again later, or gone for good."""

from __future__ import annotations

from collections.abc import Hashable

from gateway.buffer.segment import MEDIUM_ERRORS

#: What the medium fails to read so often, each time after a while, counts as damaged.
READ_FAILURES_MAX = 3


class Failures:
    """How often each thing, by its name, could not be read."""

    def __init__(self) -> None:
        self._counts: dict[Hashable, int] = {}

    def is_gone(self, name: Hashable, error: OSError) -> bool:
        """Count one more failure; whether that was the last."""
        if isinstance(error, FileNotFoundError):  # somebody else removed it: as good as damaged
            return True
        if error.errno not in MEDIUM_ERRORS:
            return False
        count = self._counts[name] = self._counts.get(name, 0) + 1
        return count >= READ_FAILURES_MAX

    def forget(self, name: Hashable) -> None:
        """It was read, or is gone."""
        self._counts.pop(name, None)
