"""Every text that a user can see, in Chinese and in English, with its remedy.

Code never says a sentence: it names an id and its arguments, and whoever faces the user (the
command line, the log) turns them into words here. To add a text, add one entry to the table of its
noun: `syntax`, `config` (with `places`, `address`, `points`, `capacity`, `reserved`), `link` (with
`port`), `device` (with `learned`), `host`, `buffer`, `uplink` (`ways`, `certificate`, `budget`,
`clock`), `system`, `daemon`, `upgrade`, `cli`; what a driver alone says stands with the driver
(`words`), under ids that begin with its name. A test reads the whole code base: an id that nobody
uses, or that is used and missing, fails it.

Arguments come from anywhere: what of them could move a cursor is taken out here, so that words are
safe to print and to log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal

from drivers.words import Message
from gateway.messages import (
    address,
    buffer,
    capacity,
    cli,
    config,
    daemon,
    device,
    hosted,
    link,
    places,
    points,
    port,
    reserved,
    syntax,
    system,
    upgrade,
    uplink,
    ways,
)
from gateway.plain import plain

__all__ = [
    "LANGUAGES",
    "MESSAGES",
    "Language",
    "about",
    "advised",
    "find",
    "remedy",
    "say",
    "some",
    "text",
]

Language = Literal["zh", "en"]
#: A warning names this many devices of a link, and counts the others.
NAMED_MAX = 3
#: Characters of an argument that are shown.
WORDS_MAX = 2000
LANGUAGES: tuple[Language, ...] = ("zh", "en")

MESSAGES: Mapping[str, Message] = {
    **syntax.TABLE,
    **config.TABLE,
    **places.TABLE,
    **address.TABLE,
    **points.TABLE,
    **capacity.TABLE,
    **reserved.TABLE,
    **ways.TABLE,
    **link.TABLE,
    **port.TABLE,
    **device.TABLE,
    **hosted.TABLE,
    **buffer.TABLE,
    **uplink.TABLE,
    **system.TABLE,
    **daemon.TABLE,
    **upgrade.TABLE,
    **cli.TABLE,
}


class _Arguments(dict[str, Any]):
    """An argument that is missing shows as a question mark: half a sentence beats none."""

    def __missing__(self, key: str) -> str:
        return "?"


def find(message: str) -> Message | None:
    """The entry of an id, ours or a driver's; None where nobody has it."""
    if entry := MESSAGES.get(message):
        return entry
    from drivers import registry  # here: a command that meets no driver's words loads none

    try:
        return registry.get(message.partition(".")[0]).words.get(message)
    except registry.UnknownDriverError:
        return None


def text(message: str, lang: str, /, **args: Any) -> str:
    """What happened, in `lang` ("zh", else English).

    An id that is not in the table (a daemon of another version said it) is shown as it is, with its
    arguments, rather than refused. An argument may itself be a message: {"id": ..., "args": {...}}.
    """
    entry = find(message)
    if entry is None:
        told = ", ".join(f"{key}={value}" for key, value in args.items())
        return plain(f"{message} ({told})" if told else message)
    return _fill(entry.zh if lang == "zh" else entry.en, lang, args)


def remedy(message: str, lang: str, /, **args: Any) -> str:
    """What to do about it, or "" where there is nothing to do or the id is unknown."""
    entry = find(message)
    if entry is None:
        return ""
    return _fill(entry.remedy_zh if lang == "zh" else entry.remedy_en, lang, args)


def advised(message: str, lang: str, /, **args: Any) -> str:
    """What happened and what to do about it, on one line of a log."""
    advice = remedy(message, lang, **args)
    return text(message, lang, **args) + (f" → {advice}" if advice else "")


def say(said: Mapping[str, Any], lang: str) -> str:
    """The words of a `Said` of gateway/report/snapshot.py."""
    return text(str(said["id"]), lang, **said.get("args", {}))


def some(names: Sequence[str], most: int = NAMED_MAX) -> str:
    """The first of the names, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" … +{more}" if more > 0 else "")


def about(said: Mapping[str, Any], lang: str) -> str:
    """The words of a `Said`, headed by the device, the devices or the link that it is about."""
    args = said.get("args", {})
    words = say(said, lang)
    if "tags" in args:
        words = text("device.of_tags", lang, bad=args.get("bad"), tags=args["tags"], said=words)
    if several := args.get("several"):
        return text(several["id"], lang, **several["args"], said=words)
    if args.get("device"):
        return text("device.about", lang, device=args["device"], said=words)
    if args.get("link") and "devices" in args:
        return text("link.about", lang, link=args["link"], devices=args["devices"], said=words)
    return words


def _fill(template: str, lang: str, args: Mapping[str, Any]) -> str:
    if "{" not in template:
        return template
    words = {key: _word(value, lang) for key, value in args.items()}
    return template.format_map(_Arguments(words))


def _word(value: Any, lang: str) -> Any:
    """An argument as it is put into a sentence; numbers keep their kind."""
    if isinstance(value, Mapping) and "id" in value:
        return say(value, lang)
    if isinstance(value, int | float | Decimal):
        return value
    words = str(value)
    return plain(words if len(words) <= WORDS_MAX else words[: WORDS_MAX - 1] + "…")
