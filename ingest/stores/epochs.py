"""The rows of a gateway and its epochs. Functions of an open transaction."""

from __future__ import annotations

import sqlite3


def epoch_row(sql: sqlite3.Connection, gateway: str, epoch: int) -> None:
    """Make the rows of the gateway and the epoch, if they are not there."""
    raise_highest(sql, gateway, epoch)
    sql.execute(
        "INSERT OR IGNORE INTO epochs VALUES (?, ?, '', x'', x'', '', 0, 0, 0, 0)", (gateway, epoch)
    )


def raise_highest(sql: sqlite3.Connection, gateway: str, epoch: int) -> None:
    sql.execute(
        "INSERT INTO gateways VALUES (?1, 0, ?2, x'', x'', '', 0, '', 0) ON CONFLICT (gateway)"
        " DO UPDATE SET highest_epoch = ?2 WHERE highest_epoch < ?2",
        (gateway, epoch),
    )
