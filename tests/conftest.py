"""What every test gets: a seed that is printed and can be given again, and a check for leaks.

`--seed N` repeats a run's random choices; the seed stands in the header of each run and drives
hypothesis too. After each test no thread and no descriptor may be left that was not there before.
"""

from __future__ import annotations

import gc
import random
import secrets
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

#: How long a thread that is on its way out may take.
_THREAD_END_S = 2.0

settings.register_profile("jiahe", deadline=None, print_blob=True)
settings.load_profile("jiahe")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, default=None, help="repeat the random choices of a run")


def pytest_configure(config: pytest.Config) -> None:
    if config.option.seed is None:
        given = getattr(config, "workerinput", {}).get("seed")
        config.option.seed = secrets.randbelow(2**32) if given is None else given
    if getattr(config.option, "hypothesis_seed", None) is None:
        config.option.hypothesis_seed = str(config.option.seed)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """A worker of pytest-xdist draws no seed of its own."""
    node.workerinput["seed"] = node.config.option.seed


def pytest_report_header(config: pytest.Config) -> str:
    return f"seed: {config.option.seed} (repeat with --seed {config.option.seed})"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if terminalreporter.stats.get("failed") or terminalreporter.stats.get("error"):
        seed = terminalreporter.config.option.seed
        terminalreporter.write_line(f"repeat the random choices with --seed {seed}")


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """The run's seed, the same for every test, so that one test alone repeats too."""
    return int(request.config.option.seed)


@pytest.fixture
def rng(seed: int) -> random.Random:
    """Random choices that `--seed` repeats."""
    return random.Random(seed)


@pytest.fixture(autouse=True)
def _no_leaks() -> Iterator[None]:
    descriptors, threads = _descriptors(), set(threading.enumerate())
    yield
    left = [thread for thread in threading.enumerate() if thread not in threads]
    for thread in left:
        if not _is_of_grpc(thread):
            thread.join(_THREAD_END_S)
            assert not thread.is_alive(), f"the test left a thread behind: {thread}"
    if _leaked(descriptors):
        gc.collect()  # what only a circle of references keeps is freed here
        assert not (fresh := _leaked(descriptors)), f"the test left descriptors open: {fresh}"


def _descriptors() -> dict[str, str]:
    found = {}
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found[entry.name] = str(entry.readlink())
        except FileNotFoundError:
            continue  # the listing's own
    return found


def _leaked(before: dict[str, str]) -> dict[str, str]:
    """Descriptors that were not there before; gRPC's poller keeps its own while Python runs."""
    fresh = {fd: target for fd, target in _descriptors().items() if before.get(fd) != target}
    if "grpc" in sys.modules:
        grpc_own = ("anon_inode:", "socket:")
        fresh = {fd: target for fd, target in fresh.items() if not target.startswith(grpc_own)}
    shared = ("/dev/null", "/dev/urandom")  # Python and libraries open these once and keep them
    return {fd: target for fd, target in fresh.items() if target not in shared}


def _is_of_grpc(thread: threading.Thread) -> bool:
    target = getattr(thread, "_target", None)
    return (getattr(target, "__module__", None) or "").startswith("grpc")


@pytest.fixture(scope="session")
def project() -> Path:
    """The root of the source tree."""
    return Path(__file__).resolve().parent.parent
