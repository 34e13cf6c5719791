"""What the daemon says to systemd: readiness, status, watchdog, and records of the journal.

Outside systemd every notification is a no-op that returns False, and the log
goes to stderr: with the `<N>` priority of sd-daemon(3) when that is the journal's, else for people.

Sources: sd_notify(3), sd_watchdog_enabled(3), sd-daemon(3),
https://systemd.io/JOURNAL_NATIVE_PROTOCOL/.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import socket
import sys
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from gateway.plain import plain, plain_lines

JOURNAL_SOCKET = "/run/systemd/journal/socket"

#: Names of our messages become journal message ids in this name space; it must never change.
_MESSAGE_NAMESPACE = uuid.UUID("6f0d1d3c-58f3-5d0e-9c1a-0f5f5b1a7a60")

#: Attributes of a log record (`extra=`) and the journal fields that they become.
_FIELDS = {"link": "JIAHE_LINK", "device": "JIAHE_DEVICE"}


class Notifier:
    """Speaks to the service manager. Any thread; each call is one datagram that never waits."""

    def __init__(self, address: str | None, watchdog_ns: int | None = None) -> None:
        """`address`: NOTIFY_SOCKET, a path or "@abstract"; None: there is no service manager."""
        self._address = "\0" + address[1:] if address and address[0] == "@" else address
        #: systemd restarts the daemon when it hears nothing for this long; None: it doesn't watch.
        self.watchdog_ns = watchdog_ns

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ) -> Notifier:
        """Raises ValueError, naming the variable, when systemd's environment makes no sense."""
        return cls(environ.get("NOTIFY_SOCKET") or None, _watchdog_ns(environ))

    def ready(self, status: str = "") -> bool:
        """The daemon scans and buffers. True: the service manager was told."""
        return self._send("READY=1", *_status(status))

    def status(self, text: str) -> bool:
        """One line for `systemctl status`."""
        return self._send(*_status(text))

    def stopping(self, status: str = "") -> bool:
        return self._send("STOPPING=1", *_status(status))

    def reloading(self) -> bool:
        """It stops in order to begin anew; `ready` follows. For systemd since 253: when, too."""
        return self._send(
            "RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}"
        )

    def watchdog(self) -> bool:
        """Every part moved since the last call. Call it at least twice in `watchdog_ns`."""
        return self._send("WATCHDOG=1")

    def bite(self) -> bool:
        """End the daemon now, as if its time were over. True: the service manager was told."""
        return self._send("WATCHDOG=trigger")

    def starting(self, more_s: float) -> bool:
        """The start takes up to `more_s` from now, whatever the unit allows."""
        return self._send(f"EXTEND_TIMEOUT_USEC={int(more_s * 1e6)}")

    def _send(self, *lines: str) -> bool:
        if self._address is None:
            return False
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as channel:
            try:
                channel.sendto("\n".join(lines).encode(), self._address)
            except OSError:
                return False  # a manager that is gone or full must not stop the scans
        return True


def _status(text: str) -> tuple[str, ...]:
    return (f"STATUS={plain(' '.join(text.split()))}",) if text else ()


def _watchdog_ns(environ: Mapping[str, str]) -> int | None:
    usec = environ.get("WATCHDOG_USEC")
    if not usec or environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    if not usec.isdecimal() or int(usec) == 0:
        raise ValueError(f"WATCHDOG_USEC={usec!r} is not a positive number of microseconds")
    return int(usec) * 1000


def priority(level: int) -> int:
    """The syslog priority (3 error .. 7 debug) of a level of `logging`."""
    if level >= logging.CRITICAL:
        return 2
    if level >= logging.ERROR:
        return 3
    if level >= logging.WARNING:
        return 4
    return 6 if level >= logging.INFO else 7


def message_id(name: str) -> str:
    """The journal's MESSAGE_ID of a message of gateway/messages.py: `journalctl MESSAGE_ID=...`."""
    return uuid.uuid5(_MESSAGE_NAMESPACE, name).hex


class JournalHandler(logging.Handler):
    """Sends records to the journal with their fields.

    `extra=` may carry `link`, `device` and `said` (the id of a message): they become JIAHE_LINK,
    JIAHE_DEVICE, and JIAHE_MESSAGE with MESSAGE_ID.
    """

    def __init__(self, path: str = JOURNAL_SOCKET) -> None:
        """Raises OSError when there is no journal at `path`."""
        super().__init__()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self._socket.connect(path)
        except OSError:
            self._socket.close()
            raise

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = plain_lines(self.format(record))
            self._deliver(b"".join(_encode(*field) for field in _fields(record, text)))
        except OSError:
            self.handleError(record)  # says so on stderr

    def _deliver(self, datagram: bytes) -> None:
        try:
            self._socket.send(datagram)
        except OSError as error:
            if error.errno not in (errno.EMSGSIZE, errno.ENOBUFS):
                raise
            self._deliver_sealed(datagram)

    def _deliver_sealed(self, datagram: bytes) -> None:
        """Too large for a datagram: the journal takes a sealed memory file instead."""
        memory = os.memfd_create("journal", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        with os.fdopen(memory, "wb", buffering=0) as file:
            file.write(datagram)
            seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
            fcntl.fcntl(file, fcntl.F_ADD_SEALS, seals)
            socket.send_fds(self._socket, [b""], [file.fileno()])

    def close(self) -> None:
        self._socket.close()
        super().close()


def _fields(record: logging.LogRecord, text: str) -> list[tuple[str, str]]:
    fields = [
        ("MESSAGE", text),
        ("PRIORITY", str(priority(record.levelno))),
        ("SYSLOG_IDENTIFIER", "jiahe"),
        ("LOGGER", record.name),
        ("CODE_FILE", record.pathname),
        ("CODE_LINE", str(record.lineno)),
    ]
    for attribute, name in _FIELDS.items():
        if value := getattr(record, attribute, None):
            fields.append((name, plain(str(value))))
    if said := getattr(record, "said", None):
        fields += [("JIAHE_MESSAGE", str(said)), ("MESSAGE_ID", message_id(str(said)))]
    return fields


def _encode(name: str, value: str) -> bytes:
    """NAME=value, or where the value has line breaks: NAME, its length in 64 bits, the value."""
    data = value.encode("utf-8")
    if b"\n" not in data:
        return name.encode("ascii") + b"=" + data + b"\n"
    return name.encode("ascii") + b"\n" + len(data).to_bytes(8, "little") + data + b"\n"


class _PriorityFormatter(logging.Formatter):
    """`<N>` before every line, as systemd reads it from stderr."""

    def format(self, record: logging.LogRecord) -> str:
        mark = f"<{priority(record.levelno)}>"
        lines = plain_lines(super().format(record)).split("\n")
        return "\n".join(mark + line for line in lines)


class _PeoplesFormatter(logging.Formatter):
    """Lines for people; what a record has beyond its first line is set in, so that no text in it
    reads as another record.
    """

    def format(self, record: logging.LogRecord) -> str:
        return plain_lines(super().format(record)).replace("\n", "\n    ")


def log_handler(
    stderr: TextIO | None = None,
    environ: Mapping[str, str] = os.environ,
    journal: str = JOURNAL_SOCKET,
) -> logging.Handler:
    """The handler that suits where stderr goes: the journal, or a terminal, file or pipe."""
    stream = sys.stderr if stderr is None else stderr
    is_journal = _is_journal(stream, environ)
    if is_journal and Path(journal).exists():
        return JournalHandler(journal)
    handler = logging.StreamHandler(stream)
    if is_journal:
        handler.setFormatter(_PriorityFormatter("%(message)s"))
    else:
        handler.setFormatter(_PeoplesFormatter("%(asctime)s %(levelname)s %(message)s"))
    return handler


def _is_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """JOURNAL_STREAM says which file is the journal's: `device:inode`, systemd.exec(5)."""
    try:
        stat = os.fstat(stream.fileno())
    except (OSError, ValueError):  # io.UnsupportedOperation is both
        return False
    return environ.get("JOURNAL_STREAM") == f"{stat.st_dev}:{stat.st_ino}"
