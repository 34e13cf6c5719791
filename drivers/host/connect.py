"""A source's connection over TCP: the name is looked up, and then every address of it tried."""

from __future__ import annotations

import asyncio
import socket

from drivers.host.source import LinkAsked, SourceError

#: The next address of a name is tried so long after the one before (RFC 8305 section 5).
NEXT_ADDRESS_S = 0.25
#: What a stream reader holds of one line.
_LINE_BYTES_MAX = 1 << 16


async def connect(
    asked: LinkAsked, within_s: float, limit: int = _LINE_BYTES_MAX
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Raises SourceError where the name can't be looked up within that time; OSError or
    TimeoutError where no connection is made within as much again.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(within_s):
            await loop.getaddrinfo(asked.host, asked.port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError, TimeoutError) as error:
        raise SourceError("link.no_name", target=asked.target, host=asked.host) from error
    async with asyncio.timeout(within_s):
        return await asyncio.open_connection(
            asked.host, asked.port, limit=limit, happy_eyeballs_delay=NEXT_ADDRESS_S
        )
