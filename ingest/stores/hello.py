"""Who speaks for a gateway, and what it is told. Functions of an open transaction.

A gateway's id is bound to one machine, or, where nothing names the hardware, to one installation.
Another one is refused while the bound one was heard lately, and takes over after that. A box that
names its hardware and one that does not are two: a card may be copied from either into the other.
Of a copied card in two boxes that both name none, this much shows: a daemon never takes an epoch
again, so the return of an earlier run, or one epoch with two boots, can only be a second box.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from jiahe.ingest.v1 import ingest_pb2 as pb

from ingest import limits
from ingest.stores.api import Known, Speaker
from ingest.stores.catalogs import bind_known
from ingest.stores.epochs import epoch_row, raise_highest


class _Bound(NamedTuple):
    current_epoch: int
    highest_epoch: int
    machine: bytes
    installation: bytes
    address: str
    heard_utc_ns: int


_NOBODY = _Bound(0, 0, b"", b"", "", 0)


def same_machine(
    machine: bytes, installation: bytes, other_machine: bytes, other_installation: bytes
) -> bool:
    """Where neither has a name of its hardware, the installation decides."""
    if machine or other_machine:
        return machine == other_machine
    return installation == other_installation


def hello(sql: sqlite3.Connection, who: Speaker) -> Known:
    """See Store.hello."""
    row = sql.execute(
        "SELECT current_epoch, highest_epoch, machine, installation, address, heard_utc_ns"
        " FROM gateways WHERE gateway = ?",
        (who.gateway,),
    ).fetchone()
    bound = _NOBODY if row is None else _Bound(*row)
    another = bound.current_epoch > 0 and _is_another(sql, who, bound)
    heard_ns = max(bound.heard_utc_ns, who.bound_heard_ns)
    # A receiver whose clock was wrong may have heard somebody in the future: that is not lately.
    if another and abs(who.utc_ns - heard_ns) < limits.CLONE_REFUSED_S * 1_000_000_000:
        return Known(bound_to=bound.address)
    epoch_row(sql, who.gateway, who.epoch)
    for epoch, _ in who.earlier:
        raise_highest(sql, who.gateway, epoch)
    _bind(sql, who, bound.address if another else None)
    lacking = bind_known(sql, who.gateway, who.epoch, who.catalogs)
    for epoch, names in who.earlier:
        if any(names):
            epoch_row(sql, who.gateway, epoch)
            lacking = bind_known(sql, who.gateway, epoch, names) or lacking
    named = [who.epoch, *(epoch for epoch, _ in who.earlier)]
    return Known(
        held(sql, who.gateway, named),
        bound.highest_epoch,
        _tag_sets(sql, who.gateway) if lacking else (),
        held(sql, who.gateway, _ends_lacking(sql, who, named)),
        None,
        bound.address if another else None,
    )


def _is_another(sql: sqlite3.Connection, who: Speaker, bound: _Bound) -> bool:
    if not same_machine(who.machine, who.installation, bound.machine, bound.installation):
        return True
    said = sql.execute(
        "SELECT boot_id FROM epochs WHERE gateway = ? AND epoch = ? AND said_hello",
        (who.gateway, who.epoch),
    ).fetchone()
    if said is None or bound.current_epoch == who.epoch:
        return said is not None and said[0] != who.boot_id
    return not _follows(sql, who, bound.current_epoch)


def _follows(sql: sqlite3.Connection, who: Speaker, epoch: int) -> bool:
    """Whether the run that speaks comes after `epoch`, whose Hello then was late on its way: it
    names it as an earlier one, or its first block did.
    """
    if any(earlier == epoch for earlier, _ in who.earlier):
        return True
    row = sql.execute(
        "SELECT 1 FROM begins WHERE gateway = ? AND epoch = ? AND previous_epoch = ?",
        (who.gateway, who.epoch, epoch),
    ).fetchone()
    return row is not None


def _bind(sql: sqlite3.Connection, who: Speaker, taken_from: str | None) -> None:
    sql.execute(
        "UPDATE gateways SET current_epoch = ?, machine = ?, installation = ?, address = ?,"
        " heard_utc_ns = ? WHERE gateway = ?",
        (who.epoch, who.machine, who.installation, who.address, who.utc_ns, who.gateway),
    )
    if taken_from is not None:
        sql.execute(
            "UPDATE gateways SET taken_from = ?, taken_utc_ns = ? WHERE gateway = ?",
            (taken_from, who.utc_ns, who.gateway),
        )
    sql.execute(
        "UPDATE epochs SET said_hello = 1, boot_id = ?, machine = ?, installation = ?,"
        " software = ? WHERE gateway = ? AND epoch = ?",
        (who.boot_id, who.machine, who.installation, who.software, who.gateway, who.epoch),
    )


def heard(sql: sqlite3.Connection, gateway: str, utc_ns: int) -> None:
    """See Store.heard."""
    sql.execute("UPDATE gateways SET heard_utc_ns = ? WHERE gateway = ?", (utc_ns, gateway))


def held(sql: sqlite3.Connection, gateway: str, named: Sequence[int]) -> tuple[pb.EpochHeld, ...]:
    """What is held of each epoch, in their order; of one that nothing came of, nothing."""
    found = {epoch: pb.EpochHeld(epoch=epoch) for epoch in named}
    names = (gateway, json.dumps(list(found)))
    for epoch, closed, revision in sql.execute(
        "SELECT epoch, closed, catalog_revision FROM json_each(?2) AS named"
        " CROSS JOIN epochs ON gateway = ?1 AND epoch = named.value",
        names,
    ):
        found[epoch].closed, found[epoch].catalog_revision = bool(closed), revision
    for epoch, first, last in sql.execute(
        "SELECT epoch, first, last FROM json_each(?2) AS named"
        " CROSS JOIN held ON gateway = ?1 AND epoch = named.value ORDER BY epoch, first",
        names,
    ):
        found[epoch].held.add(first=first, last=last)
    return tuple(found.values())


def _ends_lacking(sql: sqlite3.Connection, who: Speaker, named: Sequence[int]) -> list[int]:
    """Epochs of this machine without an end that the Hello did not name."""
    return [
        epoch
        for epoch, machine, installation in sql.execute(
            "SELECT epoch, machine, installation FROM epochs WHERE gateway = ?1 AND NOT closed"
            " AND epoch NOT IN (SELECT value FROM json_each(?2)) ORDER BY epoch",
            (who.gateway, json.dumps(named)),
        )
        if (not machine and not installation)
        or same_machine(who.machine, who.installation, machine, installation)
    ][: limits.ENDS_LACKING_MAX]


def _tag_sets(sql: sqlite3.Connection, gateway: str) -> tuple[bytes, ...]:
    """Those that this gateway sent, or that its latest catalogs name."""
    return tuple(
        name
        for (name,) in sql.execute(
            "SELECT tag_set FROM tag_sets WHERE gateway = ?1 UNION SELECT g.tag_set FROM"
            " catalog_groups g WHERE g.catalog IN (SELECT catalog FROM catalogs"
            " WHERE gateway = ?1 ORDER BY epoch DESC, revision DESC LIMIT 32) LIMIT ?2",
            (gateway, limits.TAG_SETS_TOLD_MAX),
        )
    )
