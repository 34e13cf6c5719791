"""A statement of TOML as it was meant, where a Chinese input method was on while it was typed."""

from __future__ import annotations

import re

from gateway.config.synonyms import FULL_WIDTH

_QUOTED = re.compile(r"""\"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|#[^\n]*""")
#: ASCII that TOML knows outside of texts; letters and digits are, too.
_SIGNS = set("\"',.[]{}=#-+_: ")
_OPEN, _CLOSE = "“„”", '”“"'


def bare(statement: str) -> str:
    """The statement with its texts and comments blanked."""
    return _QUOTED.sub(lambda match: " " * len(match[0]), statement)


def first_wide(statement: str) -> int:
    """Where the first full-width sign stands outside of texts and comments; -1: nowhere."""
    return next((at for at, sign in enumerate(bare(statement)) if sign in FULL_WIDTH), -1)


def narrowed(statement: str, *, header: bool) -> str:
    """The statement in the signs of TOML, each at its place. What stands in full-width quotes is a
    text, what stands in full-width brackets a remark, which goes.
    """
    plain = bare(statement)
    made = list(statement)
    depth, assigned, at = 0, False, 0
    while at < len(plain):
        sign = plain[at]
        meant = FULL_WIDTH.get(sign, sign)
        if sign in _OPEN and (end := _closing(plain, at)) > at:
            made[at : end + 1] = ['"', *_inside(plain[at + 1 : end]), '"']
            at = end + 1
            continue
        if sign == "（" and (end := plain.find("）", at)) > at:
            made[at : end + 1] = " " * (end + 1 - at)
            at = end + 1
            continue
        if meant != sign:
            inside = depth > 0 or plain[at + 1 : at + 2].isdigit()
            made[at] = meant = _in_place(meant, inside=inside, assigned=assigned or header)
            if meant in ",." and assigned and not inside:
                made[at] = meant = " "  # the end of a sentence
        if meant in "[{" and not header:
            depth += 1
        elif meant in "]}" and not header:
            depth -= 1
        assigned = meant == "=" or (assigned and meant not in ",{\n")
        at += 1
    return "".join(made)


def percentages(line: str) -> str:
    """A line with "1％" as the text that it must be."""
    return re.sub(r"([0-9.]+)\s*[％%](?=\s*(?:[,}\s#]|$))", r'"\1 %"', line)


def _closing(plain: str, at: int) -> int:
    """Where the text ends that a full-width quote opens; -1 where it does not end on its line."""
    for end in range(at + 1, len(plain)):
        if plain[end] == "\n":
            return -1
        if plain[end] in _CLOSE:
            return end
    return -1


def _inside(text: str) -> str:
    """An address is in ASCII; anything else is for people, and stays."""
    meant = "".join(FULL_WIDTH.get(sign, sign) for sign in text)
    return meant if meant.isascii() and '"' not in meant else text


def _in_place(meant: str, *, inside: bool, assigned: bool) -> str:
    if meant == ";":
        return "," if inside else " "
    if meant == ":" and not assigned:
        return "="
    return meant if meant in _SIGNS or meant.isalnum() else " "
