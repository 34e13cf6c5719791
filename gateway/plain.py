"""The one place where text that is not ours is made fit for a terminal, a pipe or a log.

A device, a platform, a file or a user may put anything into a text: escape sequences that repaint
a terminal, line ends that forge a row or a line of the log, signs that turn the direction of the
writing, halves of a character that can't be encoded. Each becomes one harmless character, so that
columns and carets stay where they were.
"""

from __future__ import annotations

import json
import re
import unicodedata

#: What is no blank, and moves nothing but the place where the next character goes.
_BLANKS = "\t\n\v\f\r\x1c\x1d\x1e\x1f\x85\u2028\u2029"
#: What JSON leaves as it is, and a terminal may act on or can't show.
_RAW = re.compile("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")


def plain(words: str) -> str:
    """One line of printable characters, as long as `words`: blanks of all kinds become a space,
    all else that does not print a "?".
    """
    if words.isprintable():
        return words
    return "".join(map(_plain, words))


def plain_lines(words: str) -> str:
    """`plain` applied to each line of a text."""
    return "\n".join(map(plain, words.split("\n")))


def width(words: str) -> int:
    """Cells that `words` take on a terminal."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in words
    )


def plain_json(document: object, *, indent: int | None = None) -> str:
    """A document as JSON in which nothing moves a cursor; whoever parses it gets what it holds."""
    written = json.dumps(document, ensure_ascii=False, indent=indent)
    return _RAW.sub(lambda found: f"\\u{ord(found[0]):04x}", written)


def _plain(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character in _BLANKS or unicodedata.category(character) == "Zs" else "?"
