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
    capacity    whether all of it can be delivered
    problems    a mistake and its rendering; alike ones as one
"""

from gateway.config.load import Loaded, load
from gateway.config.model import GatewayConfig
from gateway.config.problems import Located, remedy_of, render

__all__ = ["GatewayConfig", "Loaded", "Located", "load", "remedy_of", "render"]
