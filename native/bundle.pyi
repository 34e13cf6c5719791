from collections.abc import Collection, Sequence

LEVEL: int

def bundle(
    blocks: Sequence[bytes], features: Collection[int] = ..., level: int = ...
) -> bytes: ...
