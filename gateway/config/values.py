"""One value against its key of the schema: what it comes to in base units, or what is wrong."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar

from jiahe.ingest.limits import (
    DECIMAL_CHARS_MAX,
    INT64_END,
    LABEL_BYTES_MAX,
    LABELS_MAX,
    TEXT_BYTES_MAX,
)

from drivers.keys import Key
from drivers.packets import PACKET_MAX, packet
from drivers.raw import NO_VALUE_MAX
from drivers.said import SaidError
from gateway.config import likely, spelling
from gateway.config.synonyms import FULL_WIDTH, SYNONYMS, UNIT_SYNONYMS, VALUE_SYNONYMS
from gateway.config.units import (
    DIGITS_MAX,
    Rate,
    duration_ns,
    is_absurd,
    percent,
    rate,
    show_duration,
    show_size,
    size_bytes,
)
from gateway.plain import plain

UNITS_MAX = 255
#: What texts of keys came to. Keys are the schema's, and live as long as the process.
_KNOWN: dict[tuple[int, str], Any] = {}
_KNOWN_MAX, _KNOWN_CHARS_MAX = 1 << 15, 32
_INTEGER = re.compile(r"-?[0-9]{1,20}", re.ASCII)

_Number = TypeVar("_Number", int, Decimal)
_Quantity = TypeVar("_Quantity")


class Deadband(NamedTuple):
    amount: Decimal
    percent: bool


class WrongError(SaidError):
    """A value that its key does not take."""


def convert(key: Key, value: Any) -> Any:
    """The value in base units. No whole number that it can't be reaches what would write it out:
    a hexadecimal one may have a million digits.
    """
    if isinstance(value, int) and abs(value) >= INT64_END:
        raise WrongError("config.absurd_number", key=key.name, digits=18)
    if not isinstance(value, str) or len(value) > _KNOWN_CHARS_MAX:
        return _CONVERT[key.kind](key, value)
    # Tables say the same few things again and again; what comes of a text is never changed.
    known = (id(key), value)
    if known not in _KNOWN:
        if len(_KNOWN) >= _KNOWN_MAX:
            _KNOWN.clear()
        _KNOWN[known] = _CONVERT[key.kind](key, value)
    return _KNOWN[known]


def nearest(word: str, known: Iterable[str], likeness: float = 0.6) -> str | None:
    """The known word that was probably meant."""
    import difflib  # here: a file without mistakes needs none of it

    names, word = list(known), unicodedata.normalize("NFKC", word)
    if (meant := SYNONYMS.get(word) or SYNONYMS.get(word.lower())) in names:
        return meant
    lower = {name.lower(): name for name in names}
    close = difflib.get_close_matches(word.lower(), lower, 1, likeness)
    return lower[close[0]] if close else None


def _text(key: Key, value: Any) -> str:
    if not isinstance(value, str):
        number = isinstance(value, int) and not isinstance(value, bool)
        if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
            value, number = value[0], True
        digits = key.example.strip('"')  # of a number on a plate, so many, with zeros in front
        said = str(value).zfill(len(digits) if digits.isdecimal() else 0)
        meant = f"{key.name} = {spelling.value(said)}" if number and key.name != "listen" else ""
        raise _wrong_type(key, "text", meant)
    _judge_text(key, value)
    wide = ""
    if key.name in ("address", "listen") and not value.isascii():
        wide = next((sign for sign in value if sign in FULL_WIDTH), "")
    if wide:
        meant = "".join(FULL_WIDTH.get(sign, sign) for sign in value).strip()
        raise WrongError("config.full_width", found=wide, wanted=f'{key.name} = "{meant}"')
    if not value.strip() and (key.required or key.default is None):
        raise WrongError("config.empty", key=key.name, example=f"{key.name} = {key.example}")
    return value


def _judge_text(key: Key, text: str, most: int = TEXT_BYTES_MAX) -> None:
    """Check that a text can be sent, and is one line that can be shown."""
    if text.isascii() and len(text) <= most and text.isprintable():
        return
    if len(text) > most or len(text.encode("utf-8", "replace")) > most:
        size = len(text.encode("utf-8", "replace"))
        raise WrongError("config.too_long", key=key.name, size=size, most=most)
    if not text.isprintable():
        bad = next(sign for sign, shown in zip(text, plain(text), strict=True) if sign != shown)
        if not unicodedata.category(bad).startswith("Z") or bad in "\u2028\u2029":
            raise WrongError("config.control_in_text", key=key.name, code=f"U+{ord(bad):04X}")


def _int(key: Key, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong_type(key, "int", value=value)
    return _ranged(key, value, str)


def _bool(key: Key, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _wrong_type(key, "bool", value=value)
    return value


def _duration(key: Key, value: Any) -> int:
    units = "ms, s, min, h, days"
    return _ranged(key, _quantity(key, value, duration_ns, units), show_duration)


def _size(key: Key, value: Any) -> int:
    units = "MB, GB, MiB, GiB"
    return _ranged(key, _quantity(key, value, size_bytes, units), show_size)


def _rate(key: Key, value: Any) -> Rate:
    found: Rate = _quantity(key, value, rate, "MB/day, GB/day, MB/month, GB/month")
    _ranged(key, found.size_bytes, show_size)
    return found


def _decimal(key: Key, value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise _wrong_type(key, "decimal", value=value)
    number = _short(key, Decimal(value))
    if key.name in ("scale", "resolution") and number == 0:
        raise WrongError("config.not_zero", key=key.name)
    return _ranged(key, number, str)


def _short(key: Key, number: Decimal) -> Decimal:
    """The number, which can be written out and sent."""
    if number.is_nan():
        raise _wrong_type(key, key.kind)
    if is_absurd(number):
        raise WrongError("config.absurd_number", key=key.name, digits=DIGITS_MAX)
    if len(format(number, "f")) > DECIMAL_CHARS_MAX:
        raise WrongError("config.absurd_number", key=key.name, digits=DIGITS_MAX)
    return number


def _choice(key: Key, value: Any) -> str:
    if isinstance(value, str) and value in key.choices:
        return value
    choices = spelling.listed(key.choices)
    if not isinstance(value, str):
        raise WrongError("config.bad_choice", key=key.name, value=_toml(value), choices=choices)
    meant = VALUE_SYNONYMS.get(value.strip().lower())
    if near := meant if meant in key.choices else nearest(value, key.choices, 0.76):
        raise WrongError(
            "config.bad_choice_near", key=key.name, value=_toml(value), near=near, choices=choices
        )
    raise WrongError("config.bad_choice", key=key.name, value=_toml(value), choices=choices)


def _deadband(key: Key, value: Any) -> Deadband:
    if isinstance(value, str):
        try:
            amount = percent(value)
        except ValueError:
            raise _wrong_type(key, "deadband", value=value) from None
    elif isinstance(value, int | Decimal) and not isinstance(value, bool):
        amount = Decimal(value)
    else:
        raise _wrong_type(key, "deadband")
    if _short(key, amount) < 0:
        raise _wrong_type(key, "deadband", value=value)
    return Deadband(amount, isinstance(value, str))


def _labels(key: Key, value: Any) -> dict[int, str]:
    if not isinstance(value, dict):
        raise _wrong_type(key, "labels", value=value)
    if len(value) > LABELS_MAX:
        raise WrongError("config.too_many_labels", count=len(value), most=LABELS_MAX)
    labels: dict[int, str] = {}
    for number, label in value.items():
        if not _INTEGER.fullmatch(number) or not isinstance(label, str):
            raise _wrong_type(key, "labels")
        if not -INT64_END <= int(number) < INT64_END:
            raise WrongError("config.absurd_number", key=key.name, digits=18)
        _judge_text(key, label, LABEL_BYTES_MAX)
        labels[int(number)] = label
    return labels


def _texts(key: Key, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _wrong_type(key, "texts", value=value)
    for item in value:
        _judge_text(key, item)
    return tuple(value)


def _raws(key: Key, value: Any) -> tuple[str, ...]:
    """Raw values, as texts; one alone needs no list. What they come to, the tag's type says."""
    values = value if isinstance(value, list) else [value]
    if len(values) > NO_VALUE_MAX:
        raise WrongError("config.too_many_raws", key=key.name, count=len(values), most=NO_VALUE_MAX)
    texts = []
    for each in values:
        if isinstance(each, bool) or not isinstance(each, str | int | Decimal):
            raise _wrong_type(key, "raws")
        texts.append(str(each if isinstance(each, str | int) else _short(key, each)).strip())
        _judge_text(key, texts[-1])
    return tuple(texts)


def _units(key: Key, value: Any) -> tuple[int, ...]:
    """One unit number, or "11-34", "1,3,5-7": the numbers, in the order written."""
    meant = likely.units(value) or "7"
    wrong = WrongError("config.bad_unit_range", value=_toml(value), meant=meant)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise wrong
    numbers: list[int] = []
    for part in value.split(","):
        first, dash, last = (text.strip() for text in part.partition("-"))
        last = last if dash else first
        if not (first.isascii() and first.isdigit() and last.isascii() and last.isdigit()):
            raise wrong
        if not len(first) <= 3 >= len(last) or not int(first) <= int(last) <= UNITS_MAX:
            raise wrong
        numbers += range(int(first), int(last) + 1)
    if len(set(numbers)) != len(numbers):
        raise wrong
    return tuple(numbers)


def _in_flight(key: Key, value: Any) -> int | str:
    if value == "auto":
        return "auto"
    if isinstance(value, str):
        meant = value.strip() if value.strip().isascii() and value.strip().isdigit() else '"auto"'
        raise _wrong_type(key, "in_flight", f"{key.name} = {meant}")
    return _int(key, value)


def _packet(key: Key, value: Any) -> bytes:
    try:
        return packet(value if isinstance(value, str) else "")
    except ValueError:
        example = f"{key.name} = {_packet_meant(value) or key.example}"
        raise WrongError(
            "config.bad_packet", key=key.name, value=_toml(value), example=example, most=PACKET_MAX
        ) from None


def _packet_meant(value: Any) -> str:
    """The packet as it should have been written; "" where that can't be told."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = f"{value:02x}" if value > 99 else str(value)
    if not isinstance(value, str) or not value:
        return ""
    kind, colon, rest = value.replace("：", ":").partition(":")
    if colon and kind.strip().lower() in ("hex", "text") and rest.strip():
        return f'"{kind.strip().lower()}:{rest.strip()}"'
    digits = value.removeprefix("0x").removeprefix("0X").replace(" ", "")
    if len(digits) % 2 == 0 and re.fullmatch(r"[0-9A-Fa-f]+", digits):
        return f'"hex:{digits.lower()}"'
    return "" if colon else f'"text:{value}"'


def _as_table(key: Key, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong_type(key, "table")
    return value


_CONVERT: dict[str, Callable[[Key, Any], Any]] = {
    "text": _text, "int": _int, "bool": _bool, "duration": _duration, "size": _size, "rate": _rate,
    "decimal": _decimal, "choice": _choice, "deadband": _deadband, "labels": _labels,
    "texts": _texts, "raws": _raws, "units": _units, "in_flight": _in_flight, "packet": _packet,
    "table": _as_table,
}  # fmt: skip

_WANTED = {
    "text": "config.kind_text", "int": "config.kind_int", "bool": "config.kind_bool",
    "in_flight": "config.kind_in_flight", "decimal": "config.kind_decimal",
    "deadband": "config.kind_deadband",
    "labels": "config.kind_labels", "texts": "config.kind_texts", "raws": "config.kind_raws",
    "table": "config.kind_table",
}  # fmt: skip


def _wrong_type(key: Key, kind: str, example: str = "", value: Any = None) -> WrongError:
    if guess := likely.likely(kind, value):
        example = f"{key.name} = {guess}"
    example = example or (f"{key.name} = {key.example}" if key.example else f"[{key.name}]")
    wanted = {"id": _WANTED[kind], "args": {}}
    return WrongError("config.wrong_type", key=key.name, wanted=wanted, example=example)


def _quantity(key: Key, value: Any, parse: Callable[[str], _Quantity], units: str) -> _Quantity:
    """The quantity of a text; a bare number is answered with the text it should have been."""
    if number := _plain(value):
        unit = key.example.strip('"').rpartition(" ")[2]
        if key.kind == "duration":
            unit = "ms" if value >= 10 else "s"
        raise WrongError("config.no_unit", key=key.name, example=f"{number} {unit}")
    try:
        return parse(value) if isinstance(value, str) else parse("")
    except ValueError:
        example = _meant(value, parse) or key.example
        raise WrongError(
            "config.bad_unit", key=key.name, value=_toml(value), units=units, example=example
        ) from None


def _plain(value: Any) -> str:
    """A number in digits; "" for anything else, and for one that no unit makes sense of."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return ""
    number = Decimal(value)
    return f"{number:f}" if number.is_finite() and abs(number.adjusted()) <= 20 else ""


def _meant(value: Any, parse: Callable[[str], object]) -> str:
    """ "1秒" or "1Sec" with the unit as it is written here: '"1 s"'; "" where that fails."""
    short = isinstance(value, str) and len(value) <= 64
    if short and parse is duration_ns and re.fullmatch(r"\s*[0-9]{1,9}\s*", value, re.ASCII):
        return f'"{int(value)} {"ms" if int(value) >= 10 else "s"}"'
    match = re.fullmatch(r"\s*([0-9.]+)\s*(\D+?)\s*", value) if short else None
    unit = UNIT_SYNONYMS.get(match[2].lower(), match[2].lower()) if match else ""
    if match and unit in ("hz", "赫兹", "次/秒") and parse is duration_ns:
        return _period(match[1])
    example = f"{match[1]} {unit}" if match else ""
    try:
        parse(example)
    except ValueError:
        return ""
    return f'"{example}"'


def _period(times: str) -> str:
    """The period, as a duration, of so many times a second; "" where `times` is no number."""
    try:
        ns = round(10**9 / Decimal(times))
    except ArithmeticError:
        return ""
    return f'"{show_duration(ns)}"' if ns >= 10**6 else ""


def _ranged(key: Key, value: _Number, show: Callable[[Any], str]) -> _Number:
    low, high = key.low, key.high
    if (low is not None and value < low) or (high is not None and value > high):
        raise WrongError(
            "config.out_of_range",
            key=key.name,
            value=show(value),
            low=_typed(key, low, show),
            high="…" if high is None else _typed(key, high, show),
        )
    return value


def _typed(key: Key, value: Any, show: Callable[[Any], str]) -> str:
    """A bound as it is typed: quantities are texts."""
    return f'"{show(value)}"' if key.kind in ("duration", "size", "rate") else show(value)


def _toml(value: Any) -> str:
    """A value as it is written in TOML, shortened; of what holds others only that it does."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | dict):
        return ("[...]" if value else "[]") if isinstance(value, list) else "{...}"
    shown = f'"{value}"' if isinstance(value, str) else str(value)
    return shown if len(shown) <= 40 else shown[:37] + "..."
