"""`jiahe run` as a process: what its log and the status say while it lives."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.cli.daemon import COMMAND, ROOT, jiahe, surroundings

CONFIG = """\
version = 1
[gateway]
id = "box"
language = "zh"
control = "control.sock"
[platform]
address = "127.0.0.1:1"
insecure = true
[buffer]
path = "buffer"
max_size = "16 MiB"
[links.ur]
type = "tcp"
address = "127.0.0.1:1"
[devices.robot]
link = "ur"
driver = "modbus"
every = "100 ms"
tags = { t = { address = "holding:1", type = "int16" } }
"""


@contextlib.contextmanager
def running(config: Path) -> Iterator[subprocess.Popen[str]]:
    """The daemon; killed at the end, if it still runs."""
    process = subprocess.Popen(
        [*COMMAND, "run", "--config", str(config)],
        cwd=ROOT, env=surroundings({"JIAHE_LANG": "zh"}), stderr=subprocess.PIPE, encoding="utf-8",
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _read_to(process: subprocess.Popen[str], words: str) -> list[str]:
    """The log up to the line with `words`; the runner's own time limit ends a wait in vain."""
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if words in line:
            return lines
    raise AssertionError("".join(lines))


def test_log_when_chinese_then_every_line_is_and_names_link_and_devices(tmp_path: Path) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text(CONFIG, "utf-8")
    with running(config) as process:
        lines = _read_to(process, "链路 ur（robot）：127.0.0.1:1 拒绝连接")
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        lines += process.stderr.read().splitlines(keepends=True)
        assert process.wait() == 0
    assert any(
        re.match(r"[\d: ,-]+ INFO 第 1 次启动（轮次 \d+）：采集 1 台设备", line) for line in lines
    )
    assert all(re.search(r"[\u4e00-\u9fff]{2}", line) for line in lines), lines


def test_status_when_a_file_changed_after_the_start_then_said(tmp_path: Path) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text(CONFIG, "utf-8")
    with running(config) as process:
        _read_to(process, "第 1 次启动")
        before = json.loads(jiahe("status", "--json", "--config", config).stdout)
        config.write_text(CONFIG + "# edited\n", "utf-8")
        after = jiahe("status", "--config", config, lang="zh").stdout
    assert "daemon.config_changed" not in {said["id"] for said in before["warnings"]}
    assert "▲ 配置文件在启动后改过，尚未生效：gateway.toml" in after
    assert "→ sudo jiahe reload" in after
