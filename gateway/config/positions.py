"""Where each key and each value stands in TOML text.

tomllib keeps no positions. This walks the same text beside it: it knows TOML's tokens (v1.0.0) well
enough to find its way through any valid document, and keeps going through an invalid one, line by
line, so that a mistake further down is still found at its place. It judges nothing: that is
tomllib's work.

A path is what leads to a value in tomllib's result: keys, and indices in arrays.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from contextlib import suppress
from functools import cached_property
from typing import NamedTuple

Path = tuple[str | int, ...]

_BLANK = re.compile(r"[ \t]*")
_GAP = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_REST = re.compile(r"[^\n]*")
#: A key, also a bare one in Chinese, which TOML wants in quotes: it is found, so that the mistake
#: can be shown.
_KEY = re.compile(r"""[^\s=.,\[\]{}"'#]+|"((?:[^"\\\n]|\\.)*)"|'([^'\n]*)'""")
_SCALAR = re.compile(
    r'"""(?:[^"\\]|\\[\s\S]|"{1,2}(?!"))*"{3,5}'
    r"|'''(?:[^']|'{1,2}(?!'))*'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[^\s,\]}#]*"  # a date and a time apart by a space
    r"|[^\s,\[\]{}#]+"
)
#: An inline table without another bracket in it: what nearly all tags are. Read when asked for.
_FLAT = re.compile(r"""\{(?:[^{}\[\]"'#\n]|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')*\}""")
_ESCAPE = re.compile(r'\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([btnfr"\\]))')
_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\"}
#: A line that opens a table or starts a key: where to go on after a bracket that never closed.
_FRESH_LINE = re.compile(r"""\n[ \t]*(?:\[\[?[^\[\],\n]+\]\]?[ \t]*(?=#|\n|$)|[\w"'.-]+[ \t]*=)""")
#: Deeper nesting is no configuration of ours; tomllib itself ends at Python's recursion limit.
DEPTH_MAX = 40
#: After so many statements whose brackets or quotes do not close, the rest is not looked at.
FAULTS_MAX = 40


class Spot(NamedTuple):
    """A place in a file, both counted from 1, the column in characters."""

    line: int
    column: int


class Statement(NamedTuple):
    """One table header, or one key with its value: offsets into the text, end excluded. `path` is
    cut short where it is `deep`: more than DEPTH_MAX parts, or brackets in each other.
    """

    start: int
    end: int
    path: Path
    header: bool
    broken: bool  # a bracket in it is never closed, or nested too deep
    deep: bool


class _BrokenError(Exception):
    """What follows in brackets is not TOML: give the statement up."""


class _DeepError(_BrokenError):
    """More than DEPTH_MAX parts of a key, or brackets in each other."""


class Positions:
    """The map of one document, drawn when it is first looked at: a file without a mistake needs
    none.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._keys: dict[Path, int] = {}
        self._values: dict[Path, int] = {}
        self._statements: list[Statement] = []
        self._arrays: dict[Path, int] = {}  # arrays of tables: how many so far
        self._unread: dict[Path, int] = {}  # flat inline tables: where they start

    @cached_property
    def _lines(self) -> list[int]:
        return [0, *(match.end() for match in re.finditer("\n", self.text))]

    @cached_property
    def statements(self) -> list[Statement]:
        self._walk()
        return self._statements

    @property
    def keys(self) -> dict[Path, int]:
        """Offsets of characters, by path."""
        _ = self.statements
        return self._keys

    @property
    def values(self) -> dict[Path, int]:
        """The same."""
        _ = self.statements
        return self._values

    def spot(self, offset: int) -> Spot:
        line = bisect_right(self._lines, offset)
        return Spot(line, offset - self._lines[line - 1] + 1)

    def offset(self, line: int, column: int) -> int:
        """The offset of a place; beyond the end of its line, that end."""
        if line > len(self._lines):
            return len(self.text)
        end = self._lines[line] - 1 if line < len(self._lines) else len(self.text)
        return min(self._lines[line - 1] + column - 1, end)

    def line(self, number: int) -> str:
        """The text of a line, without its end."""
        if not 1 <= number <= len(self._lines):
            return ""
        return self.text[self._lines[number - 1] :].split("\n", 1)[0]

    def key(self, path: Path) -> Spot:
        """Where the last part of `path` is written; for what has no key of its own, its parent."""
        self._read(path)
        while path and path not in self.keys:
            path = path[:-1]
        return self.spot(self.keys.get(path, 0))

    def value(self, path: Path) -> Spot:
        """Where the value at `path` starts; a table has none, so its key."""
        self._read(path)
        return self.spot(self.values[path]) if path in self.values else self.key(path)

    def statement_at(self, offset: int, *, broken: bool = False) -> Statement | None:
        """The last statement that starts at or before `offset`; `broken`: the last broken one."""
        found = None
        for statement in self.statements:
            if statement.start > offset:
                break
            if statement.broken or not broken:
                found = statement
        return found

    def _walk(self) -> None:
        text, at, faults = self.text, 0, 0
        table: Path = ()
        while True:
            at = self._skip(_GAP, at)
            if at >= len(text) or faults > FAULTS_MAX:
                return
            start, path, broken, deep = at, table, False, False
            header = text[at] == "["
            try:
                if header:
                    path = table = self._header(at)
                else:
                    parts, at = self._dotted(at)
                    for name, offset in parts:
                        path = (*path, name)
                        self._keys.setdefault(path, offset)
                    at = self._assigned(path, at, 0)
            except _BrokenError as error:
                broken, deep = True, isinstance(error, _DeepError)
                fresh = _FRESH_LINE.search(text, start)
                at = fresh.start() if fresh else len(text)
            at = self._skip(_REST, at)
            self._statements.append(Statement(start, at, path, header, broken, deep))
            faults += broken

    def _read(self, path: Path) -> None:
        """Read the flat inline table that holds `path`, if it was not yet."""
        _ = self.statements
        for length in range(1, len(path)):
            if (at := self._unread.pop(path[:length], None)) is not None:
                with suppress(_BrokenError):  # what came before the fault was noted
                    self._inline(path[:length], at + 1, 0)

    def _skip(self, pattern: re.Pattern[str], at: int) -> int:
        match = pattern.match(self.text, at)
        return match.end() if match else at

    def _header(self, at: int) -> Path:
        """Path of the table that `[a.b]` or `[[a.b]]` opens, with indices of arrays of tables."""
        double = self.text.startswith("[[", at)
        parts, _ = self._dotted(self._skip(_BLANK, at + 1 + double))
        path: Path = ()
        for number, (name, offset) in enumerate(parts, 1):
            path = (*path, name)
            self._keys.setdefault(path, offset)
            if double and number == len(parts):
                index = self._arrays.get(path, 0)
                self._arrays[path] = index + 1
                path = (*path, index)
                self._keys[path] = offset
            elif path in self._arrays:
                path = (*path, self._arrays[path] - 1)
        return path

    def _dotted(self, at: int) -> tuple[list[tuple[str, int]], int]:
        """The parts of a dotted key with their offsets, and where it ends."""
        parts: list[tuple[str, int]] = []
        while match := _KEY.match(self.text, at):
            basic, literal = match.groups()
            name = match[0] if literal is None else literal
            if basic is not None:
                name = _ESCAPE.sub(_unescape, basic)
            parts.append((name, at))
            at = self._skip(_BLANK, match.end())
            if not self.text.startswith(".", at):
                break
            if len(parts) > DEPTH_MAX:
                raise _DeepError
            at = self._skip(_BLANK, at + 1)
        return parts, at

    def _assigned(self, path: Path, at: int, depth: int) -> int:
        """Past `= value`, if that is what stands at `at`."""
        if not self.text.startswith("=", at):
            return at
        return self._value(path, self._skip(_BLANK, at + 1), depth)

    def _value(self, path: Path, at: int, depth: int) -> int:
        self._values.setdefault(path, at)
        if depth > DEPTH_MAX:
            raise _DeepError
        if self.text.startswith("[", at):
            return self._array(path, at + 1, depth + 1)
        if self.text.startswith("{", at):
            flat = _FLAT.match(self.text, at)
            if flat and self.text.count(".", at, flat.end()) <= DEPTH_MAX:
                self._unread.setdefault(path, at)
                return flat.end()
            return self._inline(path, at + 1, depth + 1)
        end = self._skip(_SCALAR, at)
        quote = self.text[at : at + 1]
        if quote in ("'", '"') and (
            end - at < 2 or self.text[end - 1] != quote or self.text.startswith(quote, end)
        ):
            raise _BrokenError  # a quote that never closes
        return end

    def _array(self, path: Path, at: int, depth: int) -> int:
        index = 0
        while True:
            at = self._skip(_GAP, at)
            if self.text.startswith("]", at):
                return at + 1
            before = at
            at = self._skip(_GAP, self._value((*path, index), at, depth))
            if self.text.startswith(",", at):
                at += 1
            elif not self.text.startswith("]", at) or at == before:
                raise _BrokenError
            index += 1

    def _inline(self, path: Path, at: int, depth: int) -> int:
        while True:
            at = self._skip(_GAP, at)
            if self.text.startswith("}", at):
                return at + 1
            parts, at = self._dotted(at)
            inner = path
            for name, offset in parts:
                inner = (*inner, name)
                self._keys.setdefault(inner, offset)
            at = self._skip(_GAP, self._assigned(inner, at, depth))
            if self.text.startswith(",", at):
                at += 1
            elif not self.text.startswith("}", at):
                raise _BrokenError


def _unescape(match: re.Match[str]) -> str:
    short, long, letter = match.groups()
    return _ESCAPES[letter] if letter else chr(int(short or long, 16))
