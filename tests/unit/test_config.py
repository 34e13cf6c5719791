"""Configuration files: what is accepted, what is refused, and where it is said to be wrong."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

import pytest

from gateway.buffer.state import State, encode
from gateway.config import Loaded, load, render
from gateway.config.units import Rate
from gateway.messages import find

FIXTURES = Path(__file__).parent / "config_fixtures"

HEAD = """\
version = 1
[gateway]
id = "box"
[platform]
address = "127.0.0.1:8443"
insecure = true
[links.net]
type = "tcp"
address = "10.0.0.1:502"
"""
DEVICE = """\
[devices.press]
link = "net"
driver = "modbus"
every = "1 s"
"""
TAGS = 'tags = { t = { address = "holding:1", type = "int16" } }\n'

#: Line, column and id of every mistake that mistakes.toml was planted with.
PLANTED = [
    (1, 11, "config.version"), (2, 1, "config.unknown_key"), (5, 6, "config.bad_id"),
    (6, 12, "config.bad_choice_near"), (7, 1, "config.unknown_key_near"),
    (8, 8, "config.wrong_type"),
    (11, 11, "config.bad_address"), (12, 14, "config.no_unit"), (13, 15, "config.bad_unit"),
    (14, 6, "config.empty"), (17, 12, "config.bad_unit"), (18, 12, "config.out_of_range"),
    (19, 13, "config.bad_choice_near"), (20, 15, "config.full_width"), (22, 8, "config.missing"),
    (24, 1, "config.unknown_key_near"), (25, 1, "config.unknown_key_near"),
    (26, 10, "config.bad_choice_near"), (27, 13, "config.out_of_range"),
    (28, 15, "config.syntax_rest"), (29, 13, "config.in_flight_serial"), (31, 8, "config.missing"),
    (33, 1, "config.wrong_kind_of_link"), (35, 1, "config.twice_table"), (38, 8, "config.bad_name"),
    (38, 8, "config.missing"), (41, 8, "config.syntax_name"), (42, 8, "config.bad_choice"),
    (47, 1, "config.twice_key"), (48, 13, "config.wrong_type"), (50, 10, "config.no_tags"),
    (51, 8, "config.no_such_link"), (52, 10, "config.no_such_driver_near"),
    (57, 1, "config.unknown_key_near"), (59, 46, "config.bad_choice_near"),
    (59, 57, "config.missing_inside"), (61, 10, "config.no_tags"), (64, 8, "config.bad_unit_range"),
    (65, 9, "config.syntax_array"), (66, 9, "config.bad_choice"),
    (68, 10, "config.range_without_place"), (68, 10, "config.no_tags"),
    (79, 18, "modbus.address_range"), (80, 1, "config.missing_inside"), (81, 1, "config.no_period"),
    (82, 43, "config.tag_key_needs"), (83, 78, "config.tag_key_conflict"),
    (84, 6, "config.syntax_inline"), (85, 70, "config.not_zero"), (86, 6, "config.wrong_type"),
    (87, 6, "config.syntax_inline"),
]  # fmt: skip


#: The same for slips.toml: TOML as people type it who do not know TOML. Nothing but the slips is
#: said: what a mistaken line leaves out is not missing.
SLIPS = [
    (3, 6, "config.syntax_value"), (4, 8, "config.syntax_value"), (5, 12, "config.syntax_string"),
    (8, 12, "config.syntax_value"), (10, 8, "config.syntax_value"),
    (11, 13, "config.syntax_escape"), (12, 12, "config.syntax_rest"),
    (13, 8, "config.syntax_bracket"), (16, 6, "config.syntax_equals"),
    (17, 11, "config.syntax_string"), (24, 10, "config.syntax_rest"),
    (25, 8, "config.inline_lines"), (30, 5, "config.inline_lines"),
    (32, 28, "config.stray_sign"), (33, 2, "config.unknown_key_near"),
    (39, 22, "config.syntax_value"), (40, 22, "config.wrong_type"),
    (41, 1, "config.syntax_brackets"),
]  # fmt: skip


#: The same for dialin.toml: links that devices dial in to.
DIALIN = [
    (19, 12, "config.register_twice"), (21, 8, "config.register_missing"),
    (27, 10, "config.listen_twice"), (32, 10, "config.bad_listen"), (33, 12, "config.bad_packet"),
    (34, 13, "config.bad_packet"), (38, 10, "config.bad_listen"), (39, 12, "config.bad_packet"),
    (40, 13, "config.bad_packet"), (41, 1, "config.wrong_kind_of_link"),
    (45, 10, "config.full_width"), (46, 12, "config.bad_packet"), (48, 8, "config.missing"),
    (50, 12, "config.bad_packet"),
    (63, 10, "config.register_missing_there"), (68, 10, "config.bad_listen"),
    (69, 13, "config.out_of_range"), (71, 10, "config.unit_left_out"),
]  # fmt: skip


def write(folder: Path, text: str | bytes, name: str = "gateway.toml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def said(loaded: Loaded) -> list[tuple[int, int, str]]:
    return [(problem.line, problem.column, problem.id) for problem in loaded.problems]


def errors(loaded: Loaded) -> list[tuple[int, int, str]]:
    return [
        (problem.line, problem.column, problem.id)
        for problem in loaded.problems
        if problem.severity == "error"
    ]


@pytest.mark.parametrize(
    ("file", "planted"),
    [("mistakes.toml", PLANTED), ("slips.toml", SLIPS), ("dialin.toml", DIALIN)],
)
def test_mistakes_when_planted_then_all_are_reported_at_their_place(
    file: str, planted: list[tuple[int, int, str]]
) -> None:
    loaded = load(FIXTURES / file)
    assert loaded.config is None
    assert said(loaded) == planted


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_rendering_when_mistakes_are_planted_then_place_line_caret_and_remedy(lang: str) -> None:
    loaded = load(FIXTURES / "mistakes.toml")
    lines = (FIXTURES / "mistakes.toml").read_text("utf-8").split("\n")
    for problem in loaded.problems:
        place, source, caret, mend, *_ = render(problem, lang).split("\n")
        assert place.startswith(f"{FIXTURES / 'mistakes.toml'}:{problem.line}:{problem.column}: ")
        assert source.endswith(f"| {lines[problem.line - 1]}")
        assert caret.rstrip().endswith("^")
        assert mend.startswith("  → ")
        assert "?" not in place.replace("did you mean", "").removesuffix("?")


def test_caret_when_the_line_has_wide_characters_then_it_stands_below(tmp_path: Path) -> None:
    loaded = load(write(tmp_path, HEAD.replace('id = "box"', '"电表" = 1')))
    wide = next(problem for problem in loaded.problems if problem.id == "config.unknown_key")
    assert render(wide, "zh").split("\n")[2] == "    | ^"
    loaded = load(write(tmp_path, HEAD + '"站" = "号" x\n'))
    (problem,) = (problem for problem in loaded.problems if problem.id == "config.syntax_rest")
    assert render(problem, "zh").split("\n")[2] == "     | " + " " * 12 + "^"


def test_example_when_loaded_then_it_is_valid() -> None:
    example = Path(__file__).parents[2] / "systemd" / "gateway.example.toml"
    loaded = load(example)
    assert errors(loaded) == []
    assert loaded.config is not None
    assert loaded.config.links


def test_values_when_loaded_then_in_base_units_with_defaults(tmp_path: Path) -> None:
    tags = '[devices.press.tags]\nt = { address = "holding:1", type = "int16", scale = 0.001 }\n'
    loaded = load(
        write(tmp_path, HEAD + 'timeout = "1.5 s"\n' + DEVICE + 'order = "CDAB"\n' + tags)
    )
    assert said(loaded) == []
    config = loaded.config
    assert config is not None
    assert (config.id, config.language, config.platform.insecure) == ("box", "zh", True)
    assert config.links[0].timeout_ns == 1_500_000_000
    assert (config.links[0].host, config.links[0].tcp_port) == ("10.0.0.1", 502)
    assert config.buffer.keep_for_ns == 30 * 86_400 * 10**9
    (tag,) = config.devices[0].tags
    assert (tag.scale, tag.every_ns, tag.order) == (Decimal("0.001"), 10**9, "CDAB")
    assert config.devices[0].framing == "tcp"


def test_range_when_unit_has_several_then_one_device_each(tmp_path: Path) -> None:
    device = DEVICE.replace("[devices.press]", '[devices."press-{unit:02}"]')
    text = HEAD + device + 'unit = "9-11"\ntags = { t = { address = "coil:1", type = "bool" } }\n'
    config = load(write(tmp_path, text)).config
    assert config is not None
    assert [(d.name, d.unit) for d in config.devices] == [
        ("press-09", 9), ("press-10", 10), ("press-11", 11),
    ]  # fmt: skip


def test_name_when_two_files_use_it_then_both_places_are_named(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD)
    other = write(tmp_path, '\n[links.net]\ntype = "tcp"\n', "conf.d/10-more.toml")
    again = write(tmp_path, '[gateway]\nid = "b"\n', "conf.d/20-again.toml")
    loaded = load(path)
    assert [(p.file, p.line, p.id, p.args["first"]) for p in loaded.problems if p.args] == [
        (str(other), 2, "config.twice_name", f"{path}:7:8"),
        (str(again), 2, "config.twice_key", f"{path}:3:1"),
    ]
    assert loaded.files == (path, other, again)


def test_tags_when_profile_table_and_device_say_them_then_laid_over_key_by_key(
    tmp_path: Path,
) -> None:
    write(
        tmp_path,
        '[profile]\ntitle = "P"\ndriver = "modbus"\nevery = "2 s"\nmax_registers = 10\n'
        '[tags]\na = { address = "holding:1", type = "int16", unit = "V", min = 1, max = 9 }\n'
        'b = { address = "holding:2", type = "int16" }\n',
        "mine.toml",
    )
    table = "点位,功能区,地址,类型,倍率,周期\n压力,holding,16,uint16,0.1,500 ms\n"
    write(tmp_path, table.encode("gb18030"), "points.csv")
    device = DEVICE.replace('every = "1 s"\n', "")
    text = HEAD + device + 'profile = "mine.toml"\ntags_file = "points.csv"\n'
    loaded = load(write(tmp_path, text + '[devices.press.tags]\na = { every = "50 ms" }\n'))
    assert said(loaded) == []
    assert loaded.config is not None
    (device_spec,) = loaded.config.devices
    a, b, pressure = device_spec.tags
    assert (a.name, a.address, a.unit, a.every_ns) == ("a", "holding:1", "V", 50_000_000)
    assert (b.name, b.every_ns) == ("b", 2 * 10**9)
    assert (pressure.name, pressure.address) == ("压力", "holding:16")
    assert (pressure.scale, pressure.every_ns) == (Decimal("0.1"), 500_000_000)
    assert device_spec.own == (("max_registers", 10),)
    assert [path.name for path in loaded.tables] == ["mine.toml", "points.csv"]


@pytest.mark.parametrize(
    ("said_timeout", "wanted", "timeout_ns", "warned"),
    [
        ("", "2 s", 2 * 10**9, False),
        ("", "20 ms", 300_000_000, False),
        ('timeout = "1 s"\n', "2 s", 10**9, True),
        ('timeout = "3 s"\n', "2 s", 3 * 10**9, False),
    ],
)
def test_timeout_when_a_profile_is_slower_then_the_link_waits_or_warns(
    tmp_path: Path, said_timeout: str, wanted: str, timeout_ns: int, warned: bool
) -> None:
    profile = (
        f'[profile]\ntitle = "P"\ndriver = "modbus"\ntimeout = "{wanted}"\n'
        '[tags]\na = { address = "holding:1", type = "int16" }\n'
    )
    write(tmp_path, profile, "slow.toml")
    loaded = load(write(tmp_path, HEAD + said_timeout + DEVICE + 'profile = "slow.toml"\n'))
    assert loaded.config is not None
    assert loaded.config.links[0].timeout_ns == timeout_ns
    assert loaded.config.devices[0].link is loaded.config.links[0]
    assert [problem.id for problem in loaded.problems] == ["config.short_timeout"] * warned


def test_table_when_cells_are_wrong_then_line_and_column_of_the_cell(tmp_path: Path) -> None:
    table = "name,address,type,scale,colour\nt,holding:1,int61,abc,red\n"
    write(tmp_path, table, "points.csv")
    loaded = load(write(tmp_path, HEAD + DEVICE + 'tags_file = "points.csv"\n'))
    assert said(loaded) == [
        (1, 25, "config.csv_unknown"),
        (2, 13, "config.bad_choice_near"),
        (2, 19, "config.wrong_type"),
    ]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"\xef\xbb\xbf" + HEAD.replace("\n", "\r\n").encode(), []),
        (HEAD.replace('"box"', '"box" # 车间').encode("gb18030"), [(3, 14, "config.not_utf8")]),
        ("version = 1".encode("utf-16-be"), [(0, 0, "config.utf16")]),
        (HEAD.replace('"box"', '"b\0x"').encode(), [(3, 8, "config.control_character"), (3, 6,
        "config.bad_id")]),
        (b"x" * (5 << 20), [(0, 0, "config.too_big")]),
        (b"a = " + b"[" * 5000, [(1, 5, "config.too_deep")]),
        (b"a = " + b"9" * 5000, [(1, 5, "config.syntax_value")]),
        (b"\xff\xfe" + "version = 1".encode("utf-16-le"), [(0, 0, "config.utf16")]),
        (b"scale = 1e999999999999999999999", []),
    ],
    ids=["bom-crlf", "gbk", "no-bom", "nul", "10mb", "deep", "digits", "utf-16", "exponent"],
)  # fmt: skip
def test_bytes_when_odd_then_read_or_refused_in_words(
    tmp_path: Path, raw: bytes, expected: list[tuple[int, int, str]]
) -> None:
    loaded = load(write(tmp_path, raw))
    found = said(loaded)
    for mistake in expected:
        assert mistake in found
    if raw.startswith(b"\xef\xbb\xbf"):
        assert loaded.config is not None


def test_syntax_when_every_line_is_wrong_then_forty_are_found_and_a_word(tmp_path: Path) -> None:
    loaded = load(write(tmp_path, "a b c\n" * 3000))
    assert loaded.problems[0].id == "config.more_errors"
    assert sum(problem.count for problem in loaded.problems[1:]) == 40
    assert [problem.line for problem in loaded.problems[1:]] == [1, 2, 3, 4, 5, 6]


def test_file_when_missing_or_no_file_then_said_and_nothing_waits(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert said(load(tmp_path / "pipe")) == [(0, 0, "config.unreadable")]
    assert said(load(tmp_path / "none.toml")) == [(0, 0, "config.not_found")]
    assert said(load(tmp_path)) == [(0, 0, "config.unreadable")]


@pytest.mark.parametrize(
    ("address", "refused"),
    [
        ("127.0.0.1:8443", False), ("localhost:1", False), ("[::1]:8443", False),
        ("10.0.0.1:8443", True), ("ingest.example.cn:8443", True),
    ],
)  # fmt: skip
def test_insecure_when_the_platform_is_elsewhere_then_refused(
    tmp_path: Path, address: str, refused: bool
) -> None:
    loaded = load(write(tmp_path, HEAD.replace("127.0.0.1:8443", address)))
    assert errors(loaded) == ([(6, 12, "config.insecure_remote")] if refused else [])


def test_every_line_when_damaged_then_refused_with_a_place_or_still_valid(tmp_path: Path) -> None:
    """F1: each line of a good file lost, doubled, cut, and each of its signs changed."""
    tags = 'tags = { t = { address = "holding:1", type = "int16" } }\n'
    lines = (HEAD + DEVICE + tags).split("\n")[:-1]
    variants = []
    for number, line in enumerate(lines):
        cut = [line[:at] for at in range(len(line))]
        for sign in '"=[]{}.,':
            cut += [line.replace(sign, "", 1), line.replace(sign, sign * 2, 1)]
        cut += [line + "\n" + line, line.upper(), "“" + line, line + " x", line + "\t\x01"]
        variants += [[*lines[:number], each, *lines[number + 1 :]] for each in cut]
    assert len(variants) > 400
    for variant in variants:
        loaded = load(write(tmp_path, "\n".join(variant)))
        assert (loaded.config is None) == bool(errors(loaded))
        for problem in loaded.problems:
            assert problem.line > 0, (variant, problem)
            assert find(problem.id)


@pytest.mark.parametrize(
    ("kind", "near"),
    [
        ("float", "float32"), ("REAL", "float32"), ("浮点", "float32"), ("double", "float64"),
        ("int", "int16"), ("word", "uint16"), ("dword", "uint32"), ("dint", "int32"),
    ],
)  # fmt: skip
def test_type_when_named_as_in_other_systems_then_the_one_of_its_size_is_meant(
    tmp_path: Path, kind: str, near: str
) -> None:
    tags = f'tags = {{ t = {{ address = "holding:1", type = "{kind}" }} }}\n'
    (problem,) = load(write(tmp_path, HEAD + DEVICE + tags)).problems
    assert (problem.id, problem.args["near"]) == ("config.bad_choice_near", near)


@pytest.mark.parametrize(
    ("old", "new", "mistake", "words"),
    [
        ('"10.0.0.1:502"', '"10.0.0.1"\nport = 502', "port_in_address", '"10.0.0.1:502"'),
        ('"holding:1"', "40001", "wrong_type", 'address = "40001"'),
        ('"holding:1"', '"holding：1"', "full_width", 'address = "holding:1"'),
        ('"1 s"', '"1秒"', "bad_unit", '"1 s"'),
        ('"1 s"', "1", "no_unit", '"1 s"'),
        ('"modbus"', '"modbsu"\nprofile = "chint-dtsu666"', "no_such_driver_near", "modbus"),
        ('"modbus"', '"modbus"\nprofile = "chint-dtsu66"', "no_such_profile_near", "dtsu666"),
        ('every = "1 s"', 'period = "1 s"', "unknown_key_near", "every"),
        ('"tcp"', '"rtu"', "bad_choice_near", "serial"),
    ],
)
def test_habit_when_from_elsewhere_then_one_mistake_and_what_to_write(
    tmp_path: Path, old: str, new: str, mistake: str, words: str
) -> None:
    tags = 'tags = { t = { address = "holding:1", type = "int16" } }\n'
    text = HEAD + DEVICE + tags
    assert old in text
    (problem,) = load(write(tmp_path, text.replace(old, new))).problems
    assert problem.id == f"config.{mistake}"
    assert words in render(problem, "zh")


def test_profile_when_unknown_then_one_of_the_same_driver_is_named(tmp_path: Path) -> None:
    for driver, mistake in {"dlt645": "no_such_profile", "s7": "no_shipped_profile"}.items():
        text = HEAD + DEVICE.replace("modbus", driver) + 'profile = "zzz"\n'
        said = [p for p in load(write(tmp_path, text)).problems if p.id == f"config.{mistake}"]
        assert len(said) == 1 and driver in render(said[0], "zh")


def test_parity_when_a_letter_or_chinese_then_the_word_is_meant(tmp_path: Path) -> None:
    link = 'type = "serial"\nport = "/dev/ttyS1"\nparity = "{}"\n'
    for word, near in {"E": "even", "偶": "even", "奇校验": "odd", "N": "none"}.items():
        text = HEAD + "[links.com]\n" + link.format(word)
        (problem,) = (p for p in load(write(tmp_path, text)).problems if p.severity == "error")
        assert (problem.id, problem.args["near"]) == ("config.bad_choice_near", near)


def test_certificates_when_all_are_left_out_then_each_is_missing(tmp_path: Path) -> None:
    text = HEAD.replace("insecure = true\n", "")
    keys = [p.args["key"] for p in load(write(tmp_path, text)).problems if "key" in p.args]
    assert keys == ["ca", "cert", "key"]


def test_certificates_when_none_is_there_yet_then_one_note(tmp_path: Path) -> None:
    files = 'ca = "a.pem"\ncert = "b.pem"\nkey = "c.key"\n'
    loaded = load(write(tmp_path, HEAD.replace("insecure = true\n", files)))
    notes = [p for p in loaded.problems if p.id == "config.file_missing"]
    assert [note.line for note in notes] == [6]
    assert all(name in notes[0].args["path"] for name in ("a.pem", "b.pem", "c.key"))


def test_unit_when_left_out_on_a_serial_link_then_said(tmp_path: Path) -> None:
    serial = HEAD.replace('"tcp"\naddress = "10.0.0.1:502"', '"serial"\nport = "/dev/null"')
    tags = 'tags = { t = { address = "holding:1", type = "int16" } }\n'
    assert said(load(write(tmp_path, serial + DEVICE + tags))) == [(10, 10, "config.unit_left_out")]
    assert said(load(write(tmp_path, serial + DEVICE + "unit = 1\n" + tags))) == []


def test_limits_when_min_is_above_max_then_refused_though_they_stand_in_two_files(
    tmp_path: Path,
) -> None:
    write(
        tmp_path,
        '[profile]\ntitle = "P"\ndriver = "modbus"\n'
        '[tags]\na = { address = "holding:1", type = "int16", min = 1, max = 9 }\n',
        "mine.toml",
    )
    text = HEAD + DEVICE + 'profile = "mine.toml"\n[devices.press.tags]\na = {{ min = {} }}\n'
    assert said(load(write(tmp_path, text.format("9")))) == []
    (problem,) = load(write(tmp_path, text.format("9.5"))).problems
    assert (problem.id, problem.args) == ("config.min_over_max", {"min": "9.5", "max": "9"})


def test_port_when_it_is_not_there_yet_then_a_note_and_the_file_is_good(tmp_path: Path) -> None:
    there = tmp_path / "com1"
    serial = HEAD.replace('"tcp"\naddress = "10.0.0.1:502"', f'"serial"\nport = "{there}"')
    loaded = load(write(tmp_path, serial + DEVICE + TAGS + "unit = 1\n"))
    assert [(p.line, p.id, p.severity) for p in loaded.problems] == [
        (9, "link.port_missing", "warning")
    ]
    assert loaded.config is not None
    there.touch()
    assert load(tmp_path / "gateway.toml").problems == []


def test_buffer_when_it_is_another_gateways_then_refused_and_left_alone(tmp_path: Path) -> None:
    file = write(tmp_path, HEAD + '[buffer]\npath = "buffer"\n' + DEVICE + TAGS)
    folder = tmp_path / "buffer"
    assert load(file).problems == [] and not folder.exists()
    folder.mkdir()
    for owner, expected in (("box", []), ("box-2", [(3, "buffer.other_gateway", "error")])):
        (folder / "state").write_bytes(encode(State(owner)))
        found = load(file).problems
        assert [(p.line, p.id, p.severity) for p in found] == expected
    assert found[0].args == {"file": f"{folder}/state", "found": "box-2", "expected": "box"}
    (folder / "state").write_bytes(b"12345678 {}\n")
    assert load(file).problems == []
    assert [each.name for each in folder.iterdir()] == ["state"]  # no lock


def test_buffer_when_larger_than_its_disk_then_said(tmp_path: Path) -> None:
    text = HEAD + '[buffer]\npath = "not/yet/there"\nmax_size = "1000 TB"\n'
    found = [p for p in load(write(tmp_path, text)).problems if p.id == "config.over_disk"]
    assert [(p.line, p.severity) for p in found] == [(12, "warning")]


def test_tables_when_missing_then_the_smallest_one_is_shown(tmp_path: Path) -> None:
    shown = "\n".join(render(p, "zh") for p in load(write(tmp_path, "version = 1\n")).problems)
    assert 'id = "jx-nanhu-0031"' in shown and "[platform]" in shown and "[links.com1]" in shown
    assert "docs/" not in shown


def test_data_budget_when_a_day_or_a_month_then_accepted_else_said_how(tmp_path: Path) -> None:
    for written, expected in (
        ('"5 GB/month"', Rate(5 * 10**9, "month")), ('"150 MB / day"', Rate(150 * 10**6, "day")),
        ('"1 MB/day"', "config.out_of_range"), ('"5 GB/hour"', "config.bad_unit"),
        ('"5 GB"', "config.bad_unit"), ("5", "config.no_unit"),
    ):  # fmt: skip
        line = f"insecure = true\ndata_budget = {written}"
        text = (
            HEAD.replace("insecure = true", line)
            + DEVICE
            + 'tags = { t = { address = "holding:1", type = "int16" } }\n'
        )
        loaded = load(write(tmp_path, text))
        if isinstance(expected, str):
            assert errors(loaded) == [(7, 15, expected)]
        else:
            assert loaded.config is not None
            assert loaded.config.platform.data_budget == expected
