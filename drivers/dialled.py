"""What is known of a link that its DTU dials in to: who came, who else tried, and why nobody is
there.
"""

from __future__ import annotations

import errno
import os
import time
from collections import deque
from typing import Any

from drivers.api import LinkSpec
from drivers.listener import Listener
from drivers.packets import shown

#: errno of the address, or of a connection, -> id of the text that says what to do about it.
_DOOR_CAUSES = {
    errno.EADDRINUSE: "link.listen_in_use",
    errno.EADDRNOTAVAIL: "link.listen_elsewhere",
}
_CONNECTION_CAUSES = {errno.EPROTO: "link.garbage", errno.ETIMEDOUT: "link.dialled_silent"}

#: A DTU that lost its 4G dials in anew beside a connection that was not heard for a while. This
#: many times within this time beside one that was heard within HEARD_S: there are two of them.
CONTESTED_TIMES, CONTESTED_S, HEARD_S = 3, 300.0, 2.0


class DialledIn:
    """The connections of one link that devices dial in to. Fed from the listener's thread, read
    from any.
    """

    def __init__(self, spec: LinkSpec) -> None:
        self.listener: Listener | None = None
        self._spec = spec
        self._peer: str | None = None  # who dialled in last
        self._displaced: deque[tuple[float, str, str]] = deque(maxlen=CONTESTED_TIMES)

    def came(self, peer: str, *, heard_s: float | None) -> None:
        """`peer` dialled in; `heard_s`: how long ago the connection that it replaces was heard;
        None: there was none.
        """
        if self._peer is not None and heard_s is not None and heard_s < HEARD_S:
            self._displaced.append((time.monotonic(), self._peer, peer))
        self._peer = peer

    def snapshot(self, heartbeats: int) -> dict[str, Any]:
        """gateway.report.snapshot.DialledIn, with the `errno` of why the address is not open."""
        assert self.listener is not None
        return {
            "register": shown(self._spec.register) if self._spec.register else "",
            "peer": self._peer,
            "heartbeats": heartbeats,
            **self.listener.at_door(self._spec),
        }

    def cause(self, found: dict[str, Any], number: int, door: int) -> dict[str, Any] | None:
        """What is wrong with the link of the snapshot `found`: two that take it from each other;
        or where it is not up the address (errno `door`), its connection (errno `number`), or a
        stranger in its place.
        """
        dialled, target = found["dialled"], found["target"]
        args: dict[str, Any] = {"target": target, "register": dialled["register"]}
        if contest := self._contest():
            return {"id": "link.contested", "args": {**args, **contest}}
        if found["state"] == "up":
            return None
        if door:
            said = _DOOR_CAUSES.get(door, "link.listen_failed")
            args = {"target": target, "port": self._spec.tcp_port, "error": os.strerror(door)}
            return {"id": said, "args": args}
        hung_up = dialled["peer"] and number not in (0, errno.ENOTCONN)
        stranger = dialled["stranger"]
        if stranger and not (hung_up and stranger["ago_s"] > found["since_s"]):
            said = "link.stranger_dialled_in" if stranger["said"] else "link.mute_dialled_in"
            args |= {key: stranger[key] for key in ("said", "hex", "peer")}
            args["seconds"] = int(stranger["ago_s"])
        elif hung_up:
            said = _CONNECTION_CAUSES.get(number, "link.hung_up")
            args |= {"peer": dialled["peer"], "seconds": int(found["since_s"])}
        elif dialled["register"]:
            said = "link.nobody_dialled_in_as"
        else:
            said = "link.nobody_dialled_in"
        return {"id": said, "args": args}

    def _contest(self) -> dict[str, Any] | None:
        displaced = list(self._displaced)
        if len(displaced) < CONTESTED_TIMES or time.monotonic() - displaced[0][0] > CONTESTED_S:
            return None
        _, older, newer = displaced[-1]
        return {"peers": f"{older}, {newer}", "count": len(displaced)}
