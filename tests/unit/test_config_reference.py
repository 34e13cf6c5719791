"""The pages about configuration say what the code does."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from gateway.cli.main import COMMANDS
from gateway.config.reference import PAGES, rewritten
from gateway.config.schema import (
    BUFFER,
    DEVICE,
    FILE,
    GATEWAY,
    LINK,
    PLATFORM,
    TAG,
    device_table,
)
from gateway.config.synonyms import SYNONYMS

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("lang", sorted(PAGES))
def test_page_when_the_schema_changes_then_it_was_rewritten(lang: str) -> None:
    page = (DOCS / PAGES[lang]).read_text("utf-8")
    assert page == rewritten(page, lang), "run: python -m gateway.config.reference"


@pytest.mark.parametrize("lang", sorted(PAGES))
def test_examples_when_read_then_they_are_toml_with_known_keys(lang: str) -> None:
    page = (DOCS / PAGES[lang]).read_text("utf-8")
    examples = [tomllib.loads(each) for each in re.findall(r"```toml\n(.*?)```", page, re.DOTALL)]
    assert len(examples) == 7
    for example in examples:
        assert set(example) <= set(FILE)
        for device in example.get("devices", {}).values():
            assert set(device) <= set(device_table(device.get("driver", "")))
        for link in example.get("links", {}).values():
            assert set(link) <= set(LINK)


@pytest.mark.parametrize("page", ["commands.md", "commands.zh-CN.md"])
def test_page_when_a_command_exists_then_it_is_there_and_no_other(page: str) -> None:
    rows = re.findall(r"^\| `jiahe (\w+)", (DOCS / page).read_text("utf-8"), re.MULTILINE)
    assert rows == list(COMMANDS)


def test_synonym_when_given_then_it_leads_to_a_key_that_exists() -> None:
    tables = (FILE, GATEWAY, PLATFORM, BUFFER, LINK, DEVICE, TAG)
    known = {name for table in tables for name in table}
    assert set(SYNONYMS.values()) <= known
