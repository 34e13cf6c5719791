"""Refused TLS handshakes, each in one line of words.

gRPC tells nobody of a handshake that failed, but for its trace on standard error when it is asked
to be talkative. So it is asked, its lines are caught in a pipe before they reach the log, and of
them only what people can use goes on: who, and why. Of a peer whose certificate was not taken the
address is all that is known.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading
import time
from collections import Counter
from types import TracebackType

from ingest.messages import said
from ingest.words import cleaned

#: How a line of gRPC's begins: level, month and day, time, thread, file:line.
_OF_GRPC = re.compile(r"[IWEF]\d{4} [\d:.]+ +\d+ \S+:\d+\] ")
#: How the further lines of one begin.
_MORE_OF_GRPC = re.compile(r"=== Source Location Trace: ===|src/\S+:\d+\s*$| shutdown=|\s*$")
#: The trace of a step that failed. The peer's address stands some lines below, behind the places
#: in gRPC's source where the error was made.
_FAILED = re.compile(r"CallNextHandshakerLocked: error=.*handshake failed \(\w+\): \S+ (.*)")
#: A peer asked for a name that our certificate does not have, and will refuse it.
_OTHER_NAME = re.compile(r"No match found for server name: (\S{1,253})")
_ADDRESS = re.compile(r"grpc\.internal\.endpoint_peer_address=([^ ,}]+)")
_ASKED = {"GRPC_VERBOSITY": "info", "GRPC_TRACE": "handshaker"}
_WHY = {
    "certificate has expired": "peer_expired",
    "certificate is not yet valid": "peer_early",
    "CERTIFICATE_VERIFY_FAILED": "peer_unknown",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "peer_none",
    "WRONG_VERSION_NUMBER": "peer_plain",
    "HTTP_REQUEST": "peer_http",
    "TLSV1_ALERT_UNKNOWN_CA": "peer_distrusts",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "peer_finds_expired",
    "SSLV3_ALERT_BAD_CERTIFICATE": "peer_finds_bad",
}
#: Of one reason, lines a minute; more are counted.
_LINES_A_MINUTE = 10


def reason(line: str) -> str | None:
    """Why a handshake failed, of a line of gRPC's; None: the line is of something else."""
    match = _FAILED.search(line)
    if match is None:
        return None
    known = next((key for mark, key in _WHY.items() if mark in match[1]), None)
    return said(known) if known else match[1][:200]


def address_of(peer: str) -> str:
    """Of gRPC's "ipv4:10.0.0.7:51234" the address."""
    scheme, _, address = peer.partition(":")
    return address.replace("%5B", "[").replace("%5D", "]") if scheme.startswith("ipv") else peer


class HandshakeLog:
    """While it is entered, standard error of the process goes through here. What gRPC traces is
    settled by its import: so this is entered before."""

    def __enter__(self) -> None:
        self._asked = {name: said for name, said in _ASKED.items() if name not in os.environ}
        os.environ.update(self._asked)
        self._counts: Counter[str] = Counter()
        self._minute = 0
        sys.stderr.flush()
        self._real = os.dup(2)
        reading, writing = os.pipe()
        os.dup2(writing, 2)
        os.close(writing)
        self._pipe = os.fdopen(reading, encoding="utf-8", errors="replace")
        self._thread = threading.Thread(target=self._read, name="handshakes")
        self._thread.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        sys.stderr.flush()
        os.dup2(self._real, 2)  # closes the pipe's last writing end
        self._thread.join()
        self._pipe.close()
        os.close(self._real)
        for name in self._asked:
            del os.environ[name]

    def _read(self) -> None:
        why: str | None = None
        for line in self._pipe:
            is_first, is_more = _OF_GRPC.match(line), _MORE_OF_GRPC.match(line)
            if is_first:
                why = reason(line)
            where = _ADDRESS.search(line)
            if is_first and (named := _OTHER_NAME.search(line)):
                self._say(said("other_name", name=cleaned(named[1])))
            elif why is not None and where is not None:
                self._say(why, address_of(where[1]))
                why = None
            elif not (is_first or is_more) or line[0] in "EF":
                self._pass(line)

    def _say(self, why: str, address: str = "") -> None:
        minute = int(time.monotonic() // 60)
        if minute != self._minute:
            for earlier, count in self._counts.items():
                if count > _LINES_A_MINUTE:
                    self._write(said("handshakes", count=count, why=earlier))
            self._minute, self._counts = minute, Counter()
        self._counts[why] += 1
        if self._counts[why] <= _LINES_A_MINUTE:
            self._write(said("handshake", address=address, why=why) if address else why)

    def _write(self, words: str) -> None:
        self._pass(f"WARNING {words}\n")

    def _pass(self, line: str) -> None:
        # Where nobody takes the log any more, the receiver goes on, and the pipe must not fill up.
        with contextlib.suppress(OSError):
            os.write(self._real, line.encode())
