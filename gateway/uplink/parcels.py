"""What one message brings: blocks, joined where they are several, and what they need first."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from jiahe.ingest import limits
from jiahe.ingest.v1 import ingest_pb2 as pb

from gateway.buffer import Buffer, SealedBlock
from gateway.buffer.sets import tag_sets_of
from gateway.ports import RunBlocking
from gateway.uplink.history import Going
from gateway.uplink.lanes import Pick
from gateway.uplink.session import Session
from gateway.uplink.wire import catalog_message, tag_set_message

#: Joins serialized blocks of successive seqs into a bundle, with these features; ValueError where
#: it can't. In any thread.
Join = Callable[[Sequence[bytes], Collection[int]], bytes]


class Parcels:
    """Reads them from the buffer. `now_ns` is boot time."""

    def __init__(
        self,
        buffer: Buffer,
        join: Join,
        run_blocking: RunBlocking,
        now_ns: Callable[[], int],
    ) -> None:
        self._buffer, self._join, self._run_blocking = buffer, join, run_blocking
        self._now_ns = now_ns

    async def read(self, session: Session, pick: Pick) -> list[SealedBlock]:
        """The picked blocks as far as they can be read, and joined; none if not the first."""
        found: list[SealedBlock] = []
        unpacked = scans = samples = 0
        for block in await self._buffer.read_many(pick.keys):
            if block is None or block.catalog_revision != (found or [block])[0].catalog_revision:
                break
            if len(pick.keys) > 1:
                unpacked += pb.Block.FromString(block.data).payload_size
                scans, samples = scans + block.scans, samples + block.samples
                over = unpacked > limits.PAYLOAD_BYTES_MAX or scans > limits.ROWS_MAX
                if found and (over or samples > limits.SAMPLES_MAX):
                    break
            found.append(block)
        if not found:
            session.unreadable(pick._replace(keys=pick.keys[:1]), self._now_ns())
        return found

    async def joined(
        self, session: Session, pick: Pick, found: Sequence[SealedBlock]
    ) -> bytes | None:
        """The blocks in one; None if they can't be joined, and go one by one."""
        made: list[bytes] = []
        data = [block.data for block in found]
        try:
            await self._run_blocking(lambda: made.append(self._join(data, session.features)))
        except ValueError:
            session.alone(pick)
            return None
        return made[0]

    async def missing(self, session: Session, pick: Pick, block: SealedBlock) -> list[Going] | None:
        """What must go before the block: the next catalog or tag set, or nothing; None if it can't
        be had, now or ever, so that the block does not go.
        """
        epoch = block.epoch
        names = self._buffer.catalogs(epoch)
        for revision in range(1, block.catalog_revision + 1):
            if (epoch, revision) in session.known.revisions:
                continue
            if session.known.is_unreadable(epoch, revision):
                session.unreadable(pick, self._now_ns())
                return None
            name = names[revision - 1] if revision <= len(names) else b""
            if name in session.known.contents:
                message = catalog_message(epoch, revision, name, None)
                return [Going(message, revision=(epoch, revision))]
            try:
                return await self._set_of(session, (epoch, revision), name)
            except OSError:
                now_ns = self._now_ns()
                session.unreadable(pick, now_ns, catalog=(epoch, revision))
                return None
            except LookupError:
                if session.known.may_hold(epoch, revision):
                    session.known.revisions.add((epoch, revision))
                    continue
                self._buffer.undecodable(block)
                return None
        return []

    async def _set_of(self, session: Session, catalog: tuple[int, int], name: bytes) -> list[Going]:
        """The first tag set of a catalog that the platform lacks, else the catalog. Raises OSError
        while one can't be read, LookupError where it is gone.
        """
        content = await self._buffer.catalog(*catalog)
        if content is None:
            raise LookupError
        for tag_set in sorted(tag_sets_of(content)):
            if tag_set not in session.known.contents:
                found = await self._buffer.tag_set(tag_set)
                if found is None:
                    raise LookupError
                return [Going(tag_set_message(found), content=tag_set)]
        message = catalog_message(*catalog, name, content)
        return [Going(message, content=name, revision=catalog)]
