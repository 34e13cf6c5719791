"""The life of every part: `jiahe run`.

Order of start: buffer (locked, recovered, a new epoch made durable), drivers and their threads,
control socket, sealing, uplink; collecting never waits for the platform or the time. Order of stop
(SIGTERM, SIGINT, `jiahe reload`): scan threads, the last block, a short wait for acknowledgements,
what is left to disk, control socket.

A part that ends by itself, or does not move (`gateway.watchdog`), ends the daemon with an error,
after what was sampled is saved; systemd starts it again, and the epoch's end is announced as a gap.
A stop ends in its time, whatever hangs.
"""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import logging
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path

from drivers.api import TlsFiles
from gateway import __version__, catalog, descriptors, lastknown, sysd
from gateway.buffer.block import BufferConfig, BufferUnusableError
from gateway.buffer.disk import OsDisk
from gateway.buffer.store import Buffer
from gateway.certificates import not_before
from gateway.clock import Anchors, SystemClock, time_zone
from gateway.config.changes import Files
from gateway.config.model import GatewayConfig
from gateway.control.server import ControlServer, RequestError
from gateway.keep import Kept
from gateway.machine import machine
from gateway.messages import advised, text
from gateway.reload import Reload, again
from gateway.report.journal import Journal
from gateway.report.snapshot import Said
from gateway.report.status import Answers, Parts, snapshot
from gateway.scanning import Scanning
from gateway.sealing import REVISION, Sealing
from gateway.system_errors import reason
from gateway.threads import Threads
from gateway.uplink.configured import open_ways
from gateway.uplink.credentials import Credentials
from gateway.uplink.uplink import Uplink, UplinkConfig
from gateway.watchdog import Part, Watchdog
from native import heap
from native.block.bundle import bundle
from native.block.seal import decompress

_log = logging.getLogger(__name__)

LEARN_EVERY_S = 1.0
#: How long a stop waits for the platform's acknowledgements before it writes the rest to disk.
ACKS_S_MAX = 1.0
#: How long a stop may take, whatever hangs; systemd waits 15 s.
STOP_S_MAX = 12.0
#: Looks for the journal take a four hundredth of a core at most, unless they would be farther
#: apart. A look takes 33 us a device: of three hundred devices the journal hears 4 s later.
LOOKS_APART, LOOK_NS_MAX = 400, 10_000_000_000
#: A start that looks through a large buffer on a slow card says each so often that it goes on.
START_SAID_S = 10.0


class PartFailedError(Exception):
    """A part of the daemon ended by itself, or is stuck."""

    def __init__(self, said: Said) -> None:
        """`said`: the part."""
        super().__init__(said["id"])
        self.said = said


async def run_blocking(call: Callable[[], object]) -> object:
    """What computes; calls that may hang have threads of their own."""
    return await asyncio.to_thread(call)


class Supervisor:
    """One run of the daemon."""

    def __init__(self, config: GatewayConfig, path: Path, files: Files) -> None:
        self._config, self._path, self._files = config, path, files
        self._clock = SystemClock()
        self._notify = sysd.Notifier.from_environ()
        self._stop = asyncio.Event()
        self._reload = Reload(config, path, files, self._stop)
        self._journal = Journal(config.language)
        beside, cert = config.buffer.path.parent, config.platform.cert
        self._kept, self._last_known = Kept(beside), lastknown.Keeper(beside)
        self._anchors = Anchors(
            self._clock,
            lastknown.load(beside / lastknown.NAME),
            lambda: not_before(cert) if cert is not None else 0,
        )
        self._disk_threads, self._learning_thread = Threads("disk", 2), Threads("learning", 1)

    async def run(self) -> bool:
        """Until told to stop; True: it is to begin anew. Raises BufferUnusableError, RequestError,
        OSError, PartFailedError.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload.signalled)
        disk = OsDisk(self._config.buffer.path)
        try:
            await self._run_with(disk)
        finally:
            disk.close()
        return self._reload.wanted

    async def _run_with(self, disk: OsDisk) -> None:
        self._disk = disk
        config = self._config
        anchors = self._anchors
        buffer = await self._starting(
            Buffer.open(
                disk,
                self._clock,
                self._disk_threads,
                self._buffer_config(),
                decompress,
                anchors.utc_ns,
            )
        )
        epoch = buffer.open_epoch(self._clock.boot_id, self._clock.now_ns())
        if ended := buffer.snapshot()["previous_end"]:
            self._say(ended["id"], **ended["args"])
        scanning = Scanning(config, self._kept.load())
        made = catalog.build(config.site, time_zone(), scanning.catalog_groups)
        buffer.put_catalog(REVISION, made.content, made.tag_sets)
        uplink = await self._uplink(disk, buffer)
        every_ns = min(config.platform.send_every_ns, config.buffer.flush_every_ns // 2)
        sealing = Sealing(
            scanning.groups, epoch, every_ns, buffer, anchors, self._clock, uplink.wake
        )
        parts = Parts(
            config, self._path, self._clock, self._clock.now_ns(), epoch,
            scanning, sealing, buffer, uplink, anchors, self._files,
        )  # fmt: skip
        handlers = {**Answers(parts).handlers(), "reload": self._reload.asked}
        control = ControlServer(config.control, handlers)
        await control.start()
        try:
            sealing.begin()
            scanning.start(self._utc_ahead_ns())
            # Everything that lives as long as the daemon is made: keep it out of every collection.
            gc.collect()
            gc.freeze()
            heap.trim()
            await self._live(parts, uplink)
        finally:
            await control.close()

    async def _starting(self, opening: Coroutine[object, object, Buffer]) -> Buffer:
        task = asyncio.ensure_future(opening)
        while not task.done():
            self._notify.starting(3 * START_SAID_S)
            await asyncio.wait([task], timeout=START_SAID_S)
        return task.result()

    async def _uplink(self, disk: OsDisk, buffer: Buffer) -> Uplink:
        platform = self._config.platform
        tls = None
        if platform.ca and platform.cert and platform.key:
            tls = TlsFiles(ca=platform.ca, cert=platform.cert, key=platform.key)
        credentials = None if tls is None else Credentials(tls)
        ways = await open_ways(
            self._config, credentials, disk, self._disk_threads, self._clock, self._anchors.utc_ns
        )
        return Uplink(
            UplinkConfig(
                self._config.id,
                platform.address,
                f"jiahe {__version__}",
                send_every_ns=platform.send_every_ns,
                machine=machine(),
            ),
            clock=self._clock,
            ways=ways,
            buffer=buffer,
            uniform=random.SystemRandom().uniform,
            platform_time=self._anchors.platform_said,
            join=bundle,
            run_blocking=run_blocking,
            warnings=lambda: [
                *(credentials.warnings() if credentials else ()),
                *self._anchors.warnings(),
            ],
            wants_time=lambda: self._anchors.wants_platform(self._clock.now_ns()),
        )

    def _buffer_config(self) -> BufferConfig:
        said = self._config.buffer
        return BufferConfig(
            gateway=self._config.id,
            max_bytes=said.max_size,
            keep_for_ns=said.keep_for_ns,
            flush_every_ns=said.flush_every_ns,
            when_full=said.when_full,
            path=str(said.path),
        )

    async def _live(self, parts: Parts, uplink: Uplink) -> None:
        """Run the parts until a stop, or until one of them ends."""
        watchdog = Watchdog(
            self._notify,
            parts.config.language,
            [*parts.scanning.parts(), Part.of("daemon.part_seal", parts.sealing.mark_seal)],
            [
                Part.of("daemon.part_beat", parts.sealing.mark_beat),
                Part.of("daemon.part_buffer", parts.buffer.mark),
                Part.of("daemon.part_uplink", uplink.mark),
            ],
        )
        sealing = asyncio.create_task(parts.sealing.run(), name="daemon.part_beat")
        lasting = [
            asyncio.create_task(parts.buffer.run(), name="daemon.part_buffer"),
            asyncio.create_task(uplink.run(), name="daemon.part_uplink"),
            asyncio.create_task(self._watch(parts, watchdog), name="daemon.part_journal"),
        ]
        stop = asyncio.create_task(self._stop.wait(), name="stop")
        try:
            self._notify.ready(f"{len(parts.config.devices)} devices")
            watchdog.start()
            self._say(
                "daemon.scanning",
                run=parts.epoch >> 32,
                epoch=parts.epoch,
                devices=len(parts.config.devices),
            )
            done, _ = await asyncio.wait(
                [sealing, *lasting, stop], return_when=asyncio.FIRST_COMPLETED
            )
            watchdog.stop()
            if self._reload.wanted:
                self._say("daemon.reloading")
                self._notify.reloading()
            else:
                self._notify.stopping()
            self._end_in_time()
            ended = [task for task in done if task is not stop]
            await _cancel(sealing)
            for task in ended:
                await self._save(parts)
                if isinstance(failed := task.exception(), PartFailedError):
                    raise failed
                raise PartFailedError(Said(id=task.get_name(), args={})) from failed
            await self._finish(parts)
        finally:
            watchdog.stop()
            for task in (sealing, stop, *lasting):
                await _cancel(task)
            await uplink.close()
            await asyncio.to_thread(parts.scanning.stop)
            await parts.buffer.close()

    async def _finish(self, parts: Parts) -> None:
        """A clean stop: nothing that was sampled is left behind."""
        if not await asyncio.to_thread(parts.scanning.stop):
            raise PartFailedError(Said(id="daemon.part_threads", args={}))
        parts.sealing.finish()
        try:
            async with asyncio.timeout(ACKS_S_MAX):
                while parts.buffer.books().memory_scans or parts.buffer.snapshot()["memory_blocks"]:
                    await self._clock.sleep_until(self._clock.now_ns() + 20_000_000)
        except TimeoutError:
            self._say("daemon.acks_late")
        await parts.buffer.flush()

    async def _save(self, parts: Parts) -> None:
        """A part has failed: what was sampled goes to disk before the daemon ends."""

        async def seal() -> None:
            await asyncio.to_thread(parts.scanning.stop)
            parts.sealing.seal()

        # Each may be what has failed.
        (sealed,) = await asyncio.gather(seal(), return_exceptions=True)
        (flushed,) = await asyncio.gather(parts.buffer.flush(), return_exceptions=True)
        for failed in (sealed, flushed):
            if isinstance(failed, BaseException):
                _log.error("what was sampled is not saved", exc_info=failed)
        if flushed is True:
            self._say("daemon.saved_first")

    def _end_in_time(self) -> None:
        """However the disk hangs, a stop ends before systemd's patience does; also where Python
        would wait for the threads that hang.
        """

        def end() -> None:
            seconds = int(STOP_S_MAX)
            _log.error("%s", advised("daemon.stop_late", self._config.language, seconds=seconds))
            logging.shutdown()
            os._exit(1)

        timer = threading.Timer(STOP_S_MAX, end)
        timer.daemon = True
        timer.start()

    async def _watch(self, parts: Parts, watchdog: Watchdog) -> None:
        """Each second: learning, the watchdog, and what the journal must hear; of very many devices
        the journal hears a little later.
        """
        look_ns = 0
        learning = asyncio.create_task(self._learning(parts))
        while True:
            await self._clock.sleep_until(self._clock.now_ns() + int(LEARN_EVERY_S * 1e9))
            # Keeping what was learned waits for the disk; the watchdog does not wait for that.
            if learning.done():
                learning.result()
                learning = asyncio.create_task(self._learning(parts))
            for failed in (*parts.scanning.dead_threads(), *watchdog.look()):
                raise PartFailedError(failed)
            if (begun_ns := self._clock.now_ns()) >= look_ns:
                before_ns = time.thread_time_ns()
                self._journal.told(snapshot(parts, brief=True), begun_ns)
                took_ns = time.thread_time_ns() - before_ns
                look_ns = begun_ns + min(LOOKS_APART * took_ns, LOOK_NS_MAX)

    def _say(self, message: str, **args: object) -> None:
        words = text(message, self._config.language, **args)
        _log.info("%s", words, extra={"said": message})

    async def _learning(self, parts: Parts) -> None:
        await self._learning_thread(lambda: self._learn(parts))

    def _utc_ahead_ns(self) -> int | None:
        """How far UTC is ahead of the boot clock; None while nothing vouches for it."""
        now_ns = self._clock.now_ns()
        utc_ns = self._anchors.utc_ns(now_ns)
        return None if utc_ns is None else utc_ns - now_ns

    def _learn(self, parts: Parts) -> None:
        if (ahead_ns := self._utc_ahead_ns()) is not None:
            parts.scanning.know_utc(ahead_ns)
        parts.scanning.learn()
        self._kept.save(parts.scanning.learned())
        self._last_known.keep(self._anchors.known(self._clock.now_ns()))
        parts.room.look(self._disk)


async def _cancel(task: asyncio.Task[object]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def main(config: GatewayConfig, path: Path, read: Sequence[Path]) -> int:
    """The daemon, in the foreground; `read` are the files of `config`. Returns the exit status;
    troubles are said on the log.
    """
    faulthandler.enable()  # SIGABRT, as by systemd's watchdog, writes what each thread was at
    heap.settle(sum(len(device.tags) for device in config.devices))
    files = Files(path, read)
    logging.basicConfig(level=logging.INFO, handlers=[sysd.log_handler()])
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    lang = config.language
    needed = descriptors.needed(config.links)
    limit = descriptors.allow(needed)
    if limit < needed:
        _log.error("%s", advised("daemon.few_files", lang, limit=limit, needed=needed))
        return 1

    async def live() -> bool:
        return await Supervisor(config, path, files).run()

    try:
        is_to_begin_anew = asyncio.run(live())
    except (BufferUnusableError, RequestError) as error:
        _log.error("%s", advised(error.message, lang, **error.arguments))
        return 1
    except PartFailedError as error:
        failed = advised("daemon.part_failed", lang, part=error.said)
        _log.error("%s", failed, exc_info=error.__cause__)
        return 1
    except OSError as error:
        denied = isinstance(error, PermissionError)
        message = "daemon.no_permission" if denied else "daemon.os_error"
        _log.error("%s", advised(message, lang, path=str(error.filename), error=reason(error)))
        return 1
    if is_to_begin_anew:
        again()
    return 0
