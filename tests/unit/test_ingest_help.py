"""`jiahe-ingest --help` in both languages."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ingest.audit import COUNTED
from ingest.completeness import CLASSES
from ingest.messages import MESSAGES, files, looks, serve, store
from ingest.words import HELP

_CHINESE = re.compile(r"[\u4e00-\u9fff]")


@pytest.mark.parametrize(
    "command",
    [[], ["serve"], ["export"], ["audit"], ["gateways"], ["latest"], ["import"], ["backup"]],
)
@pytest.mark.parametrize(
    ("environment", "usage"),
    [
        ({"LANG": "zh_CN.UTF-8"}, "用法：jiahe-ingest"),
        ({"LANG": "en_US.UTF-8", "JIAHE_LANG": "zh"}, "用法：jiahe-ingest"),
        ({"LC_ALL": "C.UTF-8", "LANG": "zh_CN.UTF-8"}, "usage: jiahe-ingest"),
        ({}, "usage: jiahe-ingest"),
    ],
)
def test_help_when_the_environment_says_a_language_then_in_it(
    project: Path, command: list[str], environment: dict[str, str], usage: str
) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "ingest.main", *command, "--help"], cwd=project,
        env={"PYTHONUTF8": "1", **environment}, capture_output=True, encoding="utf-8", check=True,
    ).stdout  # fmt: skip
    assert shown.startswith(usage)
    for line in shown.splitlines():
        described = re.match(r" +(?:-h, )?[-\w]+(?: \S+)?  +(\S.*)", line)
        if described:
            assert bool(_CHINESE.search(described[1])) == usage.startswith("用法"), line
    assert bool(_CHINESE.search(shown)) == usage.startswith("用法")


#: What a text is made of beside words: nothing in it is in a language.
_PLACES = re.compile(r"\{[^}]*\}")


def test_words_when_in_the_table_then_in_both_languages() -> None:
    for zh, en in HELP.values():
        assert _CHINESE.search(zh) and not _CHINESE.search(en)


def test_messages_when_in_a_table_then_both_languages_say_the_same_and_somebody_says_it(
    project: Path,
) -> None:
    tables = (serve.TABLE, files.TABLE, store.TABLE, looks.TABLE)
    assert len(MESSAGES) == sum(map(len, tables))
    code = "".join(
        file.read_text("utf-8")
        for file in (project / "ingest").rglob("*.py")
        if file.parent.name != "messages"
    )
    for key, (zh, en) in MESSAGES.items():
        assert not _CHINESE.search(en)
        named = [sorted(_PLACES.findall(one)) for one in (zh, en)]
        assert named[0] == named[1], key
        is_word = re.search(r"[A-Za-z]", _PLACES.sub("", en))
        assert bool(_CHINESE.search(zh)) == bool(is_word), key
        is_built = key.startswith("class_") or key in CLASSES + COUNTED
        assert is_built or re.search(rf"""["']{key}["']""", code), key


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["audit", "--store", "x.db"], "--store 'x.db' 没有写类型"),
        (["audit", "--store", "sqlite:none.db"], "数据库 none.db：没有这个文件"),
        (["audit"], "错误：缺少 --store"),
        (["audit", "--store", "sqlite:x", "--from", "gestern"], "'gestern' 不是时间"),
        (["look", "--store", "sqlite:x"], "不能是 'look'；可用："),
        (["serve", "--store", "sqlite:x.db", "--listen", "8443"], "写成 地址:端口"),
        (
            ["serve", "--store", "sqlite:x.db", "--listen", "127.0.0.1:0"],
            "写 --ca、--cert 和 --key",
        ),
        (
            ["serve", "--store", "sqlite:none/x.db", "--listen", "127.0.0.1:0", "--insecure"],
            "它的文件夹在吗？",
        ),
        (["import", "--store", "sqlite:x.db", "none.jiahe"], "none.jiahe: 不存在"),
        (["backup", "--store", "sqlite:none.db", "b.db"], "没有这个文件"),
    ],
)
def test_errors_when_the_language_is_chinese_then_in_chinese(
    project: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ingest.main", *arguments], cwd=tmp_path,
        env={"PYTHONUTF8": "1", "JIAHE_LANG": "zh", "PYTHONPATH": str(project)},
        capture_output=True, encoding="utf-8",
    )  # fmt: skip
    assert done.returncode in (1, 2) and said in done.stderr, done.stderr


def test_serve_when_the_language_is_chinese_then_ready_in_chinese(
    project: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "ingest.main", "serve", "--insecure"]
    with subprocess.Popen(
        [*command, "--listen", "127.0.0.1:0", "--store", "sqlite:x.db"], cwd=tmp_path,
        env={"PYTHONUTF8": "1", "JIAHE_LANG": "zh", "PYTHONPATH": str(project)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
    ) as program:  # fmt: skip
        assert program.stdout is not None
        ready = program.stdout.readline()
        program.terminate()
    assert re.fullmatch(
        r"jiahe-ingest：正在监听 127\.0\.0\.1:\d+（不加密），数据库 sqlite:x\.db\n", ready
    )
    assert program.returncode == 0
