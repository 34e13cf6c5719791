"""What reads links: a thread's worth of work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

#: A thread that looks at what is due more rarely hangs.
TURN_S_MAX = 10.0


class Runner(Protocol):
    """All devices of one driver on one link (or many TCP links), scanned by one native thread."""

    def run(self) -> None:
        """Scan until `stop`. Called once, in the runner's own thread; scans without the GIL."""

    def stop(self) -> None:
        """Ask `run` to return; it does within 100 ms, its ports closed. Any thread."""

    @property
    def turns(self) -> int:
        """Rises while `run` runs, at least each `TURN_S_MAX`, whatever links and devices do: what
        shows that its thread does not hang. Any thread.
        """

    def links(self) -> list[dict[str, Any]]:
        """A snapshot a link, as gateway/report/snapshot.py names it. Any thread."""

    def devices(self, brief: bool = False) -> list[dict[str, Any]]:
        """A snapshot a device, likewise; `brief`: "groups" and "learned" may be left empty. Asked
        each second of every device: it costs nothing by the tag.
        """

    def learn(self) -> None:
        """Let the driver act on what its devices refused since the last call. Supervisor's thread,
        about once a second. Never waits for a network.
        """

    def lookups(self) -> list[Callable[[], object]]:
        """What a link needs of the world outside its thread, a call each: certificate files that
        changed are read, a host's name is looked up if the link is down. May wait for a name
        server for long: for a thread that nothing waits for, one call at a time.
        """
