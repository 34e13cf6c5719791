"""The commands' end of the control socket: synchronous, standard library only, quick to import."""

from __future__ import annotations

import grp
import json
import os
import pwd
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from drivers.said import SaidError

#: Longest wait for the daemon's next line, in seconds. Streams may be quiet for longer periods.
ANSWER_SECONDS = 10.0
#: Longest answer, in bytes: the status of thousands of devices is a few megabytes.
ANSWER_MAX = 64 << 20


class ControlError(SaidError):
    """The daemon could not be asked, or refused. `message` is an id of gateway/messages."""


def refused(path: Path, message: str, of_root: str) -> ControlError:
    """The error that this user may not use `path`, naming the user and the group that may; message
    `of_root` where that group is root's, which nobody should join.
    """
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        user = str(os.geteuid())
    group = group_of(path)
    if group in ("root", ""):
        return ControlError(of_root, path=str(path))
    return ControlError(message, path=str(path), user=user, group=group)


def group_of(path: Path) -> str:
    """The group of a file, or of the nearest folder above it that may be looked into."""
    for each in (path, *path.parents):
        try:
            return grp.getgrgid(each.stat().st_gid).gr_name
        except OSError:
            continue
        except KeyError:
            return ""
    return ""


class ControlClient:
    """One connection. Every call may raise ControlError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._next = 0
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(ANSWER_SECONDS)
        try:
            self._socket.connect(str(path))
        except PermissionError:
            self._socket.close()
            raise refused(path, "daemon.not_allowed", "daemon.not_allowed_root") from None
        except OSError:
            self._socket.close()
            raise ControlError("daemon.not_running", path=str(path)) from None
        self._lines = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self._socket.close()

    def call(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        """The result of one request."""
        self._send(method, params or {})
        return self._receive()["result"]

    def stream(self, method: str, params: Mapping[str, Any] | None = None) -> Iterator[Any]:
        """The items of a streaming request, as they come, until the daemon ends it."""
        self._send(method, params or {})
        while True:
            answer = self._receive()
            if "item" not in answer:
                return
            yield answer["item"]

    def _send(self, method: str, params: Mapping[str, Any]) -> None:
        self._next += 1
        request = {"id": self._next, "method": method, "params": params}
        try:
            self._socket.sendall(json.dumps(request).encode() + b"\n")
        except BrokenPipeError:
            return  # refused before it was heard: the reason waits to be read
        except OSError:
            raise ControlError("daemon.hung_up") from None

    def _receive(self) -> dict[str, Any]:
        try:
            line = self._lines.readline(ANSWER_MAX)
            answer = json.loads(line) if line.endswith(b"\n") else None
        except (OSError, ValueError):
            answer = None
        if not isinstance(answer, dict):
            raise ControlError("daemon.hung_up")
        if error := answer.get("error"):
            raise ControlError(str(error["id"]), **error.get("args", {}))
        return answer
