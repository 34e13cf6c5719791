"""The tables of the embedded store. They are an interface: platforms may read them by SQL.

`blocks` keeps each payload as it was carried; all else is an index made from it in the same
transaction, so that auditing needs no decoding. Times named due, boot or until are nanoseconds of
the gateway's boot clock; `*_utc_ns` are the receiver's. Ticks and seqs are ranges as in
ingest.proto; `grp` is Group.id. Reasons, sources, compressions and qualities are its enum numbers.
"""

from __future__ import annotations

#: "JHin": marks the file as a Jiahe ingest store (PRAGMA application_id).
APPLICATION_ID = 0x4A48696E
#: PRAGMA user_version. A file of another version is refused, never half read.
VERSION = 1

SCHEMA = """
CREATE TABLE gateways (            -- one row a gateway
  gateway TEXT PRIMARY KEY,
  current_epoch INTEGER NOT NULL,  -- the run that said Hello last; 0: none yet
  highest_epoch INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE epochs (              -- one row a run of a daemon
  gateway TEXT, epoch INTEGER,
  boot_id TEXT NOT NULL,           -- '' until a Hello or an anchor of the epoch says it
  software TEXT NOT NULL,
  said_hello INTEGER NOT NULL,     -- 1: spoke as the current run
  closed INTEGER NOT NULL,         -- 1: a clean end, or a gap that says one, is held
  catalog_revision INTEGER NOT NULL,
  duplicates INTEGER NOT NULL,     -- blocks that came again, refused and acknowledged again
  PRIMARY KEY (gateway, epoch)
) WITHOUT ROWID;

CREATE TABLE held (                -- which seqs of an epoch are in blocks, as ranges
  gateway TEXT, epoch INTEGER, first INTEGER, last INTEGER NOT NULL,
  PRIMARY KEY (gateway, epoch, first)
) WITHOUT ROWID;

CREATE TABLE catalogs (
  gateway TEXT, epoch INTEGER, revision INTEGER,
  message BLOB NOT NULL,           -- a serialized Catalog
  PRIMARY KEY (gateway, epoch, revision)
);

CREATE TABLE groups (              -- the groups of all catalogs
  gateway TEXT, epoch INTEGER, revision INTEGER, grp INTEGER,
  device TEXT NOT NULL, driver TEXT NOT NULL, period_ns INTEGER NOT NULL,
  PRIMARY KEY (gateway, epoch, revision, grp)
) WITHOUT ROWID;

CREATE TABLE blocks (
  gateway TEXT, epoch INTEGER, seq INTEGER,
  catalog_revision INTEGER NOT NULL, compression INTEGER NOT NULL,
  payload_size INTEGER NOT NULL, payload_crc32c INTEGER NOT NULL,
  payload BLOB NOT NULL,           -- as carried
  scans INTEGER NOT NULL, samples INTEGER NOT NULL,
  lane INTEGER NOT NULL,           -- that carried it first
  received_utc_ns INTEGER NOT NULL,
  PRIMARY KEY (gateway, epoch, seq)
);

CREATE TABLE runs (                -- contiguous ticks of a group in a block
  gateway TEXT, epoch INTEGER, seq INTEGER, run INTEGER,
  grp INTEGER NOT NULL, device TEXT NOT NULL,
  first_tick INTEGER NOT NULL, ticks INTEGER NOT NULL, rows INTEGER NOT NULL,
  first_due_ns INTEGER NOT NULL, period_ns INTEGER NOT NULL,
  PRIMARY KEY (gateway, epoch, seq, run)
) WITHOUT ROWID;
CREATE INDEX runs_by_tick ON runs (gateway, epoch, grp, first_tick);
CREATE INDEX runs_by_device ON runs (gateway, device);

CREATE TABLE skipped (             -- ticks of a run that have no row
  gateway TEXT, epoch INTEGER, seq INTEGER, run INTEGER,
  first_tick INTEGER, count INTEGER NOT NULL, reason INTEGER NOT NULL,
  PRIMARY KEY (gateway, epoch, seq, run, first_tick)
) WITHOUT ROWID;

CREATE TABLE gaps (                -- announced by block (in_epoch, in_seq)
  gap INTEGER PRIMARY KEY,
  gateway TEXT NOT NULL, in_epoch INTEGER NOT NULL, in_seq INTEGER NOT NULL,
  epoch INTEGER NOT NULL,          -- that misses the samples
  reason INTEGER NOT NULL,
  count_unknown INTEGER NOT NULL, after_seq INTEGER NOT NULL,
  until_ns INTEGER NOT NULL, until_boot_id TEXT NOT NULL
);
CREATE INDEX gaps_by_epoch ON gaps (gateway, epoch);

CREATE TABLE gap_blocks (          -- whole blocks that will never come
  gap INTEGER NOT NULL REFERENCES gaps, first INTEGER NOT NULL, last INTEGER NOT NULL
);
CREATE INDEX gap_blocks_by_gap ON gap_blocks (gap);

CREATE VIEW crash_ends AS          -- the block after which a crash gap takes all of the epoch,
  SELECT gateway, epoch, min(after_seq) AS after_seq FROM gaps  -- no row where it names holes
  WHERE count_unknown AND (gateway, epoch) NOT IN (
    SELECT gateway, epoch FROM gaps JOIN gap_blocks USING (gap) WHERE count_unknown)
  GROUP BY gateway, epoch;

CREATE TABLE gap_ticks (
  gap INTEGER NOT NULL REFERENCES gaps,
  grp INTEGER NOT NULL, first_tick INTEGER NOT NULL, count INTEGER NOT NULL,
  first_due_ns INTEGER NOT NULL, last_due_ns INTEGER NOT NULL
);
CREATE INDEX gap_ticks_by_gap ON gap_ticks (gap);

CREATE TABLE anchors (
  gateway TEXT, boot_id TEXT, boot_time_ns INTEGER, utc_ns INTEGER,
  source INTEGER NOT NULL, error_ns INTEGER NOT NULL,
  PRIMARY KEY (gateway, boot_id, boot_time_ns, utc_ns)
) WITHOUT ROWID;
"""
