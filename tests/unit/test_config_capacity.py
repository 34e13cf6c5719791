"""Each limit of the table of sizes, at its edge: what `check` passes is delivered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from jiahe.ingest import limits

from gateway.config import load
from tests.unit.test_config import DEVICE, HEAD, TAGS


def said(folder: Path, text: str) -> list[str]:
    file = folder / "gateway.toml"
    file.write_text(text, "utf-8")
    return [each.id for each in load(file).problems if each.severity == "error"]


def table(folder: Path, name: str, rows: int, more: str = "") -> str:
    """A table of so many tags; the key that names it."""
    lines = (f"t{n},holding:{n},int16" for n in range(rows))
    (folder / name).write_text("name,address,type\n" + "\n".join(lines) + "\n" + more, "utf-8")
    return f'tags_file = "{name}"\n'


def tag(**keys: str) -> str:
    more = "".join(f", {key} = {value}" for key, value in keys.items())
    return HEAD + DEVICE + TAGS.replace(' type = "int16"', f' type = "int16"{more}')


def text_of(size: int) -> str:
    """So many bytes, most of them Chinese."""
    return '"' + "嘉" * (size // 3) + "x" * (size % 3) + '"'


def test_links_when_at_the_most_then_one_more_is_refused(tmp_path: Path) -> None:
    links = "".join(
        f'[links.l{n}]\ntype = "tcp"\naddress = "10.1.{n // 200}.{n % 200}"\n'
        for n in range(limits.LINKS_MAX - 1)
    )
    assert said(tmp_path, HEAD + links + DEVICE + TAGS) == []
    more = '[links.more]\ntype = "tcp"\naddress = "10.1.0.1"\n'
    assert said(tmp_path, HEAD + links + more + DEVICE + TAGS) == ["config.too_many_links"]


def test_tags_when_at_the_most_then_one_more_is_refused(tmp_path: Path) -> None:
    devices = DEVICE.replace("press", '"press-{unit}"') + 'unit = "1-250"\n'
    devices += table(tmp_path, "t.csv", limits.TAGS_MAX // 250)
    assert said(tmp_path, HEAD + devices) == []
    one = DEVICE.replace("press", "one") + TAGS
    assert said(tmp_path, HEAD + devices + one) == ["config.too_many_tags"]


def test_groups_when_at_the_most_then_one_more_is_refused(tmp_path: Path) -> None:
    periods = "".join(f"p{n},holding:{n},int16,{n + 1} ms\n" for n in range(40))
    (tmp_path / "t.csv").write_text("name,address,type,every\n" + periods)
    devices = DEVICE.replace("press", '"press-{unit}"')
    devices += f'unit = "0-{limits.GROUPS_MAX // 40 - 1}"\ntags_file = "t.csv"\n'
    assert said(tmp_path, HEAD + devices) == []
    one = DEVICE.replace("press", "one") + TAGS + "unit = 255\n"
    assert said(tmp_path, HEAD + devices + one) == ["config.too_many_groups"]


def labels(count: int, size: int = 1) -> str:
    return "{ " + ", ".join(f"{n} = {text_of(size)}" for n in range(count)) + " }"


def edges() -> Iterator[tuple[str, str, str, str]]:
    """What is limited, at the limit and one beyond, and what is said then."""
    most = limits.TEXT_BYTES_MAX
    site = HEAD.replace('id = "box"', 'id = "box"\nsite = {}')
    yield "site", site.format(text_of(most)), site.format(text_of(most + 1)), "config.too_long"
    yield "unit", tag(unit=text_of(most)), tag(unit=text_of(most + 1)), "config.too_long"
    yield (
        "label", tag(labels=labels(1, limits.LABEL_BYTES_MAX)),
        tag(labels=labels(1, limits.LABEL_BYTES_MAX + 1)), "config.too_long",
    )  # fmt: skip
    yield (
        "labels", tag(labels=labels(limits.LABELS_MAX)), tag(labels=labels(limits.LABELS_MAX + 1)),
        "config.too_many_labels",
    )  # fmt: skip
    for key in ("scale", "offset", "resolution", "deadband"):
        longest = "1." + "1" * (limits.DECIMAL_CHARS_MAX - 2)
        yield key, tag(**{key: longest}), tag(**{key: f"{longest}1"}), "config.absurd_number"
    name = "n" * 64
    yield (
        "tag", HEAD + DEVICE + TAGS.replace("t =", f"{name} ="),
        HEAD + DEVICE + TAGS.replace("t =", f"{name}n ="), "config.bad_name",
    )  # fmt: skip
    yield (
        "device", HEAD + DEVICE.replace("press", name) + TAGS,
        HEAD + DEVICE.replace("press", f"{name}n") + TAGS, "config.bad_name",
    )  # fmt: skip
    yield (
        "id", HEAD.replace('"box"', f'"{name}"') + DEVICE + TAGS,
        HEAD.replace('"box"', f'"{name}n"') + DEVICE + TAGS, "config.bad_id",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("what", "at", "beyond", "message"), list(edges()), ids=lambda value: value[:8]
)
def test_text_when_at_the_most_then_one_more_is_refused(
    tmp_path: Path, what: str, at: str, beyond: str, message: str
) -> None:
    assert said(tmp_path, at) == []
    assert said(tmp_path, beyond) == [message]


def test_names_when_at_the_boxs_most_then_within_the_receivers() -> None:
    assert 64 * len("😀".encode()) <= limits.NAME_BYTES_MAX
    assert limits.GATEWAY_ID_BYTES_MAX >= 64


def test_labels_when_at_the_most_in_a_cell_of_a_table_then_read(tmp_path: Path) -> None:
    cell = ";".join(f"{n}={'x' * limits.LABEL_BYTES_MAX}" for n in range(limits.LABELS_MAX))
    device = DEVICE + table(tmp_path, "t.csv", 1)
    (tmp_path / "t.csv").write_text(f"name,address,type,labels\nt,holding:1,int16,{cell}\n")
    assert said(tmp_path, HEAD + device) == []
    (tmp_path / "t.csv").write_text(f"name,address,type,labels\nt,holding:1,int16,{cell}x\n")
    assert said(tmp_path, HEAD + device) == ["config.too_long"]


@pytest.mark.parametrize(
    ("limit", "message"),
    [("TAG_SET_BYTES_MAX", "config.tags_too_large"),
     ("CATALOG_BYTES_MAX", "config.catalog_too_large")],
)  # fmt: skip
def test_description_when_larger_than_the_platform_must_take_then_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, message: str
) -> None:
    """The limits are megabytes beyond what files of a legal size come to: lower ones, here."""
    text = HEAD + DEVICE + table(tmp_path, "t.csv", 100)
    monkeypatch.setattr(f"gateway.config.capacity.{limit}", 100 * (96 + 3 + 10 + 16))
    assert said(tmp_path, text) == []
    monkeypatch.setattr(f"gateway.config.capacity.{limit}", 100 * 96)
    assert said(tmp_path, text) == [message]
