"""A value of the wrong kind as it was probably meant: what to type instead of it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from gateway.config import spelling

#: What people write for yes and for no.
SPOKEN = {
    "true": "true", "yes": "true", "on": "true", "1": "true", "是": "true", "开": "true",
    "false": "false", "no": "false", "off": "false", "0": "false", "否": "false", "关": "false",
}  # fmt: skip
#: Longer texts are not guessed at.
_CHARS_MAX = 64
#: No number of a file has more.
_DIGITS_MAX = 20
_DASHES = re.compile(r"\s*(?:~|～|—+|–|至|到|\.\.+|-)\s*")
_COMMAS = re.compile(r"\s*[,，、;；]\s*|\s+")


def likely(kind: str, value: Any) -> str:
    """`value` as a key of this kind takes it, as TOML; "" where that can't be told."""
    guess = _GUESSES.get(kind)
    if guess is None or (isinstance(value, str) and len(value) > _CHARS_MAX):
        return ""
    return guess(value)


def units(value: Any) -> str:
    """Unit numbers, or a range of them, as they are written."""
    if isinstance(value, list) and all(isinstance(each, int) for each in value):
        return f'"{",".join(map(str, value))}"' if value else ""
    if not isinstance(value, str) or len(value) > _CHARS_MAX:
        return ""
    text = _DASHES.sub("-", unicodedata.normalize("NFKC", value).strip(" 号站"))
    text = _COMMAS.sub(",", text)
    if re.fullmatch(r"[0-9]+", text):
        return str(int(text))
    if re.fullmatch(r"[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*", text):
        return f'"{text}"'
    return _int(text)


def _int(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | Decimal):
        return ""
    if isinstance(value, str):
        text = unicodedata.normalize("NFKC", value).strip()
        if len(text) == 1 and unicodedata.numeric(text, -1.0) >= 0:  # 三 too
            value = Decimal(int(unicodedata.numeric(text)))
        elif (number := _number(text)) is not None:
            value = number
        else:
            return ""
    if not value.is_finite() or value.adjusted() > _DIGITS_MAX:
        return ""
    return str(int(value)) if value == value.to_integral_value() else ""


def _decimal(value: Any) -> str:
    if isinstance(value, str):
        number = _number(unicodedata.normalize("NFKC", value).strip())
        return "" if number is None else f"{number:f}"
    return ""


def _number(text: str) -> Decimal | None:
    """The number that a text stands for; a comma is taken for the decimal point too."""
    text = text.replace("。", ".")
    if not re.fullmatch(r"[+-]?[0-9]{0,18}([.,][0-9]{1,18})?", text):
        return None
    try:
        return Decimal(text.replace(",", "."))
    except InvalidOperation:
        return None


def _bool(value: Any) -> str:
    return SPOKEN.get(str(value).strip().lower(), "")


def _deadband(value: Any) -> str:
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return f"{abs(value):f}" if isinstance(value, Decimal) else str(abs(value))
    if isinstance(value, str):
        text = unicodedata.normalize("NFKC", value).strip().lstrip("-")
        number = _number(text.removesuffix("%").strip())
        if number is not None:
            return f'"{number:f} %"' if text.endswith("%") else f"{number:f}"
    return ""


def _labels(value: Any) -> str:
    """A list of names: from 0 on."""
    if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
        return spelling.value({str(number): name for number, name in enumerate(value[:20])})
    return ""


def _texts(value: Any) -> str:
    return spelling.value([value]) if isinstance(value, str) and value.strip() else ""


_GUESSES: dict[str, Callable[[Any], str]] = {
    "int": _int, "decimal": _decimal, "bool": _bool, "deadband": _deadband, "labels": _labels,
    "texts": _texts,
}  # fmt: skip
