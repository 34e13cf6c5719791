"""The commands, as processes, in both languages, against a real control socket."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.amounts import shown
from gateway.plain import width
from tests.cli.daemon import ROWS, SNAPSHOT, daemon, jiahe, on_terminal

ROOT = Path(__file__).parents[2]
READING = ["status", "links", "devices", "buffer", "uplink"]
GOOD = """\
version = 1
[gateway]
id = "box"
[platform]
address = "127.0.0.1:8443"
insecure = true
[links.net]
type = "tcp"
address = "10.0.0.1:502"
[devices.press]
link = "net"
driver = "modbus"
every = "1 s"
tags = { t = { address = "holding:1", type = "int16" } }
"""


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("command", READING)
def test_reading_command_when_the_daemon_runs_then_words_that_fit(
    tmp_path: Path, command: str, lang: str
) -> None:
    with daemon(tmp_path) as config:
        done = jiahe(command, "--config", config, lang=lang)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\033" not in done.stdout
    assert bool(re.search(r"[\u4e00-\u9fff]{2}", done.stdout.replace("嘉兴一号车间", ""))) == (
        lang == "zh" or command in ("status", "links")  # where a link has a Chinese name
    )
    for line in done.stdout.splitlines():
        assert width(line) <= 80 or line.startswith(("●", "▲", "  →")), line


@pytest.mark.parametrize("command", READING)
def test_reading_command_when_json_then_the_snapshots_part(tmp_path: Path, command: str) -> None:
    with daemon(tmp_path) as config:
        done = jiahe(command, "--json", JIAHE_CONFIG=str(config))
    found = json.loads(done.stdout)
    if command == "status":
        for said in found["warnings"]:
            del said["text"], said["remedy"]
    assert found == (SNAPSHOT if command == "status" else SNAPSHOT[command])


@pytest.mark.parametrize(
    ("lang", "text", "remedy"),
    [
        ("zh", "press-12：设备没有应答", "检查设备电源"),
        ("en", "press-12: the device does not answer", "Check its power"),
    ],
)
def test_status_when_json_then_warnings_have_words_and_remedy(
    tmp_path: Path, lang: str, text: str, remedy: str
) -> None:
    with daemon(tmp_path) as config:
        (said,) = json.loads(jiahe("status", "--json", "--config", config, lang=lang).stdout)[
            "warnings"
        ]
    assert {key: said[key] for key in ("id", "args")} == SNAPSHOT["warnings"][0]
    assert said["text"] == text and said["remedy"].startswith(remedy)


@pytest.mark.parametrize("command", [*READING, "watch"])
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_reading_command_when_no_daemon_runs_then_said_with_remedy(
    tmp_path: Path, command: str, lang: str
) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(GOOD.replace('id = "box"', 'id = "box"\ncontrol = "none.sock"'), "utf-8")
    done = jiahe(command, "--config", file, lang=lang)
    assert (done.returncode, done.stdout) == (1, "")
    assert "sudo systemctl start jiahe" in done.stderr
    assert "sudo journalctl -u jiahe -n 20" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [*READING, "watch"])
def test_reading_command_when_the_configuration_keeps_the_daemon_down_then_that_is_said(
    tmp_path: Path, command: str
) -> None:
    file = tmp_path / "gateway.toml"
    wrong = GOOD.replace('"1 s"', '"1"').replace("holding:1", "holding").replace('"net"', '"nett"')
    file.write_text(wrong, "utf-8")
    done = jiahe(command, "--config", file, lang="zh")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "jiahe: 守护进程没有运行：配置有 3 处错误，启动不了\n"
        f"  → jiahe check {file}，改好后：sudo systemctl restart jiahe\n"
    )


def test_status_when_something_is_wrong_then_it_comes_before_the_rest(tmp_path: Path) -> None:
    with daemon(tmp_path) as config:
        lines = jiahe("status", "--config", config).stdout.splitlines()
    assert lines[0].startswith("● jiahe 0.1.0 running for 3 d 4 h (run 3)  gateway jx-0001")
    assert lines[1] == "▲ press-12: the device does not answer"
    assert lines[2].startswith("  → Check its power")
    assert lines[3:] == [
        "devices   2: 1 good, 0 partly, 1 silent; 8 tags",
        "links     com1 38 %  车间网络 down",
        "platform  waiting  ingest:1  last ack 1 h 52 min ago",
        "data      1.2 GB of 5.0 GB a month (24 %), counted anew on 2026-12-01",
        "buffer    blocks to send: 7; 79.0 kB kept, 2.1 GB at most",
        "clock     synchronised by the system, within 3 ms",
    ]


def test_links_when_names_are_chinese_then_columns_line_up(tmp_path: Path) -> None:
    with daemon(tmp_path) as config:
        done = jiahe("links", "-v", "--config", config, lang="zh")
    rows = [line for line in done.stdout.splitlines() if re.match("链路|com1  |车间网络  ", line)]
    assert len(rows) == 3
    assert len({width(row) for row in rows}) == 1
    assert "一次最多读 60 个寄存器" in done.stdout
    assert "线路错误：帧 1，校验 2，溢出 0" in done.stdout
    assert done.stdout.count("同时发 4 个请求（学到的）") == 1


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_links_when_a_dtu_dialled_in_then_who_and_what_strangers_said(
    tmp_path: Path, lang: str
) -> None:
    stranger = {"said": "text:JX009", "hex": "4a58303039", "peer": "10.9.8.7:4000", "ago_s": 60.0}
    dialled = {
        "register": "text:JX007", "peer": "10.1.2.3:5000", "heartbeats": 12, "refused": 3,
        "stranger": stranger,
    }  # fmt: skip
    link = {**SNAPSHOT["links"][0], "name": "dtu-7", "type": "listen", "line_errors": None}
    link |= {"target": "0.0.0.0:6000", "dialled": dialled}
    with daemon(tmp_path, {**SNAPSHOT, "links": [link], "devices": []}) as config:
        said = jiahe("links", "-v", "--config", config, lang=lang).stdout
        (found,) = json.loads(jiahe("links", "--json", "--config", config).stdout)
    for part in ("10.1.2.3:5000", "0.0.0.0:6000", "text:JX007", "12", "3"):
        assert part in said
    assert "10.9.8.7:4000" in said and "text:JX009" in said and "hex:4a58303039" in said
    assert found["dialled"] == dialled


def test_buffer_when_blocks_were_evicted_then_warned(tmp_path: Path) -> None:
    with daemon(tmp_path) as config:
        first = jiahe("buffer", "--config", config).stdout.splitlines()[0]
    assert first == "▲ the buffer is full: 5 blocks were dropped, and announced as gaps"


def test_status_when_the_last_run_ended_badly_then_a_line_that_is_no_warning(
    tmp_path: Path,
) -> None:
    said = {"id": "buffer.unclean_end", "args": {"when": "11-24 08:05", "seconds": "1"}}
    buffer = {**SNAPSHOT["buffer"], "previous_end": said}
    with daemon(tmp_path, {**SNAPSHOT, "buffer": buffer}) as config:
        lines = jiahe("status", "--config", config, lang="zh").stdout.splitlines()
    assert lines[1] == "  上次没有正常结束（约 11-24 08:05）：丢失不超过 1 秒，记为缺口"


def test_uplink_when_a_certificate_file_broke_then_the_file_is_named(tmp_path: Path) -> None:
    why = {"id": "certificate.missing", "args": {"path": "/etc/jiahe/pki/gateway.key"}}
    said = {"id": "certificate.kept", "args": {"why": why}}
    with daemon(
        tmp_path, {**SNAPSHOT, "uplink": {**SNAPSHOT["uplink"], "warnings": [said]}}
    ) as config:
        shown = jiahe("uplink", "--config", config, lang="zh").stdout
    words = "▲ 证书文件 /etc/jiahe/pki/gateway.key 不存在；仍在用之前读入的证书"
    assert words in shown.splitlines()


def test_devices_when_one_is_a_meter_then_its_own_number_is_shown(tmp_path: Path) -> None:
    meter = {**SNAPSHOT["devices"][0], "name": "m1", "unit": None, "called": "012345678901"}
    cpu = {**SNAPSHOT["devices"][0], "name": "plc", "unit": None}
    with daemon(tmp_path, {**SNAPSHOT, "devices": [meter, cpu]}) as config:
        lines = jiahe("devices", "--config", config).stdout.splitlines()
    assert [line.split()[2] for line in lines if line.startswith(("m1", "plc"))] == [
        "012345678901", "-",
    ]  # fmt: skip


def test_tables_when_names_are_as_long_as_can_be_then_still_fit(tmp_path: Path) -> None:
    link = {
        **SNAPSHOT["links"][1], "name": "很长的链路名称" * 9, "target": "x" * 200,
        "state": "connecting", "requests": 123_456_789, "timeouts": 10**9, "damaged": 10**12,
    }  # fmt: skip
    one = {
        **SNAPSHOT["devices"][1], "name": "很长的设备名称" * 9, "link": link["name"], "unit": 255,
        "timeouts": 999_999, "damaged": 10**7, "exceptions": 12_345, "last_good_s": 86_399.0,
    }  # fmt: skip
    with daemon(tmp_path, {**SNAPSHOT, "links": [link], "devices": [one]}) as config:
        outputs = [jiahe(each, "--config", config).stdout for each in ("links", "devices")]
    lines = [line for output in outputs for line in output.splitlines()]
    assert max(width(line) for line in lines if not line.startswith(("▲", "  →"))) <= 80


def test_watch_when_on_a_terminal_then_repainted_in_colour(tmp_path: Path) -> None:
    with daemon(tmp_path) as config:
        shown = on_terminal("watch", "--config", config)
        plain = on_terminal("watch", "--config", config, NO_COLOR="1")
    assert shown.count("\033[H\033[2J") == 2
    assert "\033[31mpress-12" in shown
    assert "\033[31m" not in plain


def test_watch_when_asked_once_then_no_cause_is_cut_on_a_narrow_terminal(tmp_path: Path) -> None:
    with daemon(tmp_path) as config:
        narrow = on_terminal("watch", "--once", "--config", config, COLUMNS="50", NO_COLOR="1")
        piped = jiahe("watch", "--once", "--config", config).stdout
    assert narrow.replace("\r\n", "\n") == piped and "~" not in piped
    assert max(map(len, piped.splitlines())) > 50


def test_watch_when_piped_then_a_line_a_change(tmp_path: Path) -> None:
    with daemon(tmp_path) as config:
        done = jiahe("watch", "--config", config)
    assert done.stdout.splitlines() == [
        "press-11.pressure\t12.5 bar\tgood",
        "press-12.压力\t- bar\tbad the device does not answer",
        "press-11.pressure\t13.0 bar\tgood",
    ]


@pytest.mark.parametrize(
    ("value", "words"),
    [(66666668.0, "66666668"), (12.5, "12.5"), (8094, "8094"), (True, "true"), ("1.0", "1.0")],
)
def test_value_when_whole_then_without_a_point(value: object, words: str) -> None:
    assert shown(value) == words


def test_watch_when_json_then_one_document(tmp_path: Path) -> None:
    with daemon(tmp_path) as config:
        done = jiahe("watch", "press-11", "--json", "--config", config)
    assert json.loads(done.stdout) == ROWS[:1]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_watch_when_the_target_is_unknown_then_said(tmp_path: Path, lang: str) -> None:
    with daemon(tmp_path) as config:
        done = jiahe("watch", "nobody.t", "--config", config, lang=lang)
    assert done.returncode == 1
    assert "nobody.t" in done.stderr and "jiahe devices" in done.stderr


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_check_when_fine_then_forecast(tmp_path: Path, lang: str) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(GOOD, "utf-8")
    done = jiahe("check", file, lang=lang)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^net +0\.\d %", done.stdout, re.MULTILINE)
    assert re.search(r"^press +1 s +\S+ ms +1 s$", done.stdout, re.MULTILINE)


def test_check_when_the_wire_is_too_slow_then_what_it_can_reach(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    slow = GOOD.replace(
        'type = "tcp"\naddress = "10.0.0.1:502"', 'type = "serial"\nport = "/dev/x"\nbaud = 1200'
    )
    file.write_text(slow.replace('every = "1 s"', 'every = "20 ms"'), "utf-8")
    done = jiahe("check", file)
    assert done.returncode == 0
    assert "▲ link net cannot carry it" in done.stdout
    found = json.loads(jiahe("check", file, "--json").stdout)
    (link,) = found["forecast"]["links"]
    assert link["share"] > 100
    assert link["groups"][0]["reachable_ns"] > 100_000_000


def test_check_when_the_data_budget_is_too_little_then_said(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    tags = (f'f{n} = {{ address = "holding:{10 + 4 * n}", type = "float64" }}' for n in range(20))
    more = ", ".join(tags)
    for budget, words in (
        ("100 MB/month", "▲ data_budget, 100 MB a month, is too little: it takes "),
        ("16 MB/day", "▲ data_budget, 16.0 MB a day, may be too little: it takes up to "),
        ("500 MB/day", None),
    ):
        line = f'insecure = true\nsend_every = "10 s"\ndata_budget = "{budget}"'
        written = GOOD.replace("insecure = true", line)
        file.write_text(written.replace("tags = { t = {", f"tags = {{ {more}, t = {{"), "utf-8")
        done = jiahe("check", file)
        assert (done.returncode, done.stderr) == (0, "")
        assert words in done.stdout if words else "data_budget" not in done.stdout
    slow = GOOD.replace("insecure = true", 'insecure = true\ndata_budget = "4 MB/day"')
    file.write_text(slow.replace('every = "1 s"', 'every = "5 min"'), "utf-8")
    assert "is so small that one large block may never go; " in jiahe("check", file).stdout


def test_uplink_when_the_data_budget_is_used_up_then_said_with_the_day(tmp_path: Path) -> None:
    used = {"percent": "99", "used": "5.0 GB", "budget": "5.0 GB"}
    resets = {"id": "budget.on", "args": {"date": "2026-12-01"}}
    said = {"id": "budget.used_up", "args": {**used, "resets": resets}}
    uplink = {**SNAPSHOT["uplink"], "state": "paused", "cause": None, "warnings": [said]}
    with daemon(tmp_path, {**SNAPSHOT, "uplink": uplink}) as config:
        zh = jiahe("uplink", "--config", config, lang="zh").stdout.splitlines()
        en = jiahe("uplink", "--config", config, lang="en").stdout.splitlines()
    kept = "上限 5.0 GB，余下的留给确认和断开"
    assert zh[0] == f"▲ 流量已用完（5.0 GB，{kept}），暂停上传，2026-12-01 自动恢复"
    assert en[0].endswith("nothing is sent, it goes on by itself on 2026-12-01")
    assert any(re.match("状态 +流量用完，暂停", line) for line in zh)


@pytest.mark.parametrize(("lang", "words"), [("zh", "错误"), ("en", "error")])
def test_check_when_mistakes_then_all_on_stderr_with_places(lang: str, words: str) -> None:
    file = ROOT / "tests" / "unit" / "config_fixtures" / "mistakes.toml"
    done = jiahe("check", file, lang=lang)
    assert (done.returncode, done.stdout) == (1, "")
    places = re.findall(rf"^{re.escape(str(file))}:\d+:\d+: {words}: ", done.stderr, re.MULTILINE)
    assert len(places) == 51
    found = json.loads(jiahe("check", file, "--json", lang=lang).stdout)
    assert found["ok"] is False
    assert len(found["problems"]) == 51


def test_run_when_the_configuration_is_refused_then_one_and_reasons(tmp_path: Path) -> None:
    done = jiahe("run", "--config", tmp_path / "none.toml")
    assert done.returncode == 1
    assert "there is no configuration file" in done.stderr
    assert "the daemon does not start" in done.stderr


def test_language_when_the_environment_says_none_then_the_configuration_does(
    tmp_path: Path,
) -> None:
    broken = 'version = = 1\n[gateway]\nlanguage = "zh"  # 中文\n'
    file = tmp_path / "gateway.toml"
    file.write_text(broken, "utf-8")
    assert "守护进程没有运行" in jiahe("status", "--config", file, lang="").stderr
    assert "not running" in jiahe("status", "--config", file, lang="en").stderr
    assert "守护进程没有运行" in jiahe("status", lang="", LANG="zh_CN.UTF-8").stderr
    file.write_text('version = 1\n[gateway]\nid = "box"\n', "utf-8")
    assert "守护进程没有运行" in jiahe("status", "--config", file, lang="", LANG="C").stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], {"zh": "缺少命令", "en": "a command is missing"}),
        (["linkz"], {"zh": "没有命令 linkz", "en": "there is no command linkz"}),
        (["status", "--x"], {"zh": "不认识 --x", "en": "--x is unknown here"}),
        (["status", "--config"], {"zh": "--config 后面缺少值", "en": "--config wants a value"}),
        (["watch", "--every-ms", "x"], {"zh": "要一个整数", "en": "wants a whole number"}),
        (["watch", "--every-ms", "1"], {"zh": "不能是 1", "en": "cannot be 1"}),
    ],
    ids=["none", "misspelt", "option", "value", "number", "range"],
)
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_usage_when_wrong_then_two_and_said(
    arguments: list[str], words: dict[str, str], lang: str
) -> None:
    done = jiahe(*arguments, lang=lang)
    assert (done.returncode, done.stdout) == (2, "")
    assert words[lang] in done.stderr
    assert "\n  → " in done.stderr


@pytest.mark.parametrize("columns", [60, 80])
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_warning_when_on_a_terminal_then_wrapped_behind_its_mark(
    tmp_path: Path, lang: str, columns: int
) -> None:
    with daemon(tmp_path) as config:
        shown = on_terminal(
            "devices", "--config", config, JIAHE_LANG=lang, NO_COLOR="1", COLUMNS=str(columns)
        )
        piped = jiahe("devices", "--config", config, lang=lang).stdout
    lines = shown.replace("\r", "").split("\n")
    warning = lines[: next(n for n, line in enumerate(lines) if line[:1] not in "▲ ")]
    assert all(width(line) <= columns for line in warning)
    assert [line[:4] for line in warning] == ["▲ pr", "  → ", *["    "] * (len(warning) - 2)]
    assert len(warning) > 2
    joined = "".join("".join(warning).split())
    assert joined == "".join("".join(piped.splitlines()[:2]).split())


def test_help_when_chinese_then_without_english_headings() -> None:
    for arguments in (["-h"], ["check", "-h"], ["watch", "-h"]):
        shown = jiahe(*arguments, lang="zh").stdout
        assert "positional" not in shown and "COMMAND" not in shown


def test_links_when_verbose_then_the_legend_fits(tmp_path: Path) -> None:
    with daemon(tmp_path) as config:
        lines = jiahe("links", "-v", "--config", config).stdout.splitlines()
    assert all(width(line) <= 80 for line in lines[-3:])


def test_buffer_when_chinese_then_gaps_are_named_in_it(tmp_path: Path) -> None:
    with daemon(tmp_path) as config:
        shown = jiahe("buffer", "--config", config, lang="zh").stdout
    assert re.search(r"^缺口 +上一次未读完 2$", shown, re.MULTILINE)
    assert re.search(r"^最早的数据块 +7 秒前$", shown, re.MULTILINE)


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_unforeseen_when_it_happens_then_a_sentence_and_the_file_with_details(
    tmp_path: Path, lang: str
) -> None:
    with daemon(tmp_path, {"version": "of another kind"}) as config:
        done = jiahe("status", "--config", config, lang=lang, TMPDIR=str(tmp_path))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    (details,) = tmp_path.glob("jiahe-error-*.txt")
    assert str(details) in done.stderr
    assert "KeyError" in details.read_text("utf-8")


def test_output_when_the_reader_leaves_then_quiet(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gateway.cli", "profiles", "--json"]  # the other way to start
    writer = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    )
    assert writer.stdout is not None and writer.stderr is not None
    writer.stdout.close()
    with writer.stderr:
        assert writer.stderr.read() == ""
    assert writer.wait() == 1


def test_status_when_started_then_neither_grpc_nor_asyncio_is_imported(tmp_path: Path) -> None:
    script = (
        "import sys; from gateway.cli.main import main; main(['status', '--config', sys.argv[1]]);"
        "print(sorted({m.partition('.')[0] for m in sys.modules}"
        " & {'grpc', 'asyncio', 'google', 'cython', 'difflib'} | {m for m in sys.modules"
        " if m.startswith('drivers.')} - {'drivers.said', 'drivers.words'}))"
    )
    with daemon(tmp_path) as config:
        done: Any = subprocess.run(
            [sys.executable, "-c", script, str(config)],
            cwd=ROOT, capture_output=True, encoding="utf-8", check=True,
        )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "[]"


def test_profiles_and_version_when_asked_then_listed() -> None:
    names = [each["name"] for each in json.loads(jiahe("profiles", "--json").stdout)]
    assert "chint-dtsu666" in names
    assert "正泰" in jiahe("profiles", lang="zh").stdout
    assert jiahe("version").stdout.startswith("jiahe ")


def test_check_when_on_a_terminal_then_remedies_wrap_and_the_line_of_the_file_does_not() -> None:
    file = ROOT / "tests" / "unit" / "config_fixtures" / "mistakes.toml"
    shown = on_terminal("check", file, NO_COLOR="1", code=1).replace("\r", "").split("\n")
    for line in shown:
        assert width(line) <= 80 or " | " in line or str(file) in line, line
    assert any(line.startswith("    ") for line in shown)


@pytest.mark.parametrize("command", [*READING, "watch", "profiles", "version", "check", "run"])
@pytest.mark.parametrize("how", ["option", "variable"])
def test_command_when_the_configuration_that_it_names_is_not_there_then_an_error(
    tmp_path: Path, command: str, how: str
) -> None:
    """Whatever daemon runs with another file: its answer is not the one that was asked for."""
    for path, why in ((tmp_path / "none.toml", "there is no configuration file"),
                      (tmp_path, "cannot be read: it is")):  # fmt: skip
        if how == "option":
            done = jiahe(command, "--config", path)
        else:
            done = jiahe(command, JIAHE_CONFIG=str(path))
        assert (done.returncode, done.stdout) == (1, "")
        assert why in done.stderr and str(path) in done.stderr
