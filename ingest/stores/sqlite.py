"""The embedded store: SQLite in WAL mode with synchronous=FULL, one writer thread, group commit.

All work goes through one queue to one thread. It takes whatever has gathered, does it in one
transaction, commits (one fsync of the WAL), and only then ends the Futures: under load many blocks
share a sync, and nothing waits for a timer. With synchronous=FULL a commit survives a power cut
(sqlite.org/pragma.html#pragma_synchronous); NORMAL would not, so the setting is read back.

A job that can't be done fails alone: its batch is undone and done again in halves, until only the
guilty one is left. After an error of the disk all of them fail, and nothing may be trusted that
was written since the last commit: the connection is closed and opened again before another commit
counts.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from ingest.messages import said
from ingest.stores import catalogs, hello
from ingest.stores.api import Known, Outcomes, Put, Speaker, StoreError
from ingest.stores.identity import FileIdentity
from ingest.stores.lock import StoreLock
from ingest.stores.opening import connect
from ingest.stores.put import put
from ingest.stores.retention import Keep, let_go

_T = TypeVar("_T")
_Job = tuple[Callable[[sqlite3.Connection], Any], Future[Any]]
#: Jobs of one transaction: bounds how long the first of them waits for its acknowledgement.
_BATCH_JOBS_MAX = 512


class SqliteStore:
    """A Store in one file, this process's alone. Opened in the calling thread, so that errors are
    raised here."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held = StoreLock(path)
        try:
            connect(path).close()
        except StoreError:
            self._held.close()
            raise
        self._identity = FileIdentity(path)
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closed = False
        self._lock = threading.Lock()
        self._sql: sqlite3.Connection | None = None
        #: Ends with the StoreError that says why, should the writer end unasked; then every call
        #: fails, so the process must end.
        self.broken: Future[None] = Future()
        self.broken.set_running_or_notify_cancel()
        self._thread = threading.Thread(target=self._run, name="sqlite-writer")
        self._thread.start()

    def hello(self, speaker: Speaker) -> Future[Known]:
        return self._submit(partial(hello.hello, who=speaker))

    def heard(self, gateway: str, utc_ns: int) -> Future[None]:
        return self._submit(partial(hello.heard, gateway=gateway, utc_ns=utc_ns))

    def revisions(self, gateway: str, epoch: int, revision: int) -> Future[Sequence[bytes]]:
        return self._submit(
            partial(catalogs.revisions, gateway=gateway, epoch=epoch, revision=revision)
        )

    def content(self, name: bytes) -> Future[bytes | None]:
        return self._submit(partial(catalogs.content, name=name))

    def put(self, item: Put) -> Future[Outcomes]:
        return self._submit(partial(put, item=item))

    def let_go(self, keep: Keep) -> Future[bool]:
        """Let some payloads go that need not be kept; whether there may be more."""
        return self._submit(partial(let_go, keep=keep, utc_ns=time.time_ns()))

    def close(self) -> None:
        with self._lock:
            if not self._closed:
                self._closed = True
                self._jobs.put(None)
        self._thread.join()
        self._held.close()

    def _submit(self, work: Callable[[sqlite3.Connection], _T]) -> Future[_T]:
        future: Future[_T] = Future()
        # A stream that ends cancels what it waits for (asyncio.wrap_future passes that on): what
        # the store was asked is done all the same, and its end has somewhere to go.
        future.set_running_or_notify_cancel()
        with self._lock:
            if self._closed:
                future.set_exception(StoreError(said("store_closed", path=self._path)))
            else:
                self._jobs.put((work, future))
        return future

    def _run(self) -> None:
        jobs: list[_Job] = []
        more = True
        try:
            while more:
                jobs, more = self._gather()
                self._do(jobs)
        except BaseException as error:
            self._break_off(jobs, error)
            raise
        finally:
            self._let_go()

    def _do(self, jobs: list[_Job]) -> None:
        """All jobs in one transaction; in halves where one can't be done, until it is alone."""
        try:
            self._identity.check()
            if self._sql is None:
                self._sql = connect(self._path)
                self._identity.may_have_a_new_log()
            results = _transaction(self._sql, jobs)
            self._identity.check()
        except _JobError as error:
            self._undo(error.__cause__)
            half = len(jobs) // 2
            if half:
                self._do(jobs[:half])
                self._do(jobs[half:])
            else:
                self._fail(jobs, error.__cause__)
        except (sqlite3.Error, StoreError) as error:
            self._let_go()
            self._fail(jobs, error)
        else:
            for (_, future), result in zip(jobs, results, strict=True):
                future.set_result(result)

    def _undo(self, error: BaseException | None) -> None:
        assert self._sql is not None
        if isinstance(error, sqlite3.Error):
            self._let_go()  # a page of the file may be damaged, or what is cached of it
        else:
            self._sql.rollback()

    def _let_go(self) -> None:
        """Close the connection; what it had not committed is undone."""
        if self._sql is not None:
            self._sql.close()
            self._sql = None
            self._identity.may_have_a_new_log()

    def _fail(self, jobs: list[_Job], error: BaseException | None) -> None:
        known = isinstance(error, sqlite3.Error | StoreError)
        words = error if known else said("store_fault", error=repr(error))
        for _, future in jobs:
            future.set_exception(StoreError(said("store_error", path=self._path, error=words)))

    def _break_off(self, jobs: list[_Job], error: BaseException) -> None:
        """The writer ends unasked: nobody may wait for it any more, and the process must know."""
        with self._lock:
            self._closed = True
            while not self._jobs.empty():
                job = self._jobs.get_nowait()
                if job is not None:
                    jobs.append(job)
        self._fail([job for job in jobs if not job[1].done()], error)
        self.broken.set_exception(
            StoreError(said("store_broken", path=self._path, error=repr(error)))
        )

    def _gather(self) -> tuple[list[_Job], bool]:
        """Wait for one job, then take those that have gathered; False: close after these."""
        jobs: list[_Job] = []
        job = self._jobs.get()
        while job is not None:
            jobs.append(job)
            if len(jobs) == _BATCH_JOBS_MAX:
                return jobs, True
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return jobs, True
        return jobs, False


class _JobError(Exception):
    """One job can't be done, its `__cause__` says why; the disk is well."""


def _transaction(sql: sqlite3.Connection, jobs: list[_Job]) -> list[Any]:
    """Do all jobs and commit, or raise with nothing done."""
    sql.execute("BEGIN IMMEDIATE")
    results = []
    for work, _ in jobs:
        try:
            results.append(work(sql))
        except sqlite3.OperationalError:
            raise  # locked, full, or not to be read or written: no job's fault
        except Exception as error:
            raise _JobError from error
    sql.execute("COMMIT")
    return results
