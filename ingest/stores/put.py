"""One item into the tables of an open transaction."""

from __future__ import annotations

import sqlite3

from ingest.stores import catalogs, write
from ingest.stores.api import Outcomes, Put, PutBlocks, PutCatalog, PutTagSet


def put(sql: sqlite3.Connection, item: Put) -> Outcomes:
    match item:
        case PutTagSet():
            return catalogs.put_tag_set(sql, item)
        case PutCatalog():
            return catalogs.put_catalog(sql, item)
        case PutBlocks():
            return write.put_blocks(sql, item)
