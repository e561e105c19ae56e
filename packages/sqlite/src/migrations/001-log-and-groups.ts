/**
 * The log, the groups with their progress, the side lane and the dead letters.
 *
 * `events.pos` is `partition id * 2^44 + seq`: rows of one partition lie side by side, and `seq` counts from 1 without
 * gaps, so that lag and held events are subtractions. Heads and sums live in `partitions`, for retention may delete the
 * newest row.
 */
export const logAndGroups: string = `
CREATE TABLE topics (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  partitions INTEGER NOT NULL,
  epoch INTEGER NOT NULL DEFAULT 1,
  retention TEXT NOT NULL DEFAULT '{}'
) STRICT;

CREATE TABLE partitions (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  topic INTEGER NOT NULL REFERENCES topics (id),
  partition INTEGER NOT NULL,
  head INTEGER NOT NULL DEFAULT 0,
  dropped INTEGER NOT NULL DEFAULT 0,
  bytes INTEGER NOT NULL DEFAULT 0,
  recorded INTEGER NOT NULL DEFAULT 0,
  expired INTEGER NOT NULL DEFAULT 0,
  UNIQUE (topic, partition)
) STRICT;

CREATE TABLE removed_partitions (id INTEGER PRIMARY KEY) STRICT;

CREATE TABLE types (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE sources (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;

CREATE TABLE events (
  pos INTEGER PRIMARY KEY,
  recorded INTEGER NOT NULL,
  type INTEGER NOT NULL,
  source INTEGER NOT NULL,
  id TEXT NOT NULL,
  key TEXT,
  correlation TEXT,
  body TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX events_by_id ON events (id, source);
CREATE INDEX events_by_correlation ON events (correlation, recorded) WHERE correlation IS NOT NULL;

CREATE TABLE groups (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  filter_epoch INTEGER,
  filter TEXT,
  lane_entries INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE progress (
  group_id INTEGER NOT NULL REFERENCES groups (id),
  partition_id INTEGER NOT NULL REFERENCES partitions (id),
  token INTEGER NOT NULL DEFAULT 0,
  owner TEXT,
  clean INTEGER NOT NULL DEFAULT 1,
  settled INTEGER NOT NULL DEFAULT 0,
  fetched_high INTEGER NOT NULL DEFAULT 0,
  ahead_count INTEGER NOT NULL DEFAULT 0,
  ahead TEXT NOT NULL DEFAULT '[]',
  attempts TEXT NOT NULL DEFAULT '[]',
  starting TEXT,
  PRIMARY KEY (group_id, partition_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX progress_by_partition ON progress (partition_id);
CREATE INDEX progress_by_owner ON progress (owner) WHERE owner IS NOT NULL;

CREATE TABLE tokens (last INTEGER NOT NULL) STRICT;
INSERT INTO tokens (last) VALUES (0);

CREATE TABLE members (
  member TEXT PRIMARY KEY,
  group_name TEXT NOT NULL,
  label TEXT NOT NULL,
  filter_epoch INTEGER NOT NULL,
  count INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX members_by_group ON members (group_name);

CREATE TABLE lane (
  entry INTEGER PRIMARY KEY AUTOINCREMENT,
  group_id INTEGER NOT NULL REFERENCES groups (id),
  partition_id INTEGER NOT NULL REFERENCES partitions (id),
  seq INTEGER NOT NULL,
  generation INTEGER NOT NULL,
  lane_key TEXT,
  order_key TEXT NOT NULL,
  due INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  first_failed INTEGER,
  reason TEXT NOT NULL,
  event_id TEXT NOT NULL,
  type TEXT NOT NULL,
  key TEXT,
  recorded INTEGER NOT NULL,
  body TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX lane_by_place ON lane (group_id, partition_id, seq, generation);
CREATE INDEX lane_by_key ON lane (group_id, partition_id, order_key, seq, entry, due);

CREATE TABLE lane_keys (
  group_id INTEGER NOT NULL REFERENCES groups (id),
  partition_id INTEGER NOT NULL REFERENCES partitions (id),
  order_key TEXT NOT NULL,
  lane_key TEXT,
  waiting INTEGER NOT NULL DEFAULT 0,
  parked INTEGER NOT NULL DEFAULT 0,
  ready_at INTEGER,
  PRIMARY KEY (group_id, partition_id, order_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX lane_keys_ready ON lane_keys (group_id, partition_id, ready_at) WHERE ready_at IS NOT NULL;

CREATE TRIGGER lane_entry_added AFTER INSERT ON lane BEGIN
  UPDATE groups SET lane_entries = lane_entries + 1 WHERE id = NEW.group_id;
  INSERT INTO lane_keys (group_id, partition_id, order_key, lane_key, waiting)
  VALUES (NEW.group_id, NEW.partition_id, NEW.order_key, NEW.lane_key, 1)
  ON CONFLICT (group_id, partition_id, order_key) DO UPDATE SET waiting = waiting + 1;
END;
CREATE TRIGGER lane_entry_removed AFTER DELETE ON lane BEGIN
  UPDATE groups SET lane_entries = lane_entries - 1 WHERE id = OLD.group_id;
  UPDATE lane_keys SET waiting = waiting - 1
  WHERE group_id = OLD.group_id AND partition_id = OLD.partition_id AND order_key = OLD.order_key;
END;

CREATE TABLE dead_letters (
  n INTEGER PRIMARY KEY AUTOINCREMENT,
  group_id INTEGER NOT NULL REFERENCES groups (id),
  topic TEXT NOT NULL,
  partition INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  generation INTEGER NOT NULL,
  lane_key TEXT,
  code TEXT NOT NULL,
  message TEXT NOT NULL,
  stack TEXT,
  attempts INTEGER NOT NULL,
  first_failed INTEGER NOT NULL,
  last_failed INTEGER NOT NULL,
  fingerprint TEXT NOT NULL,
  event_id TEXT NOT NULL,
  type TEXT NOT NULL,
  key TEXT,
  recorded INTEGER NOT NULL,
  body TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX dead_letters_by_place ON dead_letters (group_id, topic, partition, seq, generation);
CREATE INDEX dead_letters_by_key ON dead_letters (group_id, topic, partition, lane_key) WHERE lane_key IS NOT NULL;
CREATE INDEX dead_letters_by_fingerprint ON dead_letters (group_id, fingerprint, n);
CREATE INDEX dead_letters_by_event ON dead_letters (event_id);

CREATE TABLE taken_letters (
  n INTEGER PRIMARY KEY,
  group_id INTEGER NOT NULL,
  topic TEXT NOT NULL,
  partition INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  generation INTEGER NOT NULL,
  UNIQUE (group_id, topic, partition, seq, generation)
) STRICT;
`
