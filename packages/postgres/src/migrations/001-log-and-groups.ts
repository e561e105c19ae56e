/**
 * The log, the groups with their progress, the side lane and the dead letters. `$S` stands for the quoted schema.
 *
 * `seq` counts from 1 in each partition without gaps, so that lag and held events are subtractions. A topic's events lie in
 * segments, tables of their own: what retention is done with goes by dropping a table. `partitions` belongs to publishing and
 * `floors` to retention, so that neither waits for the other.
 */
export const logAndGroups: string = `
CREATE TABLE $S.topics (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text COLLATE "C" NOT NULL UNIQUE,
  partitions integer NOT NULL,
  epoch integer NOT NULL DEFAULT 1,
  retention text NOT NULL DEFAULT '{}',
  max_age bigint,
  max_events bigint,
  max_bytes bigint,
  expire boolean NOT NULL DEFAULT false,
  segment integer NOT NULL DEFAULT 0
);

CREATE TABLE $S.partitions (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  topic integer NOT NULL REFERENCES $S.topics (id) ON DELETE CASCADE,
  partition integer NOT NULL,
  head bigint NOT NULL DEFAULT 0,
  bytes bigint NOT NULL DEFAULT 0,
  recorded bigint NOT NULL DEFAULT 0,
  UNIQUE (topic, partition)
) WITH (fillfactor = 50);

CREATE TABLE $S.floors (
  partition_id integer PRIMARY KEY REFERENCES $S.partitions (id) ON DELETE CASCADE,
  dropped bigint NOT NULL DEFAULT 0,
  bytes bigint NOT NULL DEFAULT 0,
  expired bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

CREATE SEQUENCE $S.segment_ids AS integer;

CREATE TABLE $S.segments (
  id integer PRIMARY KEY,
  topic integer NOT NULL REFERENCES $S.topics (id) ON DELETE CASCADE,
  starts bigint[] NOT NULL,
  opened_at bigint NOT NULL,
  closed_at bigint
);
CREATE INDEX segments_by_topic ON $S.segments (topic, id);

CREATE TABLE $S.doomed_segments (id integer PRIMARY KEY);

CREATE TABLE $S.events (
  segment integer NOT NULL,
  partition_id integer NOT NULL,
  seq bigint NOT NULL,
  recorded bigint NOT NULL,
  id text COLLATE "C" NOT NULL,
  source text COLLATE "C" NOT NULL,
  type text COLLATE "C" NOT NULL,
  key text COLLATE "C",
  correlation text COLLATE "C",
  body text COLLATE "C" NOT NULL
) PARTITION BY LIST (segment);
CREATE UNIQUE INDEX events_by_position ON $S.events (partition_id, seq, segment);
CREATE INDEX events_by_id ON $S.events (id);
CREATE INDEX events_by_correlation ON $S.events (correlation, recorded) WHERE correlation IS NOT NULL;

CREATE TABLE $S.groups (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text COLLATE "C" NOT NULL UNIQUE,
  filter_epoch integer,
  filter text,
  lane_entries bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

CREATE SEQUENCE $S.tokens;

CREATE TABLE $S.progress (
  group_id integer NOT NULL REFERENCES $S.groups (id) ON DELETE CASCADE,
  partition_id integer NOT NULL REFERENCES $S.partitions (id) ON DELETE CASCADE,
  token bigint NOT NULL DEFAULT 0,
  owner text COLLATE "C",
  clean boolean NOT NULL DEFAULT true,
  settled bigint NOT NULL DEFAULT 0,
  fetched_high bigint NOT NULL DEFAULT 0,
  ahead_count integer NOT NULL DEFAULT 0,
  ahead text NOT NULL DEFAULT '[]',
  attempts text NOT NULL DEFAULT '[]',
  starting text,
  PRIMARY KEY (group_id, partition_id)
) WITH (fillfactor = 50);
CREATE INDEX progress_by_partition ON $S.progress (partition_id);
CREATE INDEX progress_by_owner ON $S.progress (owner) WHERE owner IS NOT NULL;

CREATE TABLE $S.members (
  member text COLLATE "C" PRIMARY KEY,
  group_name text COLLATE "C" NOT NULL,
  label text NOT NULL,
  filter_epoch integer NOT NULL,
  count bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
CREATE INDEX members_by_group ON $S.members (group_name);

CREATE TABLE $S.lane (
  entry bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  group_id integer NOT NULL REFERENCES $S.groups (id) ON DELETE CASCADE,
  partition_id integer NOT NULL REFERENCES $S.partitions (id) ON DELETE CASCADE,
  seq bigint NOT NULL,
  generation bigint NOT NULL,
  lane_key text COLLATE "C",
  order_key text COLLATE "C" NOT NULL,
  due bigint NOT NULL,
  attempts integer NOT NULL,
  first_failed bigint,
  reason text NOT NULL,
  event_id text COLLATE "C" NOT NULL,
  type text COLLATE "C" NOT NULL,
  key text COLLATE "C",
  recorded bigint NOT NULL,
  body text COLLATE "C" NOT NULL
);
CREATE UNIQUE INDEX lane_by_place ON $S.lane (group_id, partition_id, seq, generation);
CREATE INDEX lane_by_key ON $S.lane (group_id, partition_id, order_key, seq, entry, due);
CREATE INDEX lane_by_partition ON $S.lane (partition_id);

CREATE TABLE $S.lane_keys (
  group_id integer NOT NULL REFERENCES $S.groups (id) ON DELETE CASCADE,
  partition_id integer NOT NULL REFERENCES $S.partitions (id) ON DELETE CASCADE,
  order_key text COLLATE "C" NOT NULL,
  lane_key text COLLATE "C",
  waiting bigint NOT NULL DEFAULT 0,
  parked boolean NOT NULL DEFAULT false,
  ready_at bigint,
  PRIMARY KEY (group_id, partition_id, order_key)
);
CREATE INDEX lane_keys_ready ON $S.lane_keys (group_id, partition_id, ready_at) WHERE ready_at IS NOT NULL;
CREATE INDEX lane_keys_by_partition ON $S.lane_keys (partition_id);

CREATE TABLE $S.dead_letters (
  n bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  group_id integer NOT NULL REFERENCES $S.groups (id) ON DELETE CASCADE,
  topic text COLLATE "C" NOT NULL,
  partition integer NOT NULL,
  seq bigint NOT NULL,
  generation bigint NOT NULL,
  lane_key text COLLATE "C",
  code text NOT NULL,
  message text NOT NULL,
  stack text,
  attempts integer NOT NULL,
  first_failed bigint NOT NULL,
  last_failed bigint NOT NULL,
  fingerprint text COLLATE "C" NOT NULL,
  event_id text COLLATE "C" NOT NULL,
  type text COLLATE "C" NOT NULL,
  key text COLLATE "C",
  recorded bigint NOT NULL,
  body text COLLATE "C" NOT NULL
);
CREATE UNIQUE INDEX dead_letters_by_place ON $S.dead_letters (group_id, topic, partition, seq, generation);
CREATE INDEX dead_letters_by_key ON $S.dead_letters (group_id, topic, partition, lane_key) WHERE lane_key IS NOT NULL;
CREATE INDEX dead_letters_by_fingerprint ON $S.dead_letters (group_id, fingerprint, n);
CREATE INDEX dead_letters_by_event ON $S.dead_letters (event_id);

CREATE TABLE $S.taken_letters (
  n bigint PRIMARY KEY,
  group_id integer NOT NULL REFERENCES $S.groups (id) ON DELETE CASCADE,
  topic text COLLATE "C" NOT NULL,
  partition integer NOT NULL,
  seq bigint NOT NULL,
  generation bigint NOT NULL,
  UNIQUE (group_id, topic, partition, seq, generation)
);
`
