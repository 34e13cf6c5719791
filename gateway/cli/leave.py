"""`jiahe buffer export|keep|drop`: what a technician does with a buffer by hand."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from gateway import __version__
from gateway.amounts import size
from gateway.buffer.block import BufferConfig, BufferUnusableError
from gateway.buffer.disk import OsDisk
from gateway.buffer.export import export
from gateway.buffer.leave import drop_other, drop_own, keep
from gateway.buffer.state import owner
from gateway.cli.context import Context, complain
from gateway.clock import SystemClock
from gateway.config import Loaded, load, render
from gateway.machine import machine
from gateway.messages import some
from gateway.system_errors import reason
from native.block.seal import decompress


def main(context: Context, options: argparse.Namespace) -> int:
    loaded = load(context.config)
    found = _buffer_of(loaded)
    if found is None:
        for problem in loaded.problems:
            sys.stderr.write(render(problem, context.lang) + "\n")
        return 1
    gateway, directory = found
    try:
        if options.action == "export":
            if options.target is None:
                complain(context.lang, "buffer.no_file")
                return 2
            if Path(options.target).is_dir():
                complain(context.lang, "buffer.file_is_folder", path=str(Path(options.target)))
                return 1
            return _export(context, gateway, directory, Path(options.target))
        if options.action == "keep":
            whose = owner(directory / "state") or "?"
            _say(context, "buffer.kept", gateway=whose, path=str(keep(directory, gateway)))
        elif owner(directory / "state") in (None, gateway):
            import asyncio  # here: no other action needs it

            _become_owner(directory)
            blocks = asyncio.run(_drop_own(gateway, directory))
            _say(context, "buffer.given_up", blocks=blocks)
        else:
            _say(context, "buffer.dropped", gateway=drop_other(directory, gateway))
    except BufferUnusableError as error:
        complain(context.lang, error.message, **error.arguments)
        return 1
    except OSError as error:
        path = Path(error.filename or options.target or directory)
        folder = str(path.absolute().parent)
        complain(
            context.lang, "buffer.file_failed", path=str(path), folder=folder, error=reason(error)
        )
        return 1
    return 0


def _buffer_of(loaded: Loaded) -> tuple[str, Path] | None:
    """The gateway's id and the directory; None where the configuration can't be used. That it holds
    another gateway's files is no reason: it is what these commands are for.
    """
    if loaded.config is not None:
        return loaded.config.id, loaded.config.buffer.path
    errors = [problem for problem in loaded.problems if problem.severity == "error"]
    if [problem.id for problem in errors] != ["buffer.other_gateway"]:
        return None
    args = errors[0].args
    return str(args["expected"]), Path(str(args["file"])).parent


def _export(context: Context, gateway: str, directory: Path, target: Path) -> int:
    """Write the blocks of the gateway that filled the buffer to a file, also where the
    configuration names another gateway.
    """
    whose = owner(directory / "state") or gateway
    done = export(directory, whose, f"jiahe {__version__}", machine(), target)
    args = {"file": str(target), "blocks": done.blocks, "size": size(done.bytes)}
    _say(context, "buffer.exported", **args)
    if done.left_out:
        complain(context.lang, "buffer.exported_without", blocks=done.left_out)
    if done.newer:
        complain(context.lang, "buffer.exported_not_newer", files=some(done.newer))
    return 0


def _become_owner(directory: Path) -> None:
    """The service must be able to read what root has written for it. Raises OSError."""
    if os.geteuid() == 0:
        whose = directory.stat()
        os.setegid(whose.st_gid)
        os.seteuid(whose.st_uid)


async def _drop_own(gateway: str, directory: Path) -> int:
    async def run_blocking(call: Callable[[], object]) -> object:
        return call()

    disk = OsDisk(directory)
    try:
        config = BufferConfig(gateway, path=str(directory))
        return await drop_own(disk, SystemClock(), run_blocking, config, decompress)
    finally:
        disk.close()


def _say(context: Context, message: str, **args: object) -> None:
    sys.stdout.write(context.words(message, **args) + "\n")
