"""gateway.toml and the folder conf.d beside it: what of it is read, and what only looks as if."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

from gateway.config.problems import Located, Problems
from gateway.config.source import Source
from gateway.messages import some
from gateway.system_errors import reason


def read_files(path: Path, problems: Problems) -> Iterator[Source]:
    """The main file, then those of conf.d; what can't be read is said."""
    extra = [each for each in _entries(path, problems) if each.suffix == ".toml"]
    for each in (path, *extra):
        try:
            source = Source.read(each)
        except FileNotFoundError:
            args = {"path": str(each)}
            problems.append(Located(str(each), 0, 0, "error", _absent(each, args), args))
        except OSError as error:
            problems.append(_unreadable(each, error))
        else:
            problems.extend(source.problems)
            yield source


def _entries(path: Path, problems: Problems) -> list[Path]:
    """What stands in conf.d beside the main file, in name order."""
    folder = path.parent / "conf.d"
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        problems.append(_unreadable(folder, error))
        return []


def _absent(path: Path, args: dict[str, str]) -> str:
    """What is said of a file that is not there; its neighbour may have a slip in its name."""
    try:
        beside = sorted(each.name for each in path.parent.iterdir())
    except OSError:
        return "config.not_found"
    meant = [name for name in beside if name.lower().startswith(path.name.lower())]
    if not meant or path.name in meant:
        return "config.not_found"
    args["found"] = str(path.parent / meant[0])
    return "config.not_found_near"


def judge_ignored(path: Path, used: Iterable[Path], problems: Problems) -> None:
    """What stands in conf.d as if it were read. Leftovers of editors are none of that."""
    known = {each.absolute() for each in used}
    ignored = [
        each
        for each in _entries(path, Problems())
        if each.suffix != ".toml" and each.absolute() not in known
        if not each.name.startswith((".", "#")) and not each.name.endswith("~")
    ]
    if ignored:
        first = ignored[0]
        stem = re.split(r"(?i)\.(?:toml|conf|cfg|ini|tml|txt|ya?ml|json|bak)\b", first.name)[0]
        names = some([each.name for each in ignored])
        args = {
            "names": names,
            "found": shlex.quote(str(first)),
            "meant": shlex.quote(str(first.with_name(f"{stem}.toml"))),
        }
        folder = str(first.parent)
        problems.append(Located(folder, 0, 0, "warning", "config.not_read", args))


def _unreadable(path: Path, error: OSError) -> Located:
    args = {"path": str(path), "error": reason(error)}
    return Located(str(path), 0, 0, "error", "config.unreadable", args)
