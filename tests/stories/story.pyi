from native.engine.link import Link

class Story:
    lines: list[str]
    happened: dict[str, int]
    asked: int
    def __init__(
        self, link: Link, kind: int, seed: int, devices: int, told: bool = ...
    ) -> None: ...
    def run(self) -> str: ...
