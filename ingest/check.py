"""What a block or a bundle must satisfy before it is stored, checked before memory is spent on it.

The order matters: declared sizes against caps, bounded decompression, the checksum, how many
messages that is, then parsing, then counts against caps (a list that ends early continues with
zeros, so counts can be far larger than bytes), and only then structure.

A check is a generator: it yields what it cost since it yielded last (about microseconds), at last
the Facts. So a long one lets others through (`ingest.desk`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from google.protobuf.message import DecodeError
from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest import limits
from ingest.catalog import Layout, check_needs
from ingest.check_extra import check_extra
from ingest.check_run import RunCheck
from ingest.count import BLOCK, BUNDLE, TooManyError, check_counts
from ingest.facts import Block, Facts
from ingest.fields import FieldsError
from ingest.payload import KNOWN, PayloadError, crc32c, decompress
from ingest.refusal import RefusedError, malformed, too_large, unsupported
from ingest.split import parse_run, split

Carried = pb.Block | pb.Bundle
Steps = Iterator[int | Facts]
#: Bytes that are unpacked and summed in a microsecond, at least.
_BYTES_A_UNIT = 200


def names(carried: Carried) -> tuple[int, int]:
    """The first and last seq."""
    if isinstance(carried, pb.Block):
        return carried.seq, carried.seq
    return carried.first_seq, carried.first_seq + max(len(carried.block_checks), 1) - 1


def check_name(carried: Carried, known: Collection[int]) -> None:
    """Raises RefusedError when its own name, or a size it declares, is impossible."""
    first, last = names(carried)
    malformed(
        not 0 < carried.epoch < limits.EPOCH_END, f"epoch {carried.epoch} is not in 1..2^53-1"
    )
    malformed(not 0 < first <= last < limits.SEQ_END, f"seq {first} is not in 1..2^53-1")
    if isinstance(carried, pb.Bundle):
        _check_bundle_head(carried, known)
    too_large("carried payload (bytes)", len(carried.payload), limits.BLOCK_BYTES_MAX)
    too_large("payload_size", carried.payload_size, limits.PAYLOAD_BYTES_MAX)
    too_large("scans", carried.scans, limits.ROWS_MAX)
    too_large("samples", carried.samples, limits.SAMPLES_MAX)
    too_large("features needed", len(carried.needs), limits.NEEDS_MAX)
    check_needs("it", carried.needs, known)
    unsupported(
        carried.compression not in KNOWN, f"compression {int(carried.compression)} is unknown"
    )


def _check_bundle_head(bundle: pb.Bundle, known: Collection[int]) -> None:
    unsupported(pb.FEATURE_BUNDLES not in known, "it is a bundle")
    count = len(bundle.block_checks)
    too_large("blocks of a bundle", count, limits.BUNDLE_BLOCKS_MAX)
    malformed(count == 0, "a bundle of no blocks")


def check_carried(carried: Carried, layout: Layout, features: frozenset[int]) -> Steps:
    """The Facts, when everything in it can be read with `layout`; raises RefusedError.

    The caller has called `check_name` before it looked for the layout.
    """
    try:
        yield (len(carried.payload) + carried.payload_size) // _BYTES_A_UNIT
        unpacked = decompress(carried.compression, carried.payload, carried.payload_size)
        crc = crc32c(unpacked)
        if crc != carried.payload_crc32c:
            raise RefusedError(
                pb.REJECT_REASON_CHECKSUM,
                f"CRC-32C of the payload is {crc:08x}, it says {carried.payload_crc32c:08x}",
            )
        is_block = isinstance(carried, pb.Block)
        yield from check_counts(unpacked, BLOCK if is_block else BUNDLE)
        check = RunCheck(layout, features, 0 if is_block else names_count(carried))
        rest = b""
        for parts in split(unpacked):
            if isinstance(parts, int):
                yield parts
                continue
            rest = parts.rest
            for index, (start, end) in enumerate(parts.runs):
                for parsed in parse_run(unpacked[start:end]):
                    if isinstance(parsed, int):
                        yield parsed
                    else:
                        yield from check.add(index, *parsed)
        _said(carried, check.scans, check.samples)
        if isinstance(carried, pb.Block):
            yield _block_facts(carried, pb.BlockPayload.FromString(rest), check)
        else:
            yield _bundle_facts(carried, pb.BundlePayload.FromString(rest), check)
    except TooManyError as error:
        raise RefusedError(pb.REJECT_REASON_TOO_LARGE, str(error)) from error
    except (PayloadError, FieldsError, DecodeError) as error:
        raise RefusedError(pb.REJECT_REASON_MALFORMED, f"payload can't be read: {error}") from error


def names_count(carried: Carried) -> int:
    """How many blocks it names."""
    first, last = names(carried)
    return last - first + 1


def _said(carried: Carried, scans: Sequence[int], samples: Sequence[int]) -> None:
    malformed(
        sum(scans) != carried.scans, f"it says {carried.scans} scans, its payload has {sum(scans)}"
    )
    malformed(
        sum(samples) != carried.samples,
        f"it says {carried.samples} samples, its payload has {sum(samples)}",
    )


def _block_facts(block: pb.Block, extra: pb.BlockPayload, check: RunCheck) -> Facts:
    """`extra`: what the block says beside its runs."""
    says = extra.ByteSize() > 0
    if says:
        check_extra(extra, block.seq)
    crc = block.payload_crc32c
    one = Block(crc & 0xFF, crc, block.scans, block.samples, extra if says else None)
    return Facts((one,), tuple(check.runs), tuple(check.events))


def _bundle_facts(bundle: pb.Bundle, payload: pb.BundlePayload, check: RunCheck) -> Facts:
    count = len(bundle.block_checks)
    extras: dict[int, pb.BlockPayload] = {}
    for one in payload.extras:
        malformed(one.block >= count, f"an extra of block {one.block} in a bundle of {count}")
        malformed(one.block in extras, f"two extras of block {one.block}")
        malformed(len(one.payload.runs) > 0, "an extra with runs")
        check_extra(one.payload, bundle.first_seq + one.block)
        alone = pb.BlockPayload()
        alone.CopyFrom(one.payload)
        extras[one.block] = alone
    sealed = zip(bundle.block_checks, check.scans, check.samples, strict=True)
    blocks = tuple(
        Block(byte, None, scans, samples, extras.get(place))
        for place, (byte, scans, samples) in enumerate(sealed)
    )
    return Facts(blocks, tuple(check.runs), tuple(check.events))
