"""The real channel: grpc.aio. With `credentials`, the only module of the daemon that
imports grpc.

Messages pass as bytes, so nothing is parsed here. A pending read is never cancelled to time out:
that can lose a message (grpc #43360 and its relatives); the call is cancelled instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
from jiahe.ingest import limits

from drivers.api import TlsFiles
from gateway.ports import OPENING_S_MAX, ChannelError
from gateway.report.snapshot import Said
from gateway.uplink.bound import Interface, Passage
from gateway.uplink.credentials import Credentials

METHOD = "/jiahe.ingest.v1.IngestService/Stream"
#: A link that was dead answers the next question, which the kernel puts off longer each time: so
#: attempts are short, but for each fourth, for a link that needs long.
OPEN_S_MAX, OPEN_LONG_EACH = 6.0, 4
LOOPBACK = {"localhost", "127.0.0.1", "::1", "[::1]"}

_OPTIONS = [
    ("grpc.max_receive_message_length", limits.RESPONSE_BYTES_MAX),
    ("grpc.max_send_message_length", -1),
    ("grpc.use_local_subchannel_pool", 1),  # a new channel is a new connection
    ("grpc.enable_http_proxy", 0),
    # Servers with default settings throw off who pings more often than each 5 minutes: our own
    # heartbeat does it instead.
    ("grpc.keepalive_time_ms", 2**31 - 1),
    # Pings that find out how fast the platform could send: it sends acks, and a ping costs as much.
    ("grpc.http2.bdp_probe", 0),
]

#: Words in the core's details of a connection that was never there, lower case, and what they mean.
#: The first that fits counts.
_SYMPTOMS = (
    ("connection refused", "uplink.refused"),
    ("handshake read failed", "uplink.hung_up"),  # nobody's certificate was judged
    ("hostname verification", "uplink.wrong_name"),
    ("wrong_version_number", "uplink.not_tls"),
    ("certificate has expired", "uplink.platform_expired"),
    ("certificate is not yet valid", "uplink.platform_expired"),
    ("certificate_verify_failed", "uplink.tls"),
    # TLS 1.3: a box learns only afterwards that its own certificate is not accepted (RFC 8446
    # section 4.4.2), and gRPC hides the alert that says so.
    ("socket closed", "uplink.closed"),
    ("connection reset", "uplink.closed"),
    ("broken pipe", "uplink.closed"),
    ("dns", "uplink.dns"),
    ("name resolution", "uplink.dns"),
    ("domain name", "uplink.dns"),
    ("ssl", "uplink.tls_failed"),
    ("tls", "uplink.tls_failed"),
    ("handshake", "uplink.tls_failed"),
    ("unreachable", "uplink.unreachable"),
    ("no route", "uplink.unreachable"),
    ("timed out", "uplink.unreachable"),
    ("timeout", "uplink.unreachable"),
)
#: The core's words, not the platform's, for a connection that broke.
_LOST = ("socket closed", "connection reset", "broken pipe", "goaway", "timed out", "ping")


class GrpcStream:
    """One call on a connection of its own."""

    def __init__(
        self, address: str, channel: grpc.aio.Channel, call: Any, passage: Passage | None
    ) -> None:
        self._address, self._channel, self._call, self._passage = address, channel, call, passage
        self._closed = False

    async def send(self, message: bytes) -> None:
        try:
            await self._call.write(message)
        except (grpc.aio.AioRpcError, grpc.aio.UsageError, asyncio.InvalidStateError) as error:
            raise await self._broken(error) from error

    async def messages(self) -> AsyncIterator[bytes]:
        try:
            async for message in self._call:
                yield message
        except grpc.aio.AioRpcError as error:
            raise _channel_error(self._address, error, was_open=True) from error
        except asyncio.CancelledError:
            if not self._closed:  # else by us: reading a cancelled call ends so
                raise

    async def close(self) -> None:
        self._closed = True
        self._call.cancel()
        await self._channel.close(None)
        if self._passage is not None:
            await self._passage.close()

    async def _broken(self, error: Exception) -> ChannelError:
        """The call's own status, where there is one, says more than the failed write.

        Where the write was under way gRPC says INTERNAL instead; the next attempt says why.
        """
        if isinstance(error, grpc.aio.AioRpcError):
            return _channel_error(self._address, error, was_open=True)
        if self._call.done() and not self._call.cancelled():
            code, details = await self._call.code(), await self._call.details()
            return _error(self._address, code, details or str(error), was_open=True)
        return ChannelError("uplink.lost", address=self._address, error=str(error))


class GrpcChannel:
    """Connections to one address, with mutual TLS; without, to loopback addresses only."""

    def __init__(
        self,
        address: str,
        tls: TlsFiles | Credentials | None,
        *,
        open_s_max: float = OPEN_S_MAX,
        interface: Interface | None = None,
    ) -> None:
        """`tls`: files, or credentials that several share; None: plain text. `interface`: that
        which connections leave by; None: whatever route the system has. Raises ValueError if plain
        text is asked of another host.
        """
        if tls is None and address.rpartition(":")[0] not in LOOPBACK:
            raise ValueError(f"{address}: plain text is for loopback addresses only")
        self._address = address
        self._credentials = Credentials(tls) if isinstance(tls, TlsFiles) else tls
        self._open_s_max, self._interface = open_s_max, interface
        self._late = 0  # attempts in a row that were given up
        self._needs_long = False

    async def open(self) -> GrpcStream:
        """A new connection and stream. Raises ChannelError, within `open_s_max` seconds, or each
        fourth time in a row OPENING_S_MAX.
        """
        is_long = self._needs_long or self._late % OPEN_LONG_EACH == OPEN_LONG_EACH - 1
        timeout_s = max(self._open_s_max, OPENING_S_MAX) if is_long else self._open_s_max
        if self._interface is None:
            return await self._open(self._address, None, timeout_s)
        begun_s = asyncio.get_running_loop().time()
        passage = Passage(self._interface, await self._interface.dial(timeout_s))
        left_s = timeout_s - (asyncio.get_running_loop().time() - begun_s)
        try:
            return await self._open(await passage.open(), passage, left_s)
        except BaseException:
            await passage.close()
            raise

    async def _open(self, target: str, passage: Passage | None, timeout_s: float) -> GrpcStream:
        channel = self._connect(target)
        call = channel.stream_stream(METHOD, None, None)(None)
        ready = asyncio.ensure_future(self._ready(channel))
        begun_s = asyncio.get_running_loop().time()
        try:
            done, _ = await asyncio.wait({ready}, timeout=timeout_s)
        except asyncio.CancelledError:
            ready.cancel()
            call.cancel()
            await channel.close(None)
            raise
        self._late = 0 if done else self._late + 1
        if done and ready.result():
            took_s = asyncio.get_running_loop().time() - begun_s
            self._needs_long = took_s > self._open_s_max
            return GrpcStream(self._address, channel, call, passage)
        ready.cancel()
        try:
            if not done:
                raise ChannelError("uplink.unreachable", address=self._address)
            code, details = await call.code(), await call.details()
            raise _error(self._address, code, details or "", was_open=False)
        finally:
            call.cancel()
            await channel.close(None)

    def warnings(self) -> list[Said]:
        """What is wrong with the certificate files, now; the connection may be well."""
        return [] if self._credentials is None else self._credentials.warnings()

    def _connect(self, target: str) -> grpc.aio.Channel:
        options: list[tuple[str, str | int]] = list(_OPTIONS)
        if target != self._address:
            # The platform is asked for, and its certificate judged, by its own name.
            options.append(("grpc.default_authority", self._address))
        if self._credentials is None:
            return grpc.aio.insecure_channel(target, options=options)
        return grpc.aio.secure_channel(target, self._credentials.current(), options=options)

    @staticmethod
    async def _ready(channel: grpc.aio.Channel) -> bool:
        """True when connected, False when the first attempt failed."""
        state = channel.get_state(try_to_connect=True)
        while state != grpc.ChannelConnectivity.READY:
            if state == grpc.ChannelConnectivity.TRANSIENT_FAILURE:
                return False
            await channel.wait_for_state_change(state)
            state = channel.get_state(try_to_connect=True)
        return True


def _channel_error(address: str, error: grpc.aio.AioRpcError, *, was_open: bool) -> ChannelError:
    return _error(address, error.code(), error.details() or "", was_open=was_open)


def _error(address: str, code: grpc.StatusCode, details: str, *, was_open: bool) -> ChannelError:
    """The status in the words of gateway/messages."""
    low = details.lower()
    if code in (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED):
        message = "uplink.revoked" if "revoked" in low else "uplink.permission"
    elif code == grpc.StatusCode.ALREADY_EXISTS:
        message = "uplink.cloned"
    elif code == grpc.StatusCode.DEADLINE_EXCEEDED and not was_open:
        message = "uplink.unreachable"
    elif code == grpc.StatusCode.UNAVAILABLE and not was_open:
        message = next((m for word, m in _SYMPTOMS if word in low), "uplink.not_connected")
    elif code == grpc.StatusCode.CANCELLED or (
        code == grpc.StatusCode.UNAVAILABLE and any(word in low for word in _LOST)
    ):
        message = "uplink.lost"
    elif code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNIMPLEMENTED):
        message = "uplink.unavailable"
    else:
        message = "uplink.broken"
    host = address.rpartition(":")[0]
    return ChannelError(message, address=address, host=host, error=details or code.name)
