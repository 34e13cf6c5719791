"""What operators type: gateways, latest, import, backup, audit with a goal, export for Excel."""

from __future__ import annotations

import csv
import io
import json
from contextlib import closing
from pathlib import Path

import pytest
from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest import limits
from ingest.export import export_csv
from ingest.importing import FileError, import_file, messages
from ingest.samples import Reader, Selection
from ingest.stores.opening import connect, connect_readonly
from tests.contract import encode, examples, receiver, streams, vectors
from tests.contract.examples import EPOCH


def store(tmp_path: Path, *blocks: pb.Block | pb.Bundle) -> str:
    streams.store_of(tmp_path / "store.db", blocks or [examples.block(1), examples.bundle(2, 2)])
    return f"sqlite:{tmp_path / 'store.db'}"


def test_gateways_are_told_with_how_they_are(tmp_path: Path) -> None:
    url = store(tmp_path)
    done = receiver.ingest("gateways", "--store", url, "--json")
    (one,) = json.loads(done.stdout)["gateways"]
    assert (one["gateway"], one["run"], one["blocks"], one["open_runs"]) == ("gw-1", 7, 3, 1)
    assert "gw-1: run 7" in receiver.ingest("gateways", "--store", url).stdout


def test_latest_is_the_newest_entry_of_each_tag(tmp_path: Path) -> None:
    url = store(tmp_path)
    done = receiver.ingest("latest", "--store", url, "--json")
    found = {one["tag"]: one for one in json.loads(done.stdout)["latest"]}
    assert (found["serial_number"]["value"], found["joint1"]["value"]) == ("29", "1.234")
    time_ns = examples.UTC_NS + 29 * examples.PERIOD_NS
    assert {one["time_ns"] for one in found.values()} == {time_ns}
    only = receiver.ingest("latest", "--store", url, "--tag", "joint1").stdout
    assert only.startswith("gw-1.robot-3.joint1 = 1.234 (good")


def test_latest_of_a_tag_reported_on_change_is_found_in_an_earlier_block(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    first, second = examples.run(0, 10), examples.run(10, 10)
    for run, rows in ((first, [3, 7]), (second, [])):
        run.columns[1].CopyFrom(encode.column([5] * len(rows), rows=rows))
    streams.store_of(
        path,
        [
            encode.block(EPOCH, 1, pb.BlockPayload(runs=[first], anchors=[examples.anchor()])),
            encode.block(EPOCH, 2, pb.BlockPayload(runs=[second])),
        ],
    )
    done = receiver.ingest("latest", "--store", f"sqlite:{path}", "--json")
    found = {one["tag"]: one for one in json.loads(done.stdout)["latest"]}
    assert found["joint1"]["time_ns"] == examples.UTC_NS + 7 * examples.PERIOD_NS
    assert found["serial_number"]["value"] == "19"


def test_audit_with_a_goal_sets_the_exit_status(tmp_path: Path) -> None:
    url = store(tmp_path, examples.block(1), examples.block(3))
    for options, status in (
        ((), 1), (("--by", "day"), 1), (("--expect", "50"), 0), (("--expect", "99.9"), 1),
        (("--expect", "50", "--gateway", "gw-1"), 0),
    ):  # fmt: skip
        done = receiver.ingest("audit", "--store", url, *options)
        assert done.returncode == status, (options, done.stderr)
    assert "99.9 % expected" in receiver.ingest("audit", "--store", url, "--expect", "99.9").stderr


@pytest.mark.parametrize("command", ["audit", "export", "latest"])
def test_gateway_when_the_store_does_not_know_it_then_the_known_ones_are_named(
    tmp_path: Path, command: str
) -> None:
    done = receiver.ingest(command, "--store", store(tmp_path), "--gateway", "other")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("--gateway other: the store knows no such gateway; it knows gw-1\n")


@pytest.mark.parametrize("command", ["export", "latest"])
def test_device_when_nothing_of_it_ever_came_then_the_known_ones_are_named(
    tmp_path: Path, command: str
) -> None:
    url = store(tmp_path, examples.block(1))
    for gateway in ((), ("--gateway", "gw-1")):
        done = receiver.ingest(command, "--store", url, "--device", "robot-33", *gateway)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.endswith(
            "--device robot-33: nothing of such a device ever came; there are robot-3\n"
        )
    assert receiver.ingest(command, "--store", url, "--device", "robot-3").returncode == 0


def test_export_for_a_spreadsheet_marks_formulas_and_quotes_returns(tmp_path: Path) -> None:
    """field.md 6.6."""
    texts = [b"=1+1", b"-5", b"a\rb", b"@x", b"plain"]
    tags = pb.TagSetContent(tags=[pb.Tag(name="=t", type=pb.VALUE_TYPE_TEXT)])
    tagged = examples.tag_set(tags)
    made = examples.content([examples.group(tagged=tagged)])
    run = encode.run(1, 0, 5, [encode.text_column(texts)])
    sql = connect(tmp_path / "store.db")
    one = streams.stream(streams.InlineStore(sql))
    block = encode.block(EPOCH, 1, pb.BlockPayload(runs=[run], anchors=[examples.anchor()]))
    answers = streams.said(
        one,
        receiver.hello(EPOCH),
        pb.StreamRequest(tag_set=tagged),
        pb.StreamRequest(catalog=examples.catalog(made=made)),
        pb.StreamRequest(block=block),
    )
    sql.close()
    assert answers[-1].HasField("ack")
    read = connect_readonly(tmp_path / "store.db")
    plain, marked = "", ""
    for excel in (False, True):
        out = io.StringIO(newline="")
        assert export_csv(read, Selection(), out, excel=excel) == 5
        plain, marked = marked, out.getvalue()
    read.close()
    assert '"a\rb"' in plain
    rows = list(csv.reader(io.StringIO(marked, newline="")))[1:]
    assert [row[5] for row in rows] == ["'=1+1", "-5", "a\rb", "'@x", "plain"]
    assert {row[2] for row in rows} == {"'=t"}


def exported(path: Path, *requests: pb.StreamRequest) -> Path:
    path.write_bytes(encode.export_file([receiver.hello(EPOCH), *requests]))
    return path


def test_import_takes_a_file_twice_and_stores_it_once(tmp_path: Path) -> None:
    blocks = [pb.StreamRequest(block=examples.block(seq)) for seq in (1, 2)]
    bundle = pb.StreamRequest(bundle=examples.bundle(3, 2))
    file = exported(tmp_path / "stick", *examples.opening(), *blocks, bundle)
    url = f"sqlite:{tmp_path / 'store.db'}"
    for stored, held in ((4, 0), (0, 4)):
        done = receiver.ingest("import", "--store", url, file)
        assert done.returncode == 0, done.stderr
        assert f"{stored} blocks stored, {held} were held" in done.stdout
    sql = connect_readonly(tmp_path / "store.db")
    bound = sql.execute("SELECT current_epoch, machine FROM gateways").fetchone()
    sql.close()
    assert bound == (0, b"")  # a file binds nobody


def test_import_of_a_file_that_was_cut_or_damaged_says_so(tmp_path: Path) -> None:
    blocks = [pb.StreamRequest(block=examples.block(seq)) for seq in (1, 2)]
    file = exported(tmp_path / "stick", *examples.opening(), *blocks)
    whole = file.read_bytes()
    sql = connect(tmp_path / "store.db")
    for cut in (len(whole) - 1, len(whole) - 9, len(whole) - 60):
        file.write_bytes(whole[:cut])
        assert import_file(file, sql).cut
    spoilt = bytearray(whole)
    spoilt[-20] ^= 1
    for data, words in (
        (bytes(spoilt), "checksum"), (b"GIF89a" + whole, "no export file"),
        (whole[:8] + b"\xff\xff\xff\x7f" + whole[12:], "damaged"),
        (whole[:-4] + b"\x09\x00\x00\x00", "says 9"),
    ):  # fmt: skip
        file.write_bytes(data)
        with pytest.raises(FileError, match=words):
            import_file(file, sql)
    sql.close()
    done = receiver.ingest("import", "--store", f"sqlite:{tmp_path / 'store.db'}", file)
    assert done.returncode == 1 and "Traceback" not in done.stderr


def test_import_when_more_blocks_are_broken_than_a_stream_may_send_then_those_behind_are_taken(
    tmp_path: Path,
) -> None:
    count = limits.BROKEN_BLOCKS_MAX + 1
    blocks = [examples.block(seq) for seq in range(1, count + 3)]
    for broken in blocks[:count]:
        broken.payload_crc32c ^= 1
    requests = [pb.StreamRequest(block=block) for block in blocks]
    file = exported(tmp_path / "stick", *examples.opening(), *requests)
    url = f"sqlite:{tmp_path / 'store.db'}"
    done = receiver.ingest("import", "--store", url, file)
    assert done.returncode == 1 and f"2 blocks stored, 0 were held already, {count}" in done.stdout
    assert done.stderr.count("CHECKSUM") == count


def test_backup_command_copies_the_store(tmp_path: Path) -> None:
    url = store(tmp_path)
    done = receiver.ingest("backup", "--store", url, tmp_path / "copy.db")
    assert done.returncode == 0 and "complete" in done.stdout, done.stderr
    copy = receiver.ingest("audit", "--store", f"sqlite:{tmp_path / 'copy.db'}", "--json")
    assert json.loads(copy.stdout)["epochs"][0]["blocks"] == 3


def test_export_whose_temporary_directory_is_full_says_the_true_cause(tmp_path: Path) -> None:
    """field.md 5.21. A directory that is none is as good as a full one."""
    url = store(tmp_path, examples.block(1, ticks=2000))
    program = (
        "import sys, sqlite3; from ingest import sorter; real = sqlite3.connect\n"
        "def small(name, *a, **o):\n"
        "    sql = real(name, *a, **o)\n"
        "    if not name:\n"
        "        sql.execute('PRAGMA max_page_count = 3')\n"
        "    return sql\n"
        "sqlite3.connect = small\n"
        "import ingest.main; sys.exit(ingest.main.main(sys.argv[1:]))"
    )
    done = receiver.python("-c", program, "export", "--store", url)
    assert done.returncode == 1
    assert "temporary file" in done.stderr and "The store is well" in done.stderr
    assert "damaged" not in done.stderr


@pytest.mark.parametrize("vector", list(vectors.vectors()), ids=lambda vector: vector.name)
def test_receiver_gives_the_rows_of_every_vector(tmp_path: Path, vector: vectors.Vector) -> None:
    """The third reader: through session, checks, store and index."""
    path = (vectors.DIRECTORY / vector.name).with_suffix(".stream")
    with closing(connect(tmp_path / "store.db")) as sql:
        done = import_file(path, sql)
        got = sorted(
            (one.device, one.tag, str(one.source_time_ns), str(one.value), one.quality)
            for one in Reader(sql).samples("vectors", Selection())
        )
    if vector.unsupported:
        assert done.refused and all("UNSUPPORTED" in words for words in done.refused)
        return
    assert not done.refused and not done.cut
    assert got == sorted((row[1], row[2], row[4], str(row[5]), row[6]) for row in vector.rows)


def test_messages_of_every_vector_file_end_where_they_should() -> None:
    for path in vectors.DIRECTORY.glob("*.stream"):
        with path.open("rb") as file:
            assert list(messages(file))[-1] is None, path
