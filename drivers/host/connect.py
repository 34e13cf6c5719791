"""A source's connection over TCP: the name is looked up, and then every address of it tried."""

from __future__ import annotations

import asyncio
import socket

from drivers.host.source import LinkAsked, SourceError

#: The next address of a name is tried so long after the one before (RFC 8305 section 5).
NEXT_ADDRESS_S = 0.25
#: A peer that is gone without a word (power, cable) is told by the kernel: asked so often when
#: nothing was heard, and given up when it acknowledged nothing for so long.
ASKED_IDLE_S, ASKED_EVERY_S, UNHEARD_MS = 2, 1, 3000
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
        reader, writer = await asyncio.open_connection(
            asked.host, asked.port, limit=limit, happy_eyeballs_delay=NEXT_ADDRESS_S
        )
    watch(writer.get_extra_info("socket"))
    return reader, writer


def watch(peer: socket.socket) -> None:
    """Have the kernel end the connection when the peer is gone: OSError for whoever reads."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        (socket.TCP_KEEPIDLE, ASKED_IDLE_S),
        (socket.TCP_KEEPINTVL, ASKED_EVERY_S),
        (socket.TCP_USER_TIMEOUT, UNHEARD_MS),
    ):
        peer.setsockopt(socket.IPPROTO_TCP, option, value)
