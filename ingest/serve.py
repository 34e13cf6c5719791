"""`jiahe-ingest serve`: what its options mean, and the process around the server."""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import json
import logging
import resource
import signal
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ingest import limits
from ingest.messages import said
from ingest.revoked import Revoked
from ingest.server import Server, software
from ingest.stores import sqlite_path
from ingest.stores.api import StoreError
from ingest.stores.retention import Keep, parse_keep
from ingest.stores.sqlite import SqliteStore
from ingest.tls import (
    Identify,
    ReceiverFiles,
    credentials,
    each_day,
    identity_from_header,
    identity_of,
    is_loopback,
    say_own,
)

#: How long open streams may still finish after SIGTERM.
_GRACE_S = 2.0
#: How often what need not be kept is let go, and a certificate of ours is looked at.
_KEEP_EVERY_S = 3600.0
#: Of the interpreter's lock: a check gives it up after this, or the loop waits for longer.
_SWITCH_S = 0.001
#: Of mallopt(3).
_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
_log = logging.getLogger("jiahe-ingest")


class UsageError(Exception):
    """Options that don't go together."""


@dataclass(frozen=True, slots=True)
class Settings:
    listen: str
    host: str
    store: str
    tls: ReceiverFiles | None
    crl: Path | None
    identify: Identify
    keep: Keep
    as_json: bool

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> Settings:
        """Raises UsageError."""
        host = _listen_host(arguments.listen)
        tls = _tls(arguments, host)
        identify: Identify = identity_of
        if arguments.identity_header is not None:
            if tls is not None:
                raise UsageError(said("header_with_tls"))
            identify = identity_from_header(arguments.identity_header)
        if arguments.crl is not None and tls is None:
            raise UsageError(said("crl_without_tls"))
        return cls(
            arguments.listen, host, arguments.store, tls, arguments.crl, identify,
            parse_keep(arguments.keep), arguments.json,
        )  # fmt: skip


def _listen_host(address: str) -> str:
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65_535:
        raise UsageError(said("listen", address=address))
    return host


def _tls(arguments: argparse.Namespace, host: str) -> ReceiverFiles | None:
    files = (arguments.ca, arguments.cert, arguments.key)
    if arguments.insecure:
        if any(files):
            raise UsageError(said("insecure_alone"))
        if not is_loopback(host):
            raise UsageError(said("insecure_remote", host=host))
        return None
    if not all(files):
        raise UsageError(said("no_files"))
    return ReceiverFiles(*files)


def serve(settings: Settings) -> int:
    """Until SIGTERM or SIGINT. Returns the exit status; raises StoreError, OSError."""
    logging.basicConfig(format="%(levelname)s %(message)s", level=logging.INFO, stream=sys.stderr)
    sys.setswitchinterval(_SWITCH_S)
    give_memory_back()
    streams = raise_descriptors()
    return asyncio.run(_serve_until_told(settings, streams))


def give_memory_back() -> None:
    """Large blocks of memory go back to the system when they are freed, and threads share theirs:
    left to itself, glibc keeps as much as a crowd of boxes once took. Elsewhere nothing is done."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_M_MMAP_THRESHOLD, 128 << 10)
        libc.mallopt(_M_ARENA_MAX, 2)


def raise_descriptors() -> int:
    """Raise this process's limit of open files as far as it may be; how many streams that serves,
    which is said where it is fewer than could come."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = limits.STREAMS_MAX + limits.DESCRIPTORS_OWN
    if soft < wanted:
        soft = min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    streams = min(limits.STREAMS_MAX, soft - limits.DESCRIPTORS_OWN)
    if streams < limits.STREAMS_MAX:
        _log.warning(said("few_streams", streams=streams, limit=soft, wanted=wanted))
    return streams


async def _serve_until_told(settings: Settings, streams: int) -> int:
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    tls = settings.tls
    server_credentials = None if tls is None else credentials(tls)
    revoked = None if tls is None or settings.crl is None else Revoked(settings.crl, tls.ca)
    store = SqliteStore(sqlite_path(settings.store))
    tasks: list[asyncio.Task[None]] = []
    try:
        server = Server(
            store,
            settings.identify,
            software=software(),
            streams_max=streams,
            own=(lambda: None) if tls is None else tls.own,
            revoked=(lambda certificate: None) if revoked is None else revoked.refuses,
        )
        port = await server.start(settings.listen, server_credentials)
        _say_ready(settings, f"{settings.host}:{port}")
        tasks.append(asyncio.create_task(_let_go(store, settings.keep)))
        if tls is not None:
            tasks.append(asyncio.create_task(each_day(partial(say_own, tls))))
        if revoked is not None:
            tasks.append(asyncio.create_task(each_day(revoked.say_late)))
        stop = asyncio.create_task(told.wait())
        broken = asyncio.wrap_future(store.broken)
        await asyncio.wait((stop, broken), return_when=asyncio.FIRST_COMPLETED)
        await server.stop(_GRACE_S)
        if broken.done():
            await broken  # raises why; whoever started this process starts it again
    finally:
        for task in tasks:
            task.cancel()
        store.close()
    return 0


async def _let_go(store: SqliteStore, keep: Keep) -> None:
    """Each hour, step by step, so that nobody waits for it."""
    while keep != Keep():
        try:
            more = await asyncio.wrap_future(store.let_go(keep))
        except StoreError as error:
            _log.error(said("keep_failed", error=error))
            more = False
        await asyncio.sleep(0 if more else _KEEP_EVERY_S)


def _say_ready(settings: Settings, address: str) -> None:
    tls = settings.tls is not None
    if settings.as_json:
        line = json.dumps({"ready": True, "address": address, "store": settings.store, "tls": tls})
    else:
        how = said("mutual_tls" if tls else "plain_text")
        line = said("ready", address=address, how=how, store=settings.store)
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
