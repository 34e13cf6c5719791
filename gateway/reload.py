"""`jiahe reload`: the daemon takes a changed configuration up, or refuses it and goes on.

What is accepted is applied by an orderly stop and an exec of the same program in the same process:
whatever a configuration changes begins anew, with all that a start checks, and nothing that was
sampled is lost. The pause is announced as stopped, as that of any restart.
Why so: docs/decisions/0014.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypedDict

from gateway import descriptors
from gateway.config import Loaded, load, render
from gateway.config.changes import Files
from gateway.config.model import GatewayConfig
from gateway.control.server import Peer, RequestError
from gateway.messages import advised
from gateway.report.snapshot import Said

_log = logging.getLogger(__name__)


class Answer(TypedDict):
    state: str  # "going", "same" (nothing changed), "refused"
    why: Said | None  # of "refused"


class Reload:
    """State of a reload during one run of the daemon. `wanted`: once everything has stopped, the
    program is to be started again.
    """

    def __init__(
        self, config: GatewayConfig, path: Path, files: Files, stop: asyncio.Event
    ) -> None:
        """`config` came of `files`; `stop` ends the run."""
        self._config, self._path, self._files, self._stop = config, path, files, stop
        self._asking = asyncio.Lock()
        self._by_signal: asyncio.Task[Answer] | None = None
        self.wanted = False

    async def asked(self, params: Mapping[str, Any], peer: Peer) -> Any:
        """The request `reload` of the control socket. Raises RequestError."""
        if peer.uid not in (0, os.geteuid()):
            raise RequestError("daemon.reload_not_allowed")
        return await self._ask()

    def signalled(self) -> None:
        """SIGHUP: the same; the answer is in the journal."""
        self._by_signal = asyncio.ensure_future(self._ask())

    async def _ask(self) -> Answer:
        async with self._asking:
            if not self._files.changed():
                self._say(logging.INFO, Said(id="daemon.reload_same", args={}))
                return Answer(state="same", why=None)
            # In a thread: a thousand devices take seconds to read.
            loaded = await asyncio.to_thread(load, self._path)
            if (why := self._refusal(loaded)) is None:
                self.wanted = True
                self._stop.set()
                return Answer(state="going", why=None)
        for problem in loaded.problems if loaded.config is None else ():
            _log.error("%s", render(problem, self._config.language))
        self._say(logging.ERROR, why)
        return Answer(state="refused", why=why)

    def _refusal(self, loaded: Loaded) -> Said | None:
        """Why the daemon could not start with this, or not go on where it was."""
        config = loaded.config
        if config is None:
            count = sum(each.count for each in loaded.problems if each.severity == "error")
            return Said(id="daemon.reload_refused", args={"count": count, "path": str(self._path)})
        if keys := _fixed(self._config, config):
            return Said(id="daemon.reload_fixed", args={"keys": ", ".join(keys)})
        needed = descriptors.needed(config.links)
        if (limit := descriptors.allow(needed)) < needed:
            return Said(id="daemon.few_files", args={"limit": limit, "needed": needed})
        return None

    def _say(self, level: int, said: Said) -> None:
        words = advised(said["id"], self._config.language, **said["args"])
        _log.log(level, "%s", words, extra={"said": said["id"]})


def _fixed(now: GatewayConfig, wanted: GatewayConfig) -> Sequence[str]:
    """What changed of the keys that another daemon, or nobody, may hold: a restart tells."""
    held = {
        "[gateway] id": now.id != wanted.id,
        "[gateway] control": now.control != wanted.control,
        "[buffer] path": now.buffer.path != wanted.buffer.path,
    }
    return [key for key, changed in held.items() if changed]


def again() -> NoReturn:
    """Start the same program anew in the same process (exec). Every descriptor of ours closes at an
    exec.
    """
    logging.shutdown()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - no shell is meant
