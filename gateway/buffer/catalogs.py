"""Catalogs of earlier runs, read back from the segments that keep copies of them."""

from __future__ import annotations

from functools import partial

from gateway.buffer import log
from gateway.buffer.failures import Failures
from gateway.buffer.index import Place
from gateway.buffer.thread import DiskThread
from gateway.ports import Clock, Disk


class Catalogs:
    """`places` is where the copies are; the writer changes it as segments come and go."""

    def __init__(
        self,
        disk: Disk,
        clock: Clock,
        disk_thread: DiskThread,
        places: dict[log.CatalogKey, list[Place]],
    ) -> None:
        self._disk, self._disk_thread, self._places = disk, disk_thread, places
        self._failures = Failures(clock)

    async def read(self, key: log.CatalogKey) -> bytes | None:
        """A serialized Catalog; None if every copy is gone.

        Raises OSError if that is not known: it can't be read now, and may be later.
        """
        failed = None
        for place in list(self._places.get(key, ())):
            try:
                data = await self._disk_thread(partial(log.read_catalog, self._disk, key, place))
            except OSError as error:  # another segment may have a copy
                failed = error
                continue
            if data is not None:
                self._failures.forget(key)
                return data
        if failed is not None and not self._failures.is_gone(key, failed):
            raise failed
        self._failures.forget(key)
        self._places.pop(key, None)
        return None
