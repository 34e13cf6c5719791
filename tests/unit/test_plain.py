"""Text that is not ours, where it meets a terminal, a pipe or a log."""

from __future__ import annotations

import io
import json
import logging
import re
import string
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.problems import Located, render
from gateway.messages import MESSAGES, about, find, remedy, text
from gateway.plain import plain, plain_json, plain_lines
from gateway.sysd import log_handler

#: Repaints, forges a line, a row or a column, turns the writing round, can't be encoded.
HOSTILE = "\x1b[2J\x1b]0;x\x07\r\n\t\x00\x7f\x9b31m\u2028\u202e\u2066\ud800\u200b"
UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff]")


@given(st.text() | st.text(alphabet=HOSTILE + "a电"))
def test_text_when_plain_then_printable_encodable_and_as_long(words: str) -> None:
    found = plain(words)
    assert found.isprintable() and len(found) == len(words)
    assert found.encode("utf-8").decode("utf-8") == found
    assert plain(found) == found
    assert plain_lines(words).replace("\n", "").isprintable()


def test_text_when_it_prints_then_it_is_left_alone() -> None:
    for words in ("1号机 °C ×0.1", "é ü", "😀", "（全角）、。"):
        assert plain(words) is words
    assert plain("全角\u3000空格\u00a0") == "全角 空格 "


@given(st.recursive(st.text(alphabet=HOSTILE + "a电"), lambda inner: st.lists(inner)))
def test_document_when_json_then_nothing_raw_and_the_same_content(document: object) -> None:
    written = plain_json(document, indent=2)
    assert not UNSAFE.search(written.replace("\n", ""))
    assert json.loads(written) == document


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("message", [*sorted(MESSAGES), "future.thing"])
def test_message_when_its_arguments_are_hostile_then_its_words_are_not(
    message: str, lang: str
) -> None:
    entry = find(message)
    templates = (entry.zh, entry.remedy_zh, entry.en, entry.remedy_en) if entry else ()
    names = {name for each in templates for _, name, _, _ in string.Formatter().parse(each) if name}
    args = dict.fromkeys(names | {"x"}, f"a{HOSTILE}b")
    said = {"id": message, "args": {**args, "device": HOSTILE, "several": None, "tags": HOSTILE}}
    for words, template in (
        (text(message, lang, **args), entry and (entry.zh if lang == "zh" else entry.en)),
        (remedy(message, lang, **args), entry and getattr(entry, f"remedy_{lang}")),
        (about(said, lang), entry and (entry.zh if lang == "zh" else entry.en)),
    ):
        ours = (template or "").count("\n")
        assert words.count("\n") <= ours
        assert not UNSAFE.search(words.replace("\n", ""))


def test_problem_when_file_line_and_arguments_are_hostile_then_four_harmless_lines() -> None:
    args = {"key": HOSTILE, "known": HOSTILE}
    place = f"conf.d/{HOSTILE}.toml"
    problem = Located(place, 3, 7, "error", "config.unknown_key", args, f"ab{HOSTILE}cd")
    shown = render(problem, "en")
    assert len(shown.split("\n")) == 4
    assert not UNSAFE.search(shown.replace("\n", ""))


@pytest.fixture
def logged() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    stream = io.StringIO()
    handler = log_handler(stream, {})
    logger = logging.Logger("tests.plain")  # under no other: a report can't carry these texts
    logger.addHandler(handler)
    yield logger, stream


def test_log_when_a_text_forges_a_record_then_it_reads_as_part_of_its_own(
    logged: tuple[logging.Logger, io.StringIO],
) -> None:
    logger, stream = logged
    logger.warning("said: %s", f"x\n2026-11-30 00:00:00 ERROR forged{HOSTILE}")
    lines = stream.getvalue().splitlines()
    assert not UNSAFE.search("".join(lines))
    assert [line.startswith("20") for line in lines] == [True, *[False] * (len(lines) - 1)]
