"""Every text exists in both languages, and every id in the code exists, and is used."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers import registry
from gateway.messages import LANGUAGES, MESSAGES, remedy, say, text

ROOT = Path(__file__).resolve().parents[2]
#: What drivers say stands with them.
EVERY = {
    **MESSAGES,
    **{id_: each for name in registry.ours() for id_, each in registry.get(name).words.items()},
}
NOUNS = {message.partition(".")[0] for message in EVERY}
_ID = re.compile(r"(?:{})\.[a-z][a-z0-9_]*".format("|".join(sorted(NOUNS))))


def fields(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


def ids_in(file: Path) -> Iterator[str]:
    """Ids in string literals: whole literals in Python, quoted words in Cython."""
    if file.suffix == ".pyx":
        yield from re.findall(rf'"({_ID.pattern})"', file.read_text("utf-8"))
        return
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        value = node.value if isinstance(node, ast.Constant) else None
        if isinstance(value, str) and _ID.fullmatch(value):
            yield value


def used() -> set[str]:
    found = set()
    for package in ("gateway", "drivers", "native"):
        for file in (ROOT / package).rglob("*.py*"):
            table = file.parent.name == "messages" and file.name != "__init__.py"
            table = table or (package == "drivers" and file.name == "words.py")
            if file.suffix in (".py", ".pyx") and not table:
                found |= set(ids_in(file))
    return found


@pytest.mark.parametrize("message", sorted(EVERY))
def test_message_when_in_the_table_then_both_languages_say_the_same(message: str) -> None:
    entry = EVERY[message]
    assert entry.zh.strip() and entry.en.strip()
    assert fields(entry.zh) == fields(entry.en)
    assert bool(entry.remedy_zh) == bool(entry.remedy_en)
    assert fields(entry.remedy_zh) == fields(entry.remedy_en)
    for lang in LANGUAGES:
        assert "{" not in text(message, lang, **dict.fromkeys(fields(entry.en), "")) or "{{" in (
            entry.en
        )


def test_message_when_used_in_the_code_then_it_is_in_the_table() -> None:
    modules = {"cli.main", "config.toml", "learned.json"}  # literals that only look like ids
    assert used() - modules - set(EVERY) == set()


def test_message_when_in_the_table_then_the_code_uses_it() -> None:
    assert set(EVERY) - used() == set()


@pytest.mark.parametrize("name", registry.ours())
def test_words_when_a_driver_has_them_then_under_its_name(name: str) -> None:
    assert all(message.startswith(f"{name}.") for message in registry.get(name).words)
    assert not registry.get(name).words.keys() & MESSAGES.keys()


def test_text_when_an_argument_is_missing_then_a_question_mark() -> None:
    assert text("link.refused", "en") == "? refuses the connection"


def test_text_when_the_id_is_unknown_then_it_is_shown_as_it_is() -> None:
    assert text("future.thing", "zh", a=1) == "future.thing (a=1)"
    assert remedy("future.thing", "zh", a=1) == ""


def test_say_when_an_argument_is_a_message_then_it_is_put_into_words() -> None:
    said = {
        "id": "config.wrong_type",
        "args": {"key": "id", "wanted": {"id": "config.kind_int", "args": {}}},
    }
    assert say(said, "en") == "id must be a whole number"
    assert say(said, "zh") == "“id”的值应当是整数"
