"""The configuration: read, checked against one table, every mistake at once, each at its place.

`load(path)` reads `gateway.toml` and the `conf.d/*.toml` beside it and returns either a
`GatewayConfig` or the list of everything that is wrong, as messages with file, line and column.

    reserved    keys that later versions will have
    positions   where each key and value stands in TOML text (tomllib does not say)
    folder      which files are read
    source      one file as text, data and positions; mends what it can, to find later mistakes too
    units       "500 ms", "2 GiB", "5 GB/month"
    schema      the table of all keys: kind, unit, range, default, help
    values      one value against its key of the schema
    check       one TOML table against its schema table
    links       links out of checked tables
    build       devices out of checked tables: ranges, profiles, defaults
    narrow      what was meant by full-width signs
    spelling    how things are written, for remedies
    points      tags from a CSV table
    model       the result
    sections    tables that there is one of, judged
    loading     all of them into one configuration, or into what is wrong
    capacity    whether all of it can be delivered
    problems    a mistake and its rendering; alike ones as one
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.config.loading import Loaded, load
    from gateway.config.model import GatewayConfig
    from gateway.config.problems import Located, remedy_of, render

__all__ = ["GatewayConfig", "Loaded", "Located", "load", "remedy_of", "render"]

_HOMES = {
    "GatewayConfig": "model", "Loaded": "loading", "Located": "problems", "load": "loading",
    "remedy_of": "problems", "render": "problems",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """Found when asked for: the daemon takes `units` and `model` from here, and reads no file."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = import_module(f"{__name__}.{_HOMES[name]}")
    globals()[name] = getattr(home, name)
    return globals()[name]
