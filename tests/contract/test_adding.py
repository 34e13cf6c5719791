"""docs/drivers/adding.md: its code is taken out of the page, built, installed, and read with."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kit.rig import BIN, Rig, wait_for

PAGES = ("adding.md", "adding.zh-CN.md")
TOY = Path(__file__).resolve().parents[1] / "toy"
_FILE = re.compile(r"^`([\w/]+\.(?:py|pyx))`\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_TOML = re.compile(r"^```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def shown(project: Path, page: str) -> dict[str, str]:
    """The files that a page shows."""
    return dict(_FILE.findall((project / "docs" / "drivers" / page).read_text("utf-8")))


@pytest.mark.parametrize("page", PAGES)
def test_page_when_it_shows_a_file_then_as_it_is_checked_here(project: Path, page: str) -> None:
    files = {
        str(file.relative_to(TOY)): file.read_text("utf-8")
        for file in TOY.glob("*/**/*.py*")
        if file.suffix in (".py", ".pyx")
    }
    assert shown(project, page) == files
    assert len(files["weigh/jiahe_weigh/protocol.pyx"].splitlines()) <= 100


@pytest.fixture(scope="module")
def installed(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages, as the page says how to install what it shows."""
    folder = tmp_path_factory.mktemp("adding")
    for name, text in shown(project, PAGES[0]).items():
        file = folder / "shown" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-index",
         "--no-build-isolation", "--no-deps", "--target", folder / "site",
         folder / "shown" / "weigh", folder / "shown" / "tally"],
        check=True,
    )  # fmt: skip
    return folder / "site"


class Scale:
    """Answers as the page says; item 2 is 1000 more than item 1, item 9 is none."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while ask := await reader.readexactly(5):
                writer.write(self.answer(ask))
        writer.close()

    @staticmethod
    def answer(ask: bytes) -> bytes:
        assert ask[:1] == b"?" and ask[1] == 3 and ask[4] == sum(ask[:4]) & 255
        head = b"-" if ask[2] == 9 else b"!"
        value = b"" if ask[2] == 9 else (1000 * ask[2]).to_bytes(4, "big", signed=True)
        told = head + ask[1:4] + value
        return told + bytes([sum(told) & 255])


class Counter:
    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"bottles 4711\n")
        await reader.read()
        writer.close()


@contextlib.contextmanager
def served(*machines: Scale | Counter) -> Iterator[list[str]]:
    """Their addresses, while they answer in a thread of their own."""
    loop = asyncio.new_event_loop()

    async def begin() -> list[asyncio.Server]:
        return [await asyncio.start_server(each.serve, "127.0.0.1", 0) for each in machines]

    servers = loop.run_until_complete(begin())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield ["{}:{}".format(*each.sockets[0].getsockname()[:2]) for each in servers]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def exported(rig: Rig) -> list[dict[str, Any]]:
    done = subprocess.run(
        [BIN / "jiahe-ingest", "export", "--store", f"sqlite:{rig.store}", "--format", "csv"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return list(csv.DictReader(io.StringIO(done.stdout)))


@pytest.mark.slow
def test_protocols_when_added_as_the_page_says_then_their_values_reach_the_store(
    project: Path, installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(installed))
    page = (project / "docs" / "drivers" / PAGES[0]).read_text("utf-8")
    weigh, tally = _TOML.findall(page)
    with served(Scale(), Counter()) as (scale, counter), Rig(tmp_path / "rig", "toy-box") as rig:
        devices = weigh.replace("192.168.10.50:4001", scale)
        devices += 'none = { address = "9", type = "int32" }\n'
        devices += tally.replace("192.168.10.51:4002", counter)
        rig.config.write_text(rig.head() + devices, "utf-8")
        rig.start_daemon()

        def states() -> dict[str, str]:
            return {each["name"]: each["state"] for each in (rig.status() or {}).get("devices", [])}

        wait_for("both are read", lambda: states() == {"scale-3": "partly", "gate-1": "good"})
        assert rig.stop_daemon() == 0
        rig.stop_receiver()
        rows = exported(rig)
    good = {(row["tag"], row["value"]) for row in rows if row["quality"] == "good"}
    assert good == {("net", "1"), ("gross", "2"), ("bottles", "4711")}
    assert "bad_refused" in {row["quality"] for row in rows if row["tag"] == "none"}


@pytest.mark.slow
def test_configuration_when_the_driver_says_what_is_wrong_then_told_with_line_and_remedy(
    project: Path, installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(installed))
    weigh, _ = _TOML.findall((project / "docs" / "drivers" / PAGES[0]).read_text("utf-8"))
    wrong = weigh.replace('address = "2"', 'address = "2.5"').replace("scale  = 3", "scale  = 300")
    file = tmp_path / "gateway.toml"
    head = 'version = 1\n[gateway]\nid = "box"\nlanguage = "en"\n[platform]\n'
    file.write_text(head + 'address = "127.0.0.1:1"\ninsecure = true\n' + wrong, "utf-8")
    done = subprocess.run([BIN / "jiahe", "check", file], capture_output=True, text=True)
    assert done.returncode == 1
    assert "gateway.toml:15:10" in done.stderr + done.stdout  # the scale's number
    assert "Write the number of an item, 0 to 255" in done.stderr + done.stdout
