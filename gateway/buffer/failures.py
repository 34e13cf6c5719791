"""What the disk fails to read: asked again later, or gone for good."""

from __future__ import annotations

from collections.abc import Hashable

from gateway.buffer.segment import MEDIUM_ERRORS
from gateway.ports import Clock

#: What the medium fails to read so often counts as damaged; each time this long after the one
#: before, however often it is tried meanwhile: a card may refuse everything while it is reset.
READ_FAILURES_MAX, APART_NS = 3, 60 * 10**9


class Failures:
    """How often each thing, by its name, could not be read."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failed: dict[Hashable, tuple[int, int]] = {}  # how often, and when last

    def is_gone(self, name: Hashable, error: OSError) -> bool:
        """Count one more failure, if it is one; whether that was the last."""
        if isinstance(error, FileNotFoundError):  # somebody else removed it: as good as damaged
            return True
        if error.errno not in MEDIUM_ERRORS:
            return False
        now_ns = self._clock.now_ns()
        count, last_ns = self._failed.get(name, (0, 0))
        if count == 0 or now_ns - last_ns >= APART_NS:
            count += 1
            self._failed[name] = count, now_ns
        return count >= READ_FAILURES_MAX

    def forget(self, name: Hashable) -> None:
        """It was read, or is gone."""
        self._failed.pop(name, None)
