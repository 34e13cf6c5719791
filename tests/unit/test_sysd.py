"""What systemd hears, over real datagram sockets."""

from __future__ import annotations

import io
import logging
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.sysd import JournalHandler, Notifier, log_handler, message_id, priority


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "socket"))
        server.settimeout(5)
        yield server


def address(listener: socket.socket) -> str:
    return str(listener.getsockname())


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    logger = logging.Logger("gateway.test")
    yield logger
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()


def fields(datagram: bytes) -> dict[str, str]:
    """Reads the journal's native format, as systemd does."""
    found: dict[str, str] = {}
    while datagram:
        line, _, datagram = datagram.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            size = int.from_bytes(datagram[:8], "little")
            value, datagram = datagram[8 : 8 + size], datagram[8 + size :]
            assert datagram[:1] == b"\n"
            datagram = datagram[1:]
        found[name.decode()] = value.decode()
    return found


def test_notifier_when_told_then_the_manager_hears_each(listener: socket.socket) -> None:
    notifier = Notifier(address(listener))
    assert notifier.ready("24 devices")
    assert notifier.status("two\nlines")
    assert notifier.watchdog()
    assert notifier.stopping()
    assert [listener.recv(4096) for _ in range(4)] == [
        b"READY=1\nSTATUS=24 devices",
        b"STATUS=two lines",
        b"WATCHDOG=1",
        b"STOPPING=1",
    ]


def test_notifier_when_address_is_abstract_then_heard() -> None:
    name = f"jiahe-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind("\0" + name)
        server.settimeout(5)
        assert Notifier.from_environ({"NOTIFY_SOCKET": "@" + name}).ready()
        assert server.recv(100) == b"READY=1"


def test_notifier_when_no_manager_then_false_and_nothing_raised(tmp_path: Path) -> None:
    assert not Notifier.from_environ({}).ready()
    assert not Notifier(str(tmp_path / "nobody")).watchdog()


@pytest.mark.parametrize(
    ("environ", "watchdog_ns"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "60000000"}, 60 * 10**9),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}, 60 * 10**9),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, None),
    ],
)
def test_watchdog_when_in_the_environment_then_only_for_this_process(
    environ: dict[str, str], watchdog_ns: int | None
) -> None:
    assert Notifier.from_environ(environ).watchdog_ns == watchdog_ns


@pytest.mark.parametrize("usec", ["0", "-5", "60s"])
def test_watchdog_when_nonsense_then_error_names_it(usec: str) -> None:
    with pytest.raises(ValueError, match=f"WATCHDOG_USEC='{usec}'"):
        Notifier.from_environ({"WATCHDOG_USEC": usec})


def test_journal_when_record_has_fields_then_they_arrive(
    listener: socket.socket, logger: logging.Logger
) -> None:
    logger.addHandler(JournalHandler(address(listener)))
    extra = {"link": "com1", "device": "meter-1", "said": "link.refused"}
    logger.warning("没有应答 %d", 7, extra=extra)
    record = fields(listener.recv(65536))
    assert record["MESSAGE"] == "没有应答 7"
    assert record["PRIORITY"] == "4"
    assert record["SYSLOG_IDENTIFIER"] == "jiahe"
    assert record["JIAHE_LINK"] == "com1"
    assert record["JIAHE_DEVICE"] == "meter-1"
    assert record["JIAHE_MESSAGE"] == "link.refused"
    assert record["MESSAGE_ID"] == message_id("link.refused")


def test_journal_when_message_has_lines_then_no_field_can_be_forged(
    listener: socket.socket, logger: logging.Logger
) -> None:
    logger.addHandler(JournalHandler(address(listener)))
    logger.error("answer: \nPRIORITY=0\nJIAHE_LINK=other")
    record = fields(listener.recv(65536))
    assert record["MESSAGE"] == "answer: \nPRIORITY=0\nJIAHE_LINK=other"
    assert record["PRIORITY"] == "3"
    assert "JIAHE_LINK" not in record


def test_journal_when_record_is_larger_than_a_datagram_then_sealed_file(
    listener: socket.socket, logger: logging.Logger
) -> None:
    logger.addHandler(JournalHandler(address(listener)))
    text = "x" * (4 << 20)
    logger.info(text)
    _, descriptors, _, _ = socket.recv_fds(listener, 100, 1)
    with os.fdopen(descriptors[0], "rb") as file:
        file.seek(0)
        assert fields(file.read())["MESSAGE"] == text


def test_journal_when_it_is_not_there_then_handler_says_so_and_leaks_nothing(
    tmp_path: Path,
) -> None:
    with pytest.raises(FileNotFoundError):
        JournalHandler(str(tmp_path / "nobody"))


def test_log_when_stderr_is_the_journal_then_native_records(
    listener: socket.socket, tmp_path: Path
) -> None:
    with (tmp_path / "stderr").open("w") as stderr:
        stat = os.fstat(stderr.fileno())
        environ = {"JOURNAL_STREAM": f"{stat.st_dev}:{stat.st_ino}"}
        handler = log_handler(stderr, environ, address(listener))
        assert isinstance(handler, JournalHandler)
        handler.close()
        assert not isinstance(log_handler(stderr, {}, address(listener)), JournalHandler)


def test_log_when_only_stderr_leads_to_the_journal_then_each_line_has_its_priority(
    logger: logging.Logger, tmp_path: Path
) -> None:
    file = tmp_path / "stderr"
    with file.open("w") as stderr:
        stat = os.fstat(stderr.fileno())
        environ = {"JOURNAL_STREAM": f"{stat.st_dev}:{stat.st_ino}"}
        logger.addHandler(log_handler(stderr, environ, str(tmp_path / "nobody")))
        logger.warning("two\nlines")
    assert file.read_text() == "<4>two\n<4>lines\n"


def test_log_when_stderr_is_a_file_then_words_with_their_time_and_no_priority(
    logger: logging.Logger,
) -> None:
    stream = io.StringIO()
    logger.addHandler(log_handler(stream, {"JOURNAL_STREAM": "1:2"}))
    logger.warning("a trouble")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d [\d:,]+ WARNING a trouble\n", stream.getvalue())


@pytest.mark.parametrize(
    ("level", "expected"), [(50, 2), (40, 3), (30, 4), (25, 6), (20, 6), (10, 7)]
)
def test_priority_when_level_then_syslog_number(level: int, expected: int) -> None:
    assert priority(level) == expected


def test_message_id_when_computed_then_never_changes() -> None:
    assert message_id("link.refused") == "6f01aa10651c5b7caa7c76e87f4c8d6c"
