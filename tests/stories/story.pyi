from collections.abc import Sequence

from native.engine.link import Link
from native.rows.group import Group

class Story:
    lines: list[str]
    happened: dict[str, int]
    asked: int
    def __init__(
        self,
        link: Link,
        kind: int,
        seed: int,
        devices: int,
        told: bool = ...,
        guests: Sequence[tuple[int, Group, str]] = ...,
    ) -> None: ...
    def run(self) -> str: ...
