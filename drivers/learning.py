"""What else a device teaches whose answers have parts of their own, on connections that grant
something (`drivers.scan`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from drivers.api import Learning


@runtime_checkable
class Explaining(Protocol):
    """A `Learning` that knows more of what fails than `Speaker.cause` says."""

    def cause(self, quality: int, code: int) -> dict[str, Any] | None:
        """What is said of it; None: nothing more."""


@runtime_checkable
class PartLearning(Learning, Explaining, Protocol):
    """A `Learning` that is told more."""

    def answered_in_part(self, spec: bytes, good: Sequence[int]) -> None:
        """Some parts of that request were good in the newest row."""

    def refused_part(self, spec: bytes, part: int, code: int) -> None:
        """What the protocol told of an answer of which not all was well, in its own words."""

    def granted(self, what: int) -> None:
        """A new connection was granted something else than the last, in the protocol's words."""

    def beside(self) -> dict[str, Any] | None:
        """What is wrong with the device besides what its tags show."""
