"""One TOML file: its text, its data, its positions, and every mistake that reading it shows.

tomllib stops at the first mistake. To find the others too, the statement that it stopped at is
mended (full-width punctuation, names that lack their quotes) or taken out, and the rest is read
again. Mending never makes a file acceptable: each mistake is reported, and one error refuses it.
"""

from __future__ import annotations

import ast
import re
import shlex
import tomllib
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from pathlib import Path as FilePath
from typing import Any

from gateway.config import narrow, spelling
from gateway.config.coding import is_utf16
from gateway.config.meant import in_braces, meant, yaml_path
from gateway.config.positions import DEPTH_MAX, Path, Positions, Spot, Statement
from gateway.config.problems import Located, Problems, Severity
from gateway.config.synonyms import SYNONYMS
from gateway.config.units import show_size
from gateway.files import Inode, read

SIZE_MAX = 4 << 20
#: More syntax errors than this in one file are not looked for.
SYNTAX_ERRORS_MAX = 40
#: At least this many mistakes of syntax are looked for, and more while the text read again for them
#: is no longer than this many bytes in all.
SYNTAX_ERRORS_LEAST, READ_BYTES = 2, 8 << 20

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")  # line ends are \n by then
BLANKED = dict.fromkeys((*range(9), *range(11, 32), 127), " ")
_BARE_WIDE = re.compile(r"[\w-]*[^\x00-\x7f][\w-]*")
_BARE_WIDE_KEY = re.compile(r"[\w-]*[^\x00-\x7f][\w-]*(?=[ \t]*[.=])")
_AT = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
#: A line that was meant as a table header, whatever it lacks.
_KEY = r"""(?:[\w-]+|"[^"\n]*"|'[^'\n]*')"""
_HEADER = re.compile(
    rf"(?P<open>\[?)[ \t]*(?P<names>{_KEY}(?:[ \t]*\.[ \t]*{_KEY})*)[ \t]*"
    r"(?P<close>\]?)[ \t]*(?:#.*)?$",
    re.MULTILINE,
)
_LONG_NUMBER = re.compile(r"[0-9_]{4000,}")

#: What tomllib says, by its first words, and what we say.
_SAID = {
    "Invalid initial character for a key part": "config.syntax_key",
    "Expected '=' after a key": "config.syntax_equals",
    "Invalid value": "config.syntax_value",
    "Invalid date": "config.syntax_value",
    "Invalid hex value": "config.syntax_escape",
    "Unescaped '\\'": "config.syntax_escape",
    "Escaped character": "config.syntax_escape",
    "Unterminated string": "config.syntax_string",
    "Illegal character": "config.syntax_string",
    "Found invalid character": "config.syntax_string",
    'Expected "\'"': "config.syntax_string",
    "Expected '\"'": "config.syntax_string",
    "Expected \"'''\"": "config.syntax_string",
    'Expected \'"""\'': "config.syntax_string",
    "Unclosed array": "config.syntax_array",
    "Unclosed inline table": "config.syntax_inline",
    "Expected ']": "config.syntax_header",
    "Expected newline or end": "config.syntax_rest",
    "Cannot declare": "config.twice_key",
    "Cannot overwrite a value": "config.twice_key",
    "Cannot mutate immutable": "config.twice_key",
    "Duplicate inline table key": "config.twice_key",
}


class Source:
    """A file that was read. `data` is what of it makes sense; `problems` is what does not."""

    def __init__(self, file: str, raw: bytes, inode: Inode | None = None) -> None:
        self.file = file
        self.inode = inode
        self.problems = Problems()
        self.gone: set[Path] = set()  # what was said, but had to be taken out
        self._decoded = ""
        self._lines_of, self._lines = "", [""]
        text = self._decode(raw)
        self._lines_of, self._lines = self._decoded, self._decoded.split("\n")
        self.positions = Positions(text)
        self.data: dict[str, Any] = self._parse()

    @classmethod
    def read(cls, path: FilePath) -> Source:
        """Raises OSError."""
        found = read(path, SIZE_MAX)
        return cls(str(path), found.raw, found.inode)

    def located(
        self,
        at: Path | Spot,
        message: str,
        /,
        *,
        at_value: bool = False,
        severity: Severity = "error",
        **args: Any,
    ) -> Located:
        """A problem at a path (its key, or with `at_value` its value) or at a spot."""
        if isinstance(at, Spot):
            spot = at
        else:
            spot = self.positions.value(at) if at_value else self.positions.key(at)
        line = self._lines[spot.line - 1]
        return Located(self.file, spot.line, spot.column, severity, message, args, line)

    def lost(self, path: Path) -> set[str]:
        """Keys of the table at `path` that are written, but not in `data`: they are mistaken."""
        depth = len(path)
        return {
            str(each[depth]).rstrip(":;")
            for each in self.gone
            if len(each) > depth and each[:depth] == path
        }

    def is_header(self, path: Path) -> bool:
        """Whether the table at `path` has a header of its own."""
        return any(each.header and each.path == path for each in self.positions.statements)

    def where(self, path: Path) -> str:
        """file:line:column of a key."""
        spot = self.positions.key(path)
        return f"{self.file}:{spot.line}:{spot.column}"

    def _say(self, spot: Spot, message: str, **args: Any) -> None:
        if self._lines_of is not self._decoded:
            self._lines_of, self._lines = self._decoded, self._decoded.split("\n")
        line = self._lines[spot.line - 1]
        column = min(spot.column, len(line) + 1)  # a bracket that was added for it made it longer
        problem = Located(self.file, spot.line, column, "error", message, args, line)
        self.problems.append(problem)

    def _decode(self, raw: bytes) -> str:
        """The text, with LF line ends and no byte order mark, whatever it takes."""
        if len(raw) > SIZE_MAX:
            limit = show_size(SIZE_MAX)
            self.problems.append(
                Located(self.file, 0, 0, "error", "config.too_big", {"limit": limit})
            )
            return ""
        is_marked = raw.startswith((b"\xff\xfe", b"\xfe\xff"))
        if is_marked or raw.count(0) > len(raw) // 4:
            args = {"file": shlex.quote(self.file)}
            said = "config.utf16" if is_utf16(raw) else "config.not_text"
            self.problems.append(Located(self.file, 0, 0, "error", said, args))
            return ""
        raw = raw.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            before = raw[: error.start].decode("utf-8")
            text = raw.decode("gb18030", errors="replace")
            self._decoded = text
            line = before.count("\n") + 1
            spot = Spot(line, len(before.rpartition("\n")[2]) + 1)
            self._say(spot, "config.not_utf8", file=shlex.quote(self.file))
        self._decoded = text
        for number, written in enumerate(text.split("\n"), 1):
            if (found := CONTROL.search(written)) and len(self.problems) < SYNTAX_ERRORS_MAX:
                code = f"U+{ord(found[0]):04X}"
                self._say(Spot(number, found.start() + 1), "config.control_character", code=code)
        return text.translate(BLANKED)

    def _parse(self) -> dict[str, Any]:
        fed = self.positions.text
        # A key of very many parts takes tomllib minutes: such a line is looked at before.
        if not self.problems and all(line.count(".") <= DEPTH_MAX for line in fed.split("\n")):
            with suppress(RecursionError, ValueError):
                data = tomllib.loads(fed, parse_float=_decimal)
                if not _is_deep(data):
                    return data
        for deep in [each for each in self.positions.statements if each.deep]:
            opened = self.positions.values.get(deep.path, deep.start)
            self._say(self.positions.spot(opened), "config.too_deep", most=DEPTH_MAX)
            fed = self._without(fed, deep)
        mended: set[int] = set()
        # Each mistake costs a reading of the whole: of a large file fewer are looked for.
        most = min(SYNTAX_ERRORS_MAX, max(SYNTAX_ERRORS_LEAST, READ_BYTES // (len(fed) + 1)))
        while len(self.problems) < most:
            try:
                return tomllib.loads(fed, parse_float=_decimal)
            except RecursionError:
                error, offset = "Unclosed array", len(fed)
            except ValueError as failure:
                error, offset = self._said(str(failure))
            # What never ends is noticed further down, in what follows it.
            endless = error.startswith(
                ("Unclosed array", "Expected \"'", "Expected '\"", "Untermin")
            )
            statement = self.positions.statement_at(offset, broken=endless)
            if statement is None:
                statement = self.positions.statement_at(offset)
            if statement is None or statement.end in mended:
                self._say(self.positions.spot(offset), "config.syntax", error=error)
                return {}
            if (better := self._close(fed, statement)) is not None:
                fed = better
                continue
            if statement.start not in mended:
                mended.add(statement.start)
                if (better := self._mend(fed, statement)) is not None:
                    fed = better
                    continue
            mended.add(statement.end)
            self._explain(error, offset, statement)
            fed = self._without(fed, statement)
        self._say(Spot(1, 1), "config.more_errors", count=len(self.problems))
        return {}

    def _said(self, failure: str) -> tuple[str, int]:
        """tomllib's words, and the offset that they are about."""
        match = _AT.search(failure)
        if match is None:  # an integer of more digits than Python converts
            number = _LONG_NUMBER.search(self.positions.text)
            return "Invalid value", number.start() if number else 0
        error = failure[: match.start()]
        if match[1] is None:
            return error, len(self.positions.text)
        return error, self.positions.offset(int(match[1]), int(match[2]))

    def _close(self, fed: str, statement: Statement) -> str | None:
        """The text with the bracket that a table header lacks, which was said: else the keys below
        were taken for those of the table above.
        """
        text, start = self.positions.text, statement.start
        half = _HEADER.match(text, start)
        if half is None or bool(half["open"]) == bool(half["close"]):
            return None
        sign, at = ("]", half.end("names")) if half["open"] else ("[", start)
        spot = self.positions.spot(at)
        self.positions = Positions(text[:at] + sign + text[at:])
        whole = self.positions.statement_at(start)
        assert whole is not None, "the line is there still"
        self._say(spot, "config.syntax_bracket", sign=sign, meant=spelling.header(whole.path))
        lines = fed.split("\n")
        line = lines[spot.line - 1].lstrip()
        lines[spot.line - 1] = _HEADER.sub(lambda found: f"[{found['names']}]", line)
        return "\n".join(lines)

    def _mend(self, fed: str, statement: Statement) -> str | None:
        """The text with full-width signs replaced, or bare Chinese names quoted, and said so."""
        start, end = statement.start, statement.end
        text = self.positions.text
        wide = narrow.first_wide(text[start:end])
        if wide >= 0:
            spot = self.positions.spot(start + wide)
            mended = narrow.narrowed(text[start:end], header=statement.header)
            self.positions = Positions(text[:start] + mended + text[end:])
            wanted = self._narrow_line(text, statement, spot)
            self._say(spot, "config.full_width", found=text[start + wide], wanted=wanted)
            return _splice(fed, start, end, self.positions.text, text)
        names = _BARE_WIDE if statement.header else _BARE_WIDE_KEY
        match = names.search(narrow.bare(text[start:end]))
        if match is None:
            return None
        spot = self.positions.spot(start + match.start())
        lines = fed.split("\n")
        lines[spot.line - 1] = line = _quoted(names, lines[spot.line - 1])
        if match[0] not in SYNONYMS:
            meant = spelling.header(statement.path) if statement.header else line.strip()
            self._say(spot, "config.syntax_name", name=match[0], meant=meant)
        return "\n".join(lines)

    def _narrow_line(self, text: str, statement: Statement, spot: Spot) -> str:
        """The line at `spot` as it is to be typed."""
        start, end = statement.start, statement.end
        meant = narrow.narrowed(narrow.percentages(text[start:end]), header=statement.header)
        return (text[:start] + meant + text[end:]).split("\n")[spot.line - 1].strip()

    def _explain(self, error: str, offset: int, statement: Statement) -> None:
        message = next((ours for said, ours in _SAID.items() if error.startswith(said)), "")
        if statement.header and self.positions.text.startswith("[[", statement.start):
            message, offset = "config.syntax_brackets", statement.start
        elif message == "config.syntax_key" and self.positions.text.startswith("\n", offset):
            message = "config.syntax_inline"  # the only place where a line must not end
        spot = self.positions.spot(min(max(offset, statement.start), statement.end))
        signs = (";", ":", ",") if message == "config.syntax_rest" else (";", ":")
        if self.positions.text[offset : offset + 1] in signs and offset < statement.end:
            self._stray(offset, statement)
        elif message == "config.twice_key":
            path = statement.path
            if named := re.search(r"\(.*\)", error):
                path = tuple(ast.literal_eval(named[0]))
            first = self.positions.key(path)
            args = {"key": ".".join(str(part) for part in path)}
            args["first"] = f"{self.file}:{first.line}:{first.column}"
            if statement.header and len(path) == 2:  # a device or a link
                message = "config.twice_table"
                args["meant"] = spelling.header((path[0], f"{path[1]}-2"))
            self._say(self.positions.spot(statement.start), message, **args)
        elif message in ("config.syntax_array", "config.syntax_string", "config.syntax_inline"):
            opened = self.positions.values.get(statement.path, statement.start)
            at = self.positions.spot(opened)
            typed = self._typed(spot, statement) if message == "config.syntax_string" else {}
            if message == "config.syntax_inline":
                message, typed = in_braces(self.positions.text.split("\n"), at.line - 1)
            self._say(at, message, **typed)
        elif message:
            self._say(spot, message, **self._typed(spot, statement))
        else:
            self._say(spot, "config.syntax", error=error)

    def _typed(self, spot: Spot, statement: Statement) -> dict[str, str]:
        """What to type instead of a statement of one line, where that can be told."""
        text = self.positions.text[statement.start : statement.end]
        if statement.header or "\n" in text.strip():
            return {}
        typed = meant(self.positions.line(spot.line), spot.column)
        return {"typed": typed} if typed else {}

    def _stray(self, offset: int, statement: Statement) -> None:
        """A sign that other languages put there: what the line is without it."""
        text = self.positions.text
        spot = self.positions.spot(offset)
        if text[offset] == ":" and self._yaml(spot):
            return
        if typed := meant(
            self.positions.line(spot.line), spot.column, habits_only=text[offset] != ":"
        ):
            self._say(spot, "config.stray_sign", found=text[offset], wanted=typed)
            return
        wide = {";": "；", ":": "：", ",": "，"}[text[offset]]
        ours = narrow.narrowed(
            text[statement.start : offset] + wide + text[offset + 1 : statement.end],
            header=statement.header,
        )
        line = (text[: statement.start] + ours + "\n").split("\n")[spot.line - 1].strip()
        self._say(spot, "config.stray_sign", found=text[offset], wanted=line)

    def _yaml(self, spot: Spot) -> bool:
        """Whether the line is a heading of YAML, which was said."""
        path = yaml_path(self.positions.text.split("\n"), spot.line - 1)
        if not path:
            return False
        is_parent = len(path) == 1
        message = "config.yaml_parent" if is_parent else "config.yaml_header"
        whole = path if len(path) > 1 else (*path, "NAME")
        self._say(spot, message, key=path[-1], meant=spelling.header(whole))
        return True

    def _without(self, fed: str, statement: Statement) -> str:
        """The text with the statement blanked; for a header, with all that stands below it."""
        self.gone.add(statement.path)
        first = self.positions.spot(statement.start).line
        last = self.positions.spot(max(statement.start, statement.end - 1)).line
        if statement.header:
            following = [
                s for s in self.positions.statements if s.header and s.start > statement.start
            ]
            end = following[0].start if following else len(self.positions.text)
            last = self.positions.spot(end).line - (1 if following else 0)
        lines = fed.split("\n")
        lines[first - 1 : last] = [""] * (last - first + 1)
        return "\n".join(lines)


def _quoted(names: re.Pattern[str], line: str) -> str:
    """A line with these names in quotes."""
    for found in reversed(list(names.finditer(narrow.bare(line)))):
        line = f'{line[: found.start()]}"{found[0]}"{line[found.end() :]}'
    return line


def _splice(fed: str, start: int, end: int, mended: str, text: str) -> str:
    """`fed` with the lines of text[start:end] taken from `mended`."""
    first = text.count("\n", 0, start)
    last = text.count("\n", 0, end)
    lines = fed.split("\n")
    lines[first : last + 1] = mended.split("\n")[first : last + 1]
    return "\n".join(lines)


def _is_deep(data: dict[str, Any]) -> bool:
    """Whether something in it may be too deep: then each statement is looked at."""
    level: list[Any] = [data]
    for _ in range(DEPTH_MAX):
        level = [
            inner
            for each in level
            for inner in (each.values() if isinstance(each, dict) else each)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def _decimal(number: str) -> Decimal:
    try:
        return Decimal(number)
    except InvalidOperation:  # an exponent beyond any use; the checker refuses NaN
        return Decimal("NaN")
