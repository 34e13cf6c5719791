"""Files that were written to hang, to fill the memory or to flood the terminal: a few words each.

Nothing here is timed; what took minutes, or gigabytes, would end in pytest's time-out.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import load, render
from tests.unit.test_config import DEVICE, HEAD, TAGS

N = 100_000
TAG = HEAD + DEVICE + 'tags = {{ t = {{ address = "holding:1", type = "int16", {} }} }}\n'
DIGITS = "9" * N

FILES = {
    "arrays": (HEAD + "x = " + "[" * N + "]" * N, "config.too_deep"),
    "arrays that the parser takes": (HEAD + "x = " + "[" * 300 + "]" * 300, "config.too_deep"),
    "inline tables": (HEAD + "x = " + "{a=" * N + "1" + "}" * N, "config.too_deep"),
    "a dotted key": (HEAD + "a" + ".a" * N + " = 1", "config.too_deep"),
    "a dotted key in braces": (HEAD + "x = { a" + ".a" * N + " = 1 }", "config.too_deep"),
    "a header": (HEAD + "[a" + ".a" * N + "]\nb = 1", "config.too_deep"),
    "headers": (HEAD + ("[a" + ".a" * 50 + "]\nb = 1\n") * 20_000, "config.too_deep"),
    "braces that never close": (HEAD + "a = {b = {\n" * N, "config.too_deep"),
    "a deadband": (TAG.format("deadband = 1e99999999999"), "config.absurd_number"),
    "a tiny deadband": (TAG.format("deadband = 1e-99999999999"), "config.absurd_number"),
    "a deadband in percent": (TAG.format(f'deadband = "{DIGITS} %"'), "config.wrong_type"),
    "an offset": (TAG.format("offset = 1e99999999999"), "config.absurd_number"),
    "a long scale": (TAG.format(f"scale = 1.{DIGITS}"), "config.absurd_number"),
    "a hexadecimal scale": (TAG.format(f"scale = 0x{DIGITS}"), "config.absurd_number"),
    "a hexadecimal period": (TAG.format(f"every = 0x{DIGITS}"), "config.absurd_number"),
    "an octal length": (TAG.format("length = 0o" + "7" * N), "config.absurd_number"),
    "a binary version": (HEAD.replace("= 1", "= 0b" + "1" * N), "config.absurd_number"),
    "a hexadecimal port": (
        HEAD.replace('address = "10.0.0.1:502"', f"port = 0x{DIGITS}"), "config.absurd_number",
    ),
    "a long duration": (HEAD + DEVICE.replace("1 s", f"{DIGITS} s") + TAGS, "config.bad_unit"),
    "a long size": (
        HEAD + f'[buffer]\nmax_size = "{DIGITS} GiB"\n', "config.bad_unit",
    ),
    "a long address": (
        HEAD + DEVICE + TAGS.replace("holding:1", f"holding:{DIGITS[:4000]}"),
        "modbus.address_syntax",
    ),
    "a long hole": (
        HEAD + DEVICE + f'holes = ["holding:{DIGITS[:4000]}"]\n' + TAGS, "modbus.address_syntax",
    ),
    "a long bit": (
        HEAD + DEVICE + TAGS.replace("holding:1", f"holding:1.{DIGITS[:4000]}"),
        "modbus.address_syntax",
    ),
    "a label's number": (TAG.format(f'labels = {{ {DIGITS[:4000]} = "x" }}'), "config.wrong_type"),
    "a label beyond 64 bits": (
        TAG.format('labels = { 9223372036854775808 = "x" }'), "config.absurd_number",
    ),
    "units": (HEAD + DEVICE + f'unit = "{"1," * N}1"\n' + TAGS, "config.bad_unit_range"),
    "controls in a line": (HEAD + "\x01" * 30 * N, "config.control_character"),
    "a word": (HEAD + "a" * 30 * N + " = 1\n", "config.unknown_key"),
    "unknown keys": (HEAD + "".join(f"k{n} = 1\n" for n in range(N)), "config.enough"),
    "devices without anything": (
        HEAD + "".join(f"[devices.d{n}]\n" for n in range(N)), "config.enough",
    ),
    "links": (
        HEAD + "".join(f'[links.l{n}]\ntype = "udp"\naddress = "h:1"\n' for n in range(N // 2)),
        "config.too_many_links",
    ),
}  # fmt: skip


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", FILES)
def test_file_when_hostile_then_a_few_words(tmp_path: Path, name: str) -> None:
    text, expected = FILES[name]
    file = tmp_path / "gateway.toml"
    file.write_text(text, "utf-8")
    loaded = load(file)
    assert loaded.config is None
    assert expected in {
        each.args["said"]["id"] if each.id == "config.alike" else each.id
        for each in loaded.problems
    }
    for lang in ("zh", "en"):
        words = "\n".join(render(problem, lang) for problem in loaded.problems)
        assert len(words) < 100_000


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", ["csv", "toml"])
def test_table_when_60_000_tags_stand_for_255_devices_then_too_many(
    tmp_path: Path, kind: str
) -> None:
    rows = range(60_000)
    device = DEVICE.replace("press", '"press-{unit}"') + 'unit = "1-255"\n'
    if kind == "csv":
        table = "".join(f"t{n},holding:{n},int16\n" for n in rows)
        (tmp_path / "t.csv").write_text("name,address,type\n" + table)
        device += 'tags_file = "t.csv"\n'
    else:
        device += '[devices."press-{unit}".tags]\n'
        device += "".join(f't{n}={{address="holding:{n}",type="int16"}}\n' for n in rows)
    (tmp_path / "gateway.toml").write_text(HEAD + device)
    (problem,) = load(tmp_path / "gateway.toml").problems
    assert (problem.id, problem.args["count"]) == ("config.too_many_tags", 255 * 60_000)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("t{0},holding:{0},int17", "config.bad_choice_near"),
        ("t{0},holdin:{0},int16", "modbus.address_space"),
        ("t {0},holding:{0},int16", "config.bad_name"),
        ("t{0},,int16", "config.cell_empty"),
        ("t,holding:{0},int16", "config.twice_name"),
    ],
)
def test_mistake_when_in_a_thousand_rows_then_shown_five_times_and_counted(
    tmp_path: Path, row: str, message: str
) -> None:
    table = "\n".join(row.format(n) for n in range(1000))
    (tmp_path / "t.csv").write_text(f"name,address,type\n{table}\n")
    file = tmp_path / "gateway.toml"
    file.write_text(HEAD + DEVICE + 'tags_file = "t.csv"\n')
    found = [each for each in load(file).problems if each.id in (message, "config.alike")]
    assert [each.id for each in found] == [message] * 5 + ["config.alike"]
    last = found[-1]
    assert last.args["said"]["id"] == message
    assert sum(each.count for each in found) in (999, 1000)
    assert last.line == found[4].line + 1
    words = render(last, "en").split("\n")
    assert f"{last.count} more like it (on lines {last.line}, {last.line + 1}, " in words[0]
    assert words[1].endswith(table.split("\n")[last.line - 2])
    assert words[-1].startswith("  → ")


def test_problems_when_of_hundreds_of_kinds_then_the_errors_first_and_the_rest_counted(
    tmp_path: Path,
) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(HEAD + "".join(f"key{n} = 1\n" for n in range(500)))
    problems = load(file).problems
    assert len(problems) == 201
    assert problems[-1].id == "config.and_more"
    assert sum(each.count for each in problems if each.severity == "error") >= 500
