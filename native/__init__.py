"""The compiled floor: everything between the wire and a sealed block, without the GIL.

`wire` carries bytes, `engine` asks and accounts, `modbus`, `dlt645` and `s7` know frames, `rows`
keeps what was read until `block` seals it. For the floors above: `crc` (checksums),
`rows.group.Group` (a plan with its row store), `engine.link.Link`, `engine.loop.Loop` (the scan
thread), `block.seal.Sealer` (row stores to numbered blocks), `block.latest` (the newest row as
Python values); for tools and tests `wire.port.Port` (one wire) and the `codec.Codec` of each
protocol (sans-IO frames).
"""

import importlib.util
from pathlib import Path

if importlib.util.find_spec("native.crc") is None:
    raise ImportError(
        "Jiahe's native code is not built. Run `make setup` in the project's folder "
        "(it needs gcc, python3-dev, libzstd-dev and libssl-dev, and installs them when it may)."
    )


def headers() -> str:
    """The folder that a protocol from elsewhere gives Cython as its `include_path`."""
    return str(Path(__file__).resolve().parent.parent)
