"""The local control socket: how the command line asks the daemon. One JSON document a line.

    request    {"id": 1, "method": "status", "params": {}}
    answer     {"id": 1, "result": ...}
    or         {"id": 1, "error": {"id": "daemon.unknown_method", "args": {...}}}
    streams    {"id": 1, "item": ...} as often as there is one, then {"id": 1, "end": true}

The socket is 0660. The kernel says who speaks (SO_PEERCRED): root, the daemon's own user and
members of the socket's group are heard, anyone else is told so and hung up on. Whoever sends lines
without end, or does not read what it asked for, costs bounded memory and is dropped. A connection
that asks nothing for a while is closed, at once where somebody else needs its place; one user never
takes them all. `id` is a whole number or a short text, and is answered as it came.

Nothing here imports grpc; the client does not even import asyncio.
"""

#: Longest request, in bytes.
REQUEST_MAX = 64 << 10
