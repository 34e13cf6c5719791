from collections.abc import Iterable
from typing import Any

from native.rows.group import Group

class Sealed:
    bad: int
    data: bytes
    epoch: int
    oldest_ns: int
    samples: int
    scans: int
    seq: int
    def __init__(
        self,
        epoch: int,
        seq: int,
        data: bytes,
        oldest_ns: int,
        scans: int,
        samples: int,
        bad: int,
    ) -> None: ...

class Sealer:
    wake_fd: int
    features: frozenset[int]
    def __init__(self, groups: Iterable[Group]) -> None: ...
    def restate(self) -> None: ...
    def seal(
        self, epoch: int, seq: int, revision: int, extra: bytes = b"", always: bool = False
    ) -> list[Sealed]: ...

def decompress(data: Any, size: int) -> bytes: ...
