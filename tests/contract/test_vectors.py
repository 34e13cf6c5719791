"""Every reader gives exactly the rows that stand beside each vector."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from pathlib import Path
from types import ModuleType

import pytest
from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest.decode import open_payload, samples
from ingest.validate import check_block, check_catalog, check_name
from tests.contract import vectors

NAMES = [vector.name for vector in vectors.vectors()]
READER = Path(__file__).parents[2] / "proto" / "reader.py"
JS_READER = READER.parent / "reader-js"


def load(name: str) -> tuple[pb.Catalog, pb.Block, list[list[object]]]:
    stem = vectors.DIRECTORY / name
    return (
        pb.Catalog.FromString(stem.with_suffix(".catalog.bin").read_bytes()),
        pb.Block.FromString(stem.with_suffix(".block.bin").read_bytes()),
        json.loads(stem.with_suffix(".json").read_text(encoding="utf-8"))["rows"],
    )


def install_javascript() -> None:
    """What package-lock.json says, once."""
    if not (JS_READER / "node_modules").exists():
        npm = ["npm", "ci", "--silent", "--no-audit", "--no-fund"]
        subprocess.run(npm, cwd=JS_READER, check=True)


@pytest.fixture(scope="module")
def reader() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reader", READER)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("vector", list(vectors.vectors()), ids=NAMES)
def test_vector_files_when_made_anew_are_the_same(vector: vectors.Vector) -> None:
    catalog, block, rows = load(vector.name)
    assert catalog == vector.catalog
    assert rows == [list(row) for row in vector.rows]
    # Compressed bytes may differ from one libzstd to the next; what they carry may not.
    now, then = (
        open_payload(one.compression, one.payload, one.payload_size)
        for one in (vector.block, block)
    )
    assert now == then


@pytest.mark.parametrize("name", NAMES)
def test_vector_when_validated_is_accepted(name: str) -> None:
    catalog, block, _ = load(name)
    check_catalog(catalog)
    check_name(block)
    check_block(block, catalog)


@pytest.mark.parametrize("name", NAMES)
def test_receiver_decode_of_a_vector_gives_its_rows(name: str) -> None:
    catalog, block, rows = load(name)
    payload = open_payload(block.compression, block.payload, block.payload_size)
    got = [[s.device, s.tag, str(s.boot_ns), s.value, s.quality] for s in samples(catalog, payload)]
    assert got == rows


@pytest.mark.parametrize("name", NAMES)
def test_short_reader_of_a_vector_gives_its_rows(name: str, reader: ModuleType) -> None:
    catalog, block, rows = load(name)
    got = [
        [device, tag, str(time_ns), value, quality]
        for device, tag, time_ns, value, quality in reader.read(catalog, block)
    ]
    assert got == rows


def test_short_reader_stays_short() -> None:
    code = READER.read_text().split("UNPACK =")[1].split("if __name__")[0]
    assert len([line for line in code.splitlines() if line.strip()]) <= 42


@pytest.mark.slow
def test_javascript_reader_of_all_vectors_gives_their_rows() -> None:
    install_javascript()
    for name in NAMES:
        stem = vectors.DIRECTORY / name
        done = subprocess.run(
            [
                "node",
                "reader.mjs",
                stem.with_suffix(".catalog.bin"),
                stem.with_suffix(".block.bin"),
            ],
            cwd=JS_READER,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        got = [json.loads(line) for line in done.stdout.splitlines()]
        assert got == load(name)[2], name


@pytest.mark.slow
def test_proto_when_linted_by_buf_is_clean() -> None:
    install_javascript()
    (buf,) = JS_READER.glob("node_modules/@bufbuild/buf-*/bin/buf")
    done = subprocess.run([buf, "lint", READER.parent], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
