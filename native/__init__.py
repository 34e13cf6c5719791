"""The compiled floor: everything between the wire and a sealed block, without the GIL.

For sale to the floors above: `crc` (checksums), `group.Group` (a plan with its row store),
`link.Link`, `loop.Loop` (the scan thread), `block.Sealer` (row stores to numbered blocks),
`latest.latest` (the newest row as Python values); for tools and tests `port.Port` (one wire) and
`modbus.Codec` (sans-IO frames). Everything else is private to it.
"""

import importlib.util

if importlib.util.find_spec("native.crc") is None:
    raise ImportError(
        "Jiahe's native code is not built. Run `make setup` in the project's folder "
        "(it needs gcc, python3-dev, libzstd-dev and libssl-dev, and installs them when it may)."
    )
