"""The vectors of proto/vectors against the readers that stand beside them, and the contract itself
against buf: its style, and that nothing of version 1 is broken.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from jiahe.ingest.v1 import ingest_pb2 as pb

from tests.contract import vectors
from tests.kit.short import short_reader

ALL = list(vectors.vectors())
PROTO = Path(__file__).parents[2] / "proto"
READER = PROTO / "reader.py"
JS_READER = PROTO / "reader-js"
VERSION_1 = PROTO / "version1.binpb"


def expected(name: str) -> dict[str, Any]:
    text = (vectors.DIRECTORY / name).with_suffix(".json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def install_javascript() -> None:
    """What package-lock.json says, once."""
    if not (JS_READER / "node_modules").exists():
        npm = ["npm", "ci", "--silent", "--no-audit", "--no-fund"]
        subprocess.run(npm, cwd=JS_READER, check=True)


def buf(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    install_javascript()
    (program,) = JS_READER.glob("node_modules/@bufbuild/buf-*/bin/buf")
    command = [program, *arguments]
    return subprocess.run(command, cwd=PROTO, capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def reader() -> ModuleType:
    return short_reader()


def test_vector_files_are_those_that_are_made() -> None:
    names = {path.stem for path in vectors.DIRECTORY.iterdir()}
    assert names == {vector.name for vector in ALL} | {"utc"}


def without_payload(message: pb.StreamRequest) -> pb.StreamRequest:
    """Compressed bytes, and their names, differ from one libzstd to the next."""
    made = pb.StreamRequest()
    made.CopyFrom(message)
    made.block.ClearField("payload")
    made.bundle.ClearField("payload")
    made.ClearField("piece")
    return made


@pytest.mark.parametrize("vector", ALL, ids=lambda vector: vector.name)
def test_vector_files_when_made_anew_say_the_same(
    vector: vectors.Vector, reader: ModuleType
) -> None:
    kept = list(reader.messages((vectors.DIRECTORY / vector.name).with_suffix(".stream")))
    assert [without_payload(message) for message in kept[1:]] == [
        without_payload(message) for message in vector.messages
    ]
    assert expected(vector.name)["rows"] == [list(row) for row in vector.rows]


def test_the_cases_of_utc_when_made_anew_are_the_same() -> None:
    kept = json.loads((vectors.DIRECTORY / "utc.json").read_text(encoding="utf-8"))
    assert kept == vectors.UTC_CASES


@pytest.mark.parametrize("vector", ALL, ids=lambda vector: vector.name)
def test_short_reader_of_a_vector_gives_its_rows(
    vector: vectors.Vector, reader: ModuleType
) -> None:
    file = (vectors.DIRECTORY / vector.name).with_suffix(".stream")
    if vector.unsupported:
        with pytest.raises(ValueError, match="unsupported"):
            list(reader.read(reader.messages(file)))
        return
    got = [
        [seq, device, tag, str(time_ns), str(source_ns), value, quality]
        for seq, device, tag, time_ns, source_ns, value, quality in reader.read(
            reader.messages(file)
        )
    ]
    assert got == expected(vector.name)["rows"]


def test_a_bundle_says_what_its_blocks_say() -> None:
    together, apart = (expected(name)["rows"] for name in ("bundle", "bundle_apart"))
    assert sorted(map(repr, together)) == sorted(map(repr, apart))


def test_short_reader_stays_short() -> None:
    code = READER.read_text().split("UNPACK =")[1].split("if __name__")[0]
    assert len([line for line in code.splitlines() if line.strip()]) <= 120


@pytest.mark.slow
def test_javascript_reader_of_all_vectors_gives_their_rows() -> None:
    install_javascript()
    for vector in ALL:
        file = (vectors.DIRECTORY / vector.name).with_suffix(".stream")
        done = subprocess.run(
            ["node", "reader.mjs", file],
            cwd=JS_READER,
            capture_output=True,
            text=True,
            timeout=60,
        )
        if vector.unsupported:
            assert done.returncode != 0 and "unsupported" in done.stderr, vector.name
            continue
        assert done.returncode == 0, done.stderr
        got = [json.loads(line) for line in done.stdout.splitlines()]
        assert got == expected(vector.name)["rows"], vector.name


@pytest.mark.slow
def test_proto_when_linted_by_buf_is_clean() -> None:
    done = buf("lint", PROTO)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_proto_breaks_nothing_of_version_1() -> None:
    done = buf("breaking", PROTO, "--against", VERSION_1)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_buf_when_a_field_changes_its_number_says_so(tmp_path: Path) -> None:
    """The guard itself: without it the test above could not fail."""
    for name in ("buf.yaml", "jiahe/ingest/v1/ingest.proto"):
        copy = tmp_path / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text((PROTO / name).read_text().replace("seq = 2;", "seq = 14;"))
    done = buf("breaking", tmp_path, "--against", VERSION_1)
    assert done.returncode != 0 and "seq" in done.stdout, done.stderr


def test_names_of_contents_are_the_first_half_of_their_sha_256() -> None:
    named = [
        (message.catalog.id, message.catalog.content)
        for vector in ALL
        for message in vector.messages
        if message.catalog.content
    ]
    assert named
    assert all(hashlib.sha256(content).digest()[:16] == name for name, content in named)
