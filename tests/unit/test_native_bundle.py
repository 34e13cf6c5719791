"""Blocks that travel together say what they say one by one: every type, encoding and quality, ticks
without rows, late rows, tags on change, and what else single blocks carry.

`Box.bundle` compares both, read by the short reader of proto/; the tests bring about what differs.
"""

from __future__ import annotations

import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest.check import check_name
from ingest.count import BUNDLE, check_counts
from ingest.session import FEATURES
from native.block.bundle import bundle
from tests.contract.encode import crc32c
from tests.kit.scans import GOOD, Box, plan, registers, tag, unpacked

SILENT = pb.QUALITY_BAD_NO_ANSWER
_KINDS = ["int16", "uint16", "int32", "uint64", "float32", "float64", "bcd16", "string"]


def value_of(kind: str, rng: random.Random) -> bytes:
    if kind == "string":
        return rng.choice([b"idle\0\0\0\0", b"O1001234", b"\xff\xfe\0\0\0\0\0\0"])
    if kind in ("float32", "float64"):
        number = rng.choice(
            [1.5, 2.25, -0.0, 20.0, round(rng.uniform(-99, 99), rng.randint(0, 6)),
             rng.uniform(-1e6, 1e6), float("nan")]
        )  # fmt: skip
        return registers(kind, "ABCD", number)
    low, high = {
        "int16": (-3, 3), "uint16": (0, 65535), "int32": (-(2**31), 2**31 - 1),
        "uint64": (0, 2**64 - 1), "bcd16": (0, 9999),
    }[kind]  # fmt: skip
    return registers(kind, "ABCD", rng.randint(low, high))


def box_of(rng: random.Random) -> Box:
    """One to three devices of any tags, sealed one to twelve times."""
    kinds = [[rng.choice(_KINDS) for _ in range(rng.randint(1, 6))] for _ in range(3)]
    plans = [
        plan(
            [
                tag(
                    f"t{place}", kind, length=8 if kind == "string" else 0,
                    report=rng.choice(["all", "all", "change"]),
                )
                for place, kind in enumerate(one)
            ],
            device=f"d{number}",
        )
        for number, one in enumerate(kinds[: rng.randint(1, 3)])
    ]  # fmt: skip
    box = Box(plans)
    box.sealer.features = frozenset(rng.choice([(), (pb.FEATURE_PLAIN_FLOATS,)]))
    ticks = [0] * len(plans)
    for number in range(rng.randint(1, 12)):
        for place, one in enumerate(plans):
            for _ in range(rng.choice([0, 0, 1, 3, 7])):
                if rng.random() < 0.2:
                    ticks[place] += rng.randint(1, 3)
                    box.groups[place].skip(ticks[place], rng.choice([1, 2]))
                box.push(
                    place, ticks[place],
                    b"".join(value_of(tag.type, rng) for tag in one.tags),
                    status=[rng.choice([GOOD] * 9 + [SILENT])] * len(one.requests),
                    late_us=rng.randint(0, 300), half_span_us=rng.choice([0] * 9 + [2000]),
                )  # fmt: skip
                ticks[place] += 1
        if rng.random() < 0.2:
            box.sealer.restate()
        anchors = [pb.Anchor(boot_id=f"b{number}")] if rng.random() < 0.3 else []
        extra = pb.BlockPayload(anchors=anchors).SerializeToString()
        box.seal(extra=extra, always=rng.random() < 0.5)
    return box


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
def test_blocks_of_anything_say_the_same_in_a_bundle(seed: int) -> None:
    box = box_of(random.Random(seed))
    if box.blocks:
        box.bundle(random.Random(seed).choice([(), (pb.FEATURE_PLAIN_FLOATS,)]))


def floats_box(blocks: list[list[float]], kind: str = "float64") -> Box:
    box, tick = Box([plan([tag("t", kind)])]), 0
    for numbers in blocks:
        for number in numbers:
            box.push(0, tick, registers(kind, "ABCD", number))
            tick += 1
        box.seal()
    return box


def column_of(made: pb.Bundle) -> pb.Column:
    return pb.BundlePayload.FromString(unpacked(made)).runs[0].columns[0]


def test_decimals_of_different_digits_are_joined_as_decimals() -> None:
    column = column_of(floats_box([[1, 2], [0.25], [3.5, 4]]).bundle())
    assert (column.encoding, column.digits) == (pb.VALUE_ENCODING_DECIMAL, 2)


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_decimals_beside_noise_keep_each_bit(kind: str) -> None:
    noise = struct.unpack(">f", b"\x3e\xaa\xaa\xab")[0]
    box = floats_box([[0.1, 0.2], [noise, 1e-30], [0.3, -0.0]], kind)
    assert column_of(box.bundle()).encoding in (
        pb.VALUE_ENCODING_FLOAT32_BITS, pb.VALUE_ENCODING_FLOAT64_BITS,
    )  # fmt: skip


def test_decimals_that_together_need_too_many_bits_are_refused() -> None:
    box = floats_box([[4e12], [0.123456]])
    with pytest.raises(ValueError, match="can't be joined"):
        bundle(box.sealed)


def test_a_bundle_of_short_blocks_takes_less_than_half_of_them() -> None:
    rng = random.Random(5)
    rows = [[20 + rng.randint(-30, 30) / 10 for _ in range(2)] for _ in range(40)]
    box = floats_box(rows)
    assert len(box.bundle().payload) < sum(map(len, box.sealed)) / 2


def test_a_bundle_keeps_the_feature_that_it_needs_and_no_other() -> None:
    noise = [[random.Random(seed).uniform(-1, 1) for seed in range(9)]] * 2
    box = floats_box(noise)
    assert not box.bundle().needs
    assert list(box.bundle([pb.FEATURE_PLAIN_FLOATS]).needs) == [pb.FEATURE_PLAIN_FLOATS]
    assert list(box.bundle([pb.FEATURE_BUNDLES]).needs) == []


def test_a_tick_that_is_missing_between_blocks_begins_another_run() -> None:
    """As where a block between was lost: the names are successive, the ticks are not."""
    box = Box([plan([tag("t")])])
    for tick in (0, 1, 2):
        box.push(0, tick, registers("int16", "ABCD", tick))
        box.seal()
    gone = pb.Block.FromString(box.sealed[2])
    del box.sealed[1], box.blocks[1], box.runs[1]
    gone.seq = 2
    box.sealed[1], box.blocks[1] = gone.SerializeToString(), gone
    assert len(box.bundle().block_checks) == 2


def test_what_is_no_row_of_successive_blocks_is_refused() -> None:
    box = floats_box([[1], [2], [3]])
    one, two, three = box.sealed
    for wrong in ([one, three], [two, one], [one, one], []):
        with pytest.raises(ValueError, match=r"successive blocks|blocks: a bundle"):
            bundle(wrong)
    other = pb.Block.FromString(two)
    other.epoch = 2
    with pytest.raises(ValueError, match="successive"):
        bundle([one, other.SerializeToString()])


def test_what_cannot_be_joined_yet_is_refused() -> None:
    run = pb.GroupRun(group=1, ticks=1, columns=[pb.Column(values=[1])])
    strange = [pb.GroupRun(), pb.GroupRun(), pb.GroupRun(), pb.GroupRun()]
    for made in strange:
        made.CopyFrom(run)
    strange[0].parts.add()
    strange[1].events.add(count=1, time_us=[5])  # not as differences
    strange[2].columns[0].source_time_ns.append(5)
    strange[3].columns[0].quality.add(count=1, quality=pb.QUALITY_BAD, code=3)
    for made in strange:
        with pytest.raises(ValueError, match="can't be joined"):
            bundle([block_of(seq, made, first_tick=seq) for seq in (1, 2)])


def test_column_that_nothing_is_joined_to_travels_as_it_is() -> None:
    """Also with what can't be joined yet."""
    runs = [pb.GroupRun(group=n, ticks=1, columns=[pb.Column(values=[n])]) for n in (1, 2)]
    runs[0].columns[0].quality.add(count=1, quality=pb.QUALITY_BAD, code=3)
    made = pb.Bundle.FromString(bundle([block_of(n, run) for n, run in enumerate(runs, 1)]))
    joined = pb.BlockPayload.FromString(unpacked(made)).runs
    assert [run.columns for run in joined] == [run.columns for run in runs]


def block_of(seq: int, run: pb.GroupRun, first_tick: int = 0) -> bytes:
    made = pb.GroupRun()
    made.CopyFrom(run)
    made.first_tick = first_tick
    payload = pb.BlockPayload(runs=[made]).SerializeToString()
    return pb.Block(
        epoch=1, seq=seq, catalog_revision=1, compression=pb.COMPRESSION_NONE,
        payload_size=len(payload), payload_crc32c=crc32c(payload), payload=payload,
    ).SerializeToString()  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32), st.data())
def test_damaged_blocks_are_refused_or_joined_and_never_crash(
    seed: int, data: st.DataObject
) -> None:
    """Also with a checksum that fits: what is damaged then is the payload that it vouches for."""
    rng = random.Random(seed)
    box = box_of(rng)
    if not box.sealed:
        return
    place = rng.randrange(len(box.sealed))
    block = pb.Block.FromString(box.sealed[place])
    payload = bytearray(unpacked(block))
    for _ in range(data.draw(st.integers(1, 4))):
        if payload:
            payload[rng.randrange(len(payload))] = rng.randrange(256)
    block.compression, block.payload = pb.COMPRESSION_NONE, bytes(payload)
    block.payload_crc32c = crc32c(bytes(payload))
    box.sealed[place] = block.SerializeToString()
    try:
        bundle(box.sealed)
    except ValueError as error:
        assert str(error)


def plant(seconds: list[int], quality: int) -> list[bytes]:
    """Blocks of 150,000 tags that stand still, half of what `jiahe check` passes: a scan of each of
    500 devices a second."""
    tags = [tag(f"t{number}") for number in range(300)]
    box = Box([plan(tags, device=f"d{number}") for number in range(500)], pool_bytes=256 << 20)
    requests = box.groups[0].snapshot()["requests"]
    sealed: list[bytes] = []
    for second in seconds:
        for number in range(500):
            box.push(number, second, bytes(600), status=[quality] * requests)
        sealed += [one.data for one in box.sealer.seal(1, len(sealed) + 1, 1)]
    return sealed


@pytest.mark.parametrize("quality", [GOOD, int(SILENT)])
def test_bundle_when_the_plant_is_still_or_silent_is_taken_as_its_blocks_are(quality: int) -> None:
    """It packs 700:1."""
    sealed = plant([0, 1, 2], quality)
    for block in map(pb.Block.FromString, sealed):
        check_name(block, FEATURES)
    for count in range(2, len(sealed) + 1):
        made = pb.Bundle.FromString(bundle(sealed[:count]))
        check_name(made, FEATURES)
        list(check_counts(unpacked(made), BUNDLE))


def test_blocks_when_together_they_have_more_columns_than_a_platform_takes_are_not_joined() -> None:
    """A tick is missing between them each time, so that no run goes on."""
    blocks = [pb.Block.FromString(one) for one in plant([0, 1, 2, 3, 4], GOOD)[::2]]
    for seq, block in enumerate(blocks, 1):
        block.seq = seq
    sealed = [block.SerializeToString() for block in blocks]
    together = pb.Bundle.FromString(bundle(sealed[:2]))
    list(check_counts(unpacked(together), BUNDLE))
    with pytest.raises(ValueError, match="larger than one payload may be"):
        bundle(sealed)
