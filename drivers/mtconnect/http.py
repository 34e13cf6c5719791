"""HTTP/1.x answers and multipart bodies, bytes in and documents out; no socket, no clock.

Chunks are taken off first, then a multipart body is cut at its boundaries. A part is whole where
its root element ends, so that it is not waited for until the next one begins; the lengths that a
part says of itself may lie or lack, and are not needed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, Literal

from drivers.mtconnect.documents import DOCUMENT_BYTES_MAX

HEAD_BYTES_MAX: Final = 64 << 10
LINE_BYTES_MAX: Final = 4096
_ROOT_END = re.compile(rb"</(?:[A-Za-z_][\w.-]*:)?MTConnect(?:Streams|Devices|Error|Assets)\s*>")
_ROOT_END_BYTES_MAX: Final = 160
_NO_HEAD = re.compile(rb"\r?\n|[ \t]*(?=<)")
_HEAD_END = re.compile(rb"\r?\n\r?\n")


class HttpError(ValueError):
    """What came is no answer in HTTP."""


def request(host: str, path: str) -> bytes:
    """A GET of `path`, which is ASCII without blanks."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: application/xml, text/xml\r\n"
        "User-Agent: jiahe\r\n\r\n"
    ).encode("ascii")


@dataclass(slots=True)
class Head:
    status: int
    version: bytes
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def boundary(self) -> bytes | None:
        """The boundary of a multipart body; None where the body is not multipart."""
        said = self.headers.get("content-type", "")
        if not said.lower().lstrip().startswith("multipart/"):
            return None
        match = re.search(r'boundary\s*=\s*(?:"([^"]+)"|([^;\s]+))', said, re.IGNORECASE)
        if match is None:
            return None
        return (match[1] or match[2]).encode("latin-1", "replace")

    @property
    def keeps(self) -> bool:
        """Whether the connection may take another request."""
        said = self.headers.get("connection", "").lower()
        return said != "close" if self.version == b"1.1" else said == "keep-alive"


State = Literal[
    "head", "sized", "until_close", "chunk", "chunk_data", "chunk_end", "trailer", "end"
]


class Answer:
    """One answer, fed as its bytes come. `head` is there once it is complete; `take` gives the body
    that has come since; `rest` is what came behind the end.
    """

    def __init__(self) -> None:
        self.head: Head | None = None
        self.rest = b""
        self._state: State = "head"
        self._pending = bytearray()
        self._body = bytearray()
        self._left = 0

    @property
    def is_complete(self) -> bool:
        return self._state == "end"

    def take(self) -> bytes:
        """The body since the last call, chunks taken off."""
        found = bytes(self._body)
        self._body.clear()
        return found

    def feed(self, data: bytes) -> None:
        """Raises HttpError."""
        self._pending += data
        while self._step():
            pass
        if self._state == "end" and self._pending:
            self.rest += bytes(self._pending)
            self._pending.clear()

    def closed(self) -> None:
        """The peer hung up. Raises ConnectionResetError where the answer was not whole, HttpError
        where it had not begun like one.
        """
        if self._state == "until_close":
            self._state = "end"
        if self._state == "head":
            raise HttpError("it hung up without an answer")
        if self._state != "end":
            raise ConnectionResetError("the answer is cut short")

    def _step(self) -> bool:
        """One step of the state; False where more bytes are needed."""
        match self._state:
            case "head":
                return self._read_head()
            case "until_close":
                return self._move(len(self._pending))
            case "sized" | "chunk_data":
                moved = self._move(min(self._left, len(self._pending)))
                if self._left == 0:
                    self._state = "end" if self._state == "sized" else "chunk_end"
                    return True
                return moved
            case "chunk":
                return self._read_size()
            case "chunk_end":
                line = self._line()
                if line:
                    raise HttpError("a chunk is longer than it says")
                if line is not None:
                    self._state = "chunk"
                return line is not None
            case "trailer":
                line = self._line()
                if line == b"":
                    self._state = "end"
                return line is not None
            case "end":
                return False

    def _move(self, count: int) -> bool:
        self._body += self._pending[:count]
        del self._pending[:count]
        self._left -= count
        return count > 0

    def _line(self) -> bytes | None:
        """The next line without its end; None until it is whole."""
        end = self._pending.find(b"\n")
        if end < 0:
            if len(self._pending) > LINE_BYTES_MAX:
                raise HttpError("a line without an end")
            return None
        line = bytes(self._pending[:end]).rstrip(b"\r")
        del self._pending[: end + 1]
        return line

    def _read_size(self) -> bool:
        line = self._line()
        if line is None:
            return False
        text = line.split(b";")[0].strip()
        if not re.fullmatch(rb"[0-9A-Fa-f]{1,8}", text):
            raise HttpError(f"{line[:40]!r} is no chunk's size")
        self._left = int(text, 16)
        self._state = "chunk_data" if self._left else "trailer"
        return True

    def _read_head(self) -> bool:
        match = re.search(rb"\r?\n\r?\n", self._pending)
        if match is None:
            if len(self._pending) > HEAD_BYTES_MAX:
                raise HttpError("a head without an end")
            if self._pending and not b"HTTP/1."[: len(self._pending)] == self._pending[:7]:
                raise HttpError(f"{bytes(self._pending[:40])!r} is no HTTP")
            return False
        lines = bytes(self._pending[: match.start()]).decode("latin-1").splitlines()
        del self._pending[: match.end()]
        status = re.fullmatch(r"HTTP/(1\.[01])\s+(\d{3})(?:\s.*)?", lines[0] if lines else "")
        if status is None:
            raise HttpError(f"{lines[0][:40] if lines else ''!r} is no HTTP")
        head = Head(int(status[2]), status[1].encode())
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if colon:
                head.headers[name.strip().lower()] = value.strip()
        if 100 <= head.status < 200:
            return True  # the real one follows
        self.head = head
        self._state, self._left = _body_of(head)
        return True


def _body_of(head: Head) -> tuple[State, int]:
    if head.status in (204, 304):
        return "end", 0
    if "chunked" in head.headers.get("transfer-encoding", "").lower():
        return "chunk", 0
    length = head.headers.get("content-length", "")
    if head.boundary is None and length.isascii() and length.isdecimal() and len(length) < 11:
        if int(length) > DOCUMENT_BYTES_MAX:
            raise HttpError(f"a body of {length} bytes")
        return ("sized", int(length)) if int(length) else ("end", 0)
    return "until_close", 0


class Parts:
    """Cuts a multipart body into the documents of its parts."""

    def __init__(self, boundary: bytes) -> None:
        self._delimiter = re.compile(
            rb"(?:^|\r?\n)--+" + re.escape(boundary.lstrip(b"-")) + rb"(--)?[ \t]*(?:\r?\n|$)"
        )
        self._overlap = _ROOT_END_BYTES_MAX + len(boundary)
        self._pending = bytearray()
        self._inside = False  # behind a part's head
        self._looked = 0  # of `_pending`: no root ends before
        self.is_last = False

    def feed(self, data: bytes) -> list[bytes]:
        """The documents that are whole now. Raises HttpError."""
        self._pending += data
        found: list[bytes] = []
        while not self.is_last and self._step(found):
            pass
        if len(self._pending) > DOCUMENT_BYTES_MAX:
            raise HttpError("a part without an end")
        return found

    def _step(self, found: list[bytes]) -> bool:
        if not self._inside:
            return self._read_head()
        end = _ROOT_END.search(self._pending, self._looked)
        cut = self._delimiter.search(
            self._pending, self._looked, end.start() if end else len(self._pending)
        )
        # A part that is no document ends where the next one begins.
        if cut is not None and cut.end() < len(self._pending):
            found.append(bytes(self._pending[: cut.start()]))
            self._next(cut.start())
            return True
        if end is not None:
            found.append(bytes(self._pending[: end.end()]))
            self._next(end.end())
            return True
        self._looked = max(0, len(self._pending) - self._overlap)
        return False

    def _next(self, at: int) -> None:
        del self._pending[:at]
        self._inside, self._looked = False, 0

    def _read_head(self) -> bool:
        """Up to the blank line behind the next delimiter."""
        cut = self._delimiter.search(self._pending)
        if cut is None:
            del self._pending[: -HEAD_BYTES_MAX or None]
            return False
        if cut[1]:
            self.is_last = True
            return False
        # A part may have no head: then its document begins at once, or behind a blank line.
        at = cut.end()
        head = _NO_HEAD.match(self._pending, at) or _HEAD_END.search(self._pending, at)
        if head is None:
            if len(self._pending) - cut.end() > HEAD_BYTES_MAX:
                raise HttpError("a part's head without an end")
            return False
        del self._pending[: head.end()]
        self._inside, self._looked = True, 0
        return True
