"""Whether the configuration files are still those that the daemon was started with."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

_Stamp = tuple[int, int, int]


class Files:
    """The files of a configuration as they were; `changed` looks again."""

    def __init__(self, main: Path, read: Iterable[Path]) -> None:
        """`read` are those that were loaded, `main` among them."""
        self._main = main
        self._stamps = {path: _stamp(path) for path in read}

    def changed(self) -> list[str]:
        """Names of files that are other, gone or new since. A look at each; nothing is read."""
        here = {self._main, *(self._main.parent / "conf.d").glob("*.toml")}
        return sorted(
            path.name
            for path in here | self._stamps.keys()
            if path not in self._stamps or _stamp(path) != self._stamps[path]
        )


def _stamp(path: Path) -> _Stamp | None:
    """None: it is not there, or is out of sight."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
