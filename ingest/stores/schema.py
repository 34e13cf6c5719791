"""The tables of the embedded store. They are an interface: platforms may read them by SQL.

`payloads` keeps what was carried; all else is an index made from it in the same transaction, so
that auditing needs no decoding. Times named due, boot, until or `*_ns` are nanoseconds of the
gateway's boot clock; `*_utc_ns` are the receiver's. Ticks, numbers of events and seqs are ranges as
in ingest.proto; `grp` is Group.id. Reasons, sources, compressions and qualities are its enum
numbers.
"""

from __future__ import annotations

#: "JHin": marks the file as a Jiahe ingest store (PRAGMA application_id).
APPLICATION_ID = 0x4A48696E
#: PRAGMA user_version. A file of another version is refused, never half read.
VERSION = 3

SCHEMA = """
CREATE TABLE gateways (            -- one row a gateway
  gateway TEXT PRIMARY KEY,
  current_epoch INTEGER NOT NULL,  -- the run that said Hello last; 0: none yet
  highest_epoch INTEGER NOT NULL,
  machine BLOB NOT NULL, installation BLOB NOT NULL,  -- that the id is bound to
  address TEXT NOT NULL,           -- from which it spoke last
  heard_utc_ns INTEGER NOT NULL,   -- when it was heard, to within a minute
  taken_from TEXT NOT NULL, taken_utc_ns INTEGER NOT NULL  -- another machine that had the id before
) WITHOUT ROWID;

CREATE TABLE epochs (              -- one row a run of a daemon
  gateway TEXT, epoch INTEGER,
  boot_id TEXT NOT NULL,           -- '' until a Hello or an anchor of the epoch says it
  machine BLOB NOT NULL, installation BLOB NOT NULL,
  software TEXT NOT NULL,
  said_hello INTEGER NOT NULL,     -- 1: spoke as the current run
  closed INTEGER NOT NULL,         -- 1: a clean end, or a gap that says one, is held
  catalog_revision INTEGER NOT NULL,
  duplicates INTEGER NOT NULL,     -- blocks that came again, refused and acknowledged again
  PRIMARY KEY (gateway, epoch)
) WITHOUT ROWID;

CREATE TABLE begins (              -- what the first block of an epoch says of the run before
  gateway TEXT, epoch INTEGER,
  previous_epoch INTEGER NOT NULL, previous_last_seq INTEGER NOT NULL,
  sampled_until_ns INTEGER NOT NULL, previous_boot_id TEXT NOT NULL,
  ended INTEGER NOT NULL,          -- RunEnd
  began_ns INTEGER NOT NULL,
  PRIMARY KEY (gateway, epoch)
) WITHOUT ROWID;

CREATE TABLE held (                -- which seqs of an epoch were taken, as ranges
  gateway TEXT, epoch INTEGER, first INTEGER, last INTEGER NOT NULL,
  PRIMARY KEY (gateway, epoch, first)
) WITHOUT ROWID;

CREATE TABLE tag_sets (            -- by name: the first 16 bytes of SHA-256 of the content
  tag_set BLOB PRIMARY KEY, content BLOB NOT NULL,
  gateway TEXT NOT NULL            -- that sent it last
);

CREATE TABLE contents (            -- of catalogs, by name
  catalog BLOB PRIMARY KEY, content BLOB NOT NULL, site TEXT NOT NULL,
  time_zone TEXT NOT NULL          -- '': not known
);

CREATE TABLE catalog_groups (      -- the groups that a content adds
  catalog BLOB, grp INTEGER,
  device TEXT NOT NULL, driver TEXT NOT NULL, period_ns INTEGER NOT NULL, tag_set BLOB NOT NULL,
  PRIMARY KEY (catalog, grp)
) WITHOUT ROWID;

CREATE TABLE catalog_ends (        -- the groups that a content ends
  catalog BLOB, grp INTEGER, last_tick INTEGER NOT NULL,
  PRIMARY KEY (catalog, grp)
) WITHOUT ROWID;

CREATE TABLE catalogs (            -- the revisions of an epoch
  gateway TEXT, epoch INTEGER, revision INTEGER,
  catalog BLOB NOT NULL,
  chain BLOB NOT NULL,             -- stands for the contents of this and all earlier revisions
  PRIMARY KEY (gateway, epoch, revision)
) WITHOUT ROWID;
CREATE INDEX catalogs_by_chain ON catalogs (chain);

CREATE VIEW groups AS              -- every group of an epoch, once
  SELECT gateway, epoch, revision, grp, device, driver, period_ns, tag_set
  FROM catalogs JOIN catalog_groups USING (catalog);

CREATE TABLE payloads (            -- in their order of arrival
  payload INTEGER PRIMARY KEY AUTOINCREMENT,
  gateway TEXT NOT NULL, epoch INTEGER NOT NULL, first_seq INTEGER NOT NULL,
  blocks INTEGER NOT NULL,         -- of a bundle; 0: a block that came alone
  compression INTEGER NOT NULL, size INTEGER NOT NULL,
  content BLOB,                    -- as carried; NULL: older than what is kept
  received_utc_ns INTEGER NOT NULL
);
CREATE INDEX payloads_by_epoch ON payloads (gateway, epoch, received_utc_ns);
CREATE INDEX payloads_by_time ON payloads (received_utc_ns) WHERE content IS NOT NULL;

CREATE TABLE blocks (
  gateway TEXT, epoch INTEGER, seq INTEGER,
  payload INTEGER NOT NULL REFERENCES payloads,
  place INTEGER NOT NULL,          -- in its bundle, from 0
  catalog_revision INTEGER NOT NULL,
  check_byte INTEGER NOT NULL,     -- the lowest byte of its CRC-32C
  payload_crc32c INTEGER,          -- NULL: it came in a bundle
  scans INTEGER NOT NULL, samples INTEGER NOT NULL,
  lane INTEGER NOT NULL,           -- that carried it first
  PRIMARY KEY (gateway, epoch, seq)
) WITHOUT ROWID;

CREATE TABLE series (              -- a group of an epoch, once a run of it came
  gateway TEXT, epoch INTEGER, grp INTEGER,
  device TEXT NOT NULL, period_ns INTEGER NOT NULL,
  zero_ns INTEGER,                 -- when tick 0 was due; NULL: no ticks came yet
  ticks_max INTEGER NOT NULL,      -- of one row of `runs`
  early_ns INTEGER NOT NULL, late_ns INTEGER NOT NULL,  -- bounds of how late a row is
  events_ns_max INTEGER NOT NULL,  -- the longest row of `events`
  PRIMARY KEY (gateway, epoch, grp)
) WITHOUT ROWID;

CREATE TABLE runs (                -- contiguous ticks of a group in successive blocks of a payload
  gateway TEXT, epoch INTEGER, grp INTEGER, first_tick INTEGER,
  ticks INTEGER NOT NULL, rows INTEGER NOT NULL, first_due_ns INTEGER NOT NULL,
  first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL,
  payload INTEGER NOT NULL REFERENCES payloads,
  run INTEGER NOT NULL,            -- of the payload, from 0
  PRIMARY KEY (gateway, epoch, grp, first_tick, payload, run)
) WITHOUT ROWID;

CREATE VIEW device_runs AS         -- with the group's device, period and time of tick 0
  SELECT r.*, device, period_ns, zero_ns FROM runs r JOIN series USING (gateway, epoch, grp);

CREATE TABLE skipped (             -- ticks of a run that have no row
  gateway TEXT, epoch INTEGER, grp INTEGER, first_tick INTEGER,
  count INTEGER NOT NULL, reason INTEGER NOT NULL,
  payload INTEGER NOT NULL, run INTEGER NOT NULL,
  PRIMARY KEY (gateway, epoch, grp, first_tick, payload, run)
) WITHOUT ROWID;

CREATE TABLE events (              -- contiguous numbers of pushed values of a group
  gateway TEXT, epoch INTEGER, grp INTEGER, first INTEGER,
  count INTEGER NOT NULL, taken INTEGER NOT NULL,
  first_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL,  -- when the box took them, from and to
  first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL,
  payload INTEGER NOT NULL REFERENCES payloads, run INTEGER NOT NULL, part INTEGER NOT NULL,
  PRIMARY KEY (gateway, epoch, grp, first, payload, run, part)
) WITHOUT ROWID;
CREATE INDEX events_by_time ON events (gateway, epoch, grp, first_ns);

CREATE TABLE lost_events (         -- numbers among them that the box lost
  gateway TEXT, epoch INTEGER, grp INTEGER, first INTEGER,
  count INTEGER NOT NULL, reason INTEGER NOT NULL, payload INTEGER NOT NULL,
  PRIMARY KEY (gateway, epoch, grp, first, payload)
) WITHOUT ROWID;

CREATE TABLE gaps (                -- announced by block (in_epoch, in_seq)
  gap INTEGER PRIMARY KEY,
  gateway TEXT NOT NULL, in_epoch INTEGER NOT NULL, in_seq INTEGER NOT NULL,
  epoch INTEGER NOT NULL,          -- that misses the samples
  reason INTEGER NOT NULL,
  count_unknown INTEGER NOT NULL, after_seq INTEGER NOT NULL,
  until_ns INTEGER NOT NULL, until_boot_id TEXT NOT NULL,
  foreign_machine INTEGER NOT NULL -- 1: the epoch is of another machine, which it does not end
);
CREATE INDEX gaps_by_epoch ON gaps (gateway, epoch);

CREATE TABLE gap_blocks (          -- whole blocks that will never come
  gap INTEGER NOT NULL REFERENCES gaps, first INTEGER NOT NULL, last INTEGER NOT NULL
);
CREATE INDEX gap_blocks_by_gap ON gap_blocks (gap);

CREATE VIEW crash_ends AS          -- the block after which a crash gap takes all of the epoch,
  SELECT gateway, epoch, min(after_seq) AS after_seq FROM gaps  -- no row where it names holes
  WHERE count_unknown AND NOT foreign_machine AND (gateway, epoch) NOT IN (
    SELECT gateway, epoch FROM gaps JOIN gap_blocks USING (gap) WHERE count_unknown)
  GROUP BY gateway, epoch;

CREATE TABLE gap_ticks (
  gap INTEGER NOT NULL REFERENCES gaps,
  grp INTEGER NOT NULL, first_tick INTEGER NOT NULL, count INTEGER NOT NULL,
  first_due_ns INTEGER NOT NULL, last_due_ns INTEGER NOT NULL
);
CREATE INDEX gap_ticks_by_gap ON gap_ticks (gap);

CREATE TABLE gap_events (
  gap INTEGER NOT NULL REFERENCES gaps,
  grp INTEGER NOT NULL, first INTEGER NOT NULL, count INTEGER NOT NULL
);
CREATE INDEX gap_events_by_gap ON gap_events (gap);

CREATE TABLE anchors (
  gateway TEXT, boot_id TEXT, boot_time_ns INTEGER, utc_ns INTEGER,
  source INTEGER NOT NULL, error_ns INTEGER NOT NULL, voids_earlier INTEGER NOT NULL,
  PRIMARY KEY (gateway, boot_id, boot_time_ns, utc_ns)
) WITHOUT ROWID;
"""
