/**
 * Tasks: the bodies in one table, and beside it a narrow row for each in the table of its state, which is all that moves.
 *
 * `n` is the order of adding. A lane is a queue and the name of a definition: claims are for the lanes that a worker knows. Whoever
 * needs several locks takes them in this order: the worker, flows, buckets (the lock of a queue with limits), each sorted, then rows of
 * tasks, of which those that others hold are passed over.
 *
 * Flags: 1 holds a place of its key, 2 part of a flow, 4 expires, 8 has notes, 16 has a key, 32 counts for the rate of its key, 64 has children,
 * 128 has a tenant, 256 has ended while it was blocked. `place` is the order of a child in its flow, which stays when it is added again under a new `n`.
 */
export const tasks: string = `
CREATE TABLE $S.task_queues (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text COLLATE "C" NOT NULL UNIQUE,
  version integer NOT NULL DEFAULT 0,
  settings text,
  note text NOT NULL DEFAULT '',
  paused boolean NOT NULL DEFAULT false,
  concurrency integer,
  rate_limit double precision,
  rate_per double precision,
  max_waiting bigint,
  key_order boolean NOT NULL DEFAULT false,
  key_concurrency integer,
  key_limit double precision,
  key_per double precision,
  key_gated boolean NOT NULL DEFAULT false,
  fair bigint NOT NULL DEFAULT 0,
  keep_age bigint NOT NULL DEFAULT 86400000,
  keep_count bigint NOT NULL DEFAULT 10000,
  keep_bytes bigint NOT NULL DEFAULT 67108864,
  dead_age bigint NOT NULL DEFAULT 2592000000,
  dead_count bigint NOT NULL DEFAULT 100000,
  dead_bytes bigint NOT NULL DEFAULT 268435456,
  gate_after text COLLATE "C"
);

CREATE TABLE $S.task_buckets (
  queue integer PRIMARY KEY REFERENCES $S.task_queues (id) ON DELETE CASCADE,
  tokens double precision NOT NULL DEFAULT 0,
  at bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

-- How many tasks of a queue with a bound waited when they were counted last, and the last number that was given then.
CREATE TABLE $S.task_depths (
  queue integer PRIMARY KEY REFERENCES $S.task_queues (id) ON DELETE CASCADE,
  depth bigint NOT NULL,
  n bigint NOT NULL,
  at bigint NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE $S.task_lanes (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  queue integer NOT NULL REFERENCES $S.task_queues (id) ON DELETE CASCADE,
  name text COLLATE "C" NOT NULL,
  UNIQUE (queue, name)
);

CREATE TABLE $S.task_workers (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text COLLATE "C" NOT NULL UNIQUE
);

CREATE TABLE $S.task_flows (id bigint PRIMARY KEY, queues integer[] NOT NULL);

CREATE SEQUENCE $S.task_numbers CACHE 1;

CREATE TABLE $S.tasks (
  n bigint PRIMARY KEY,
  rank bigint NOT NULL,
  head bigint NOT NULL,
  added bigint NOT NULL,
  due bigint NOT NULL,
  lane integer NOT NULL,
  queue integer NOT NULL,
  id text COLLATE "C" NOT NULL UNIQUE,
  body text COLLATE "C" NOT NULL,
  key text COLLATE "C",
  tenant text COLLATE "C",
  expires bigint,
  dedupe text COLLATE "C",
  flow bigint,
  parent bigint,
  place bigint,
  fail_fast boolean,
  error text COLLATE "C"
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_insert_threshold = -1,
  autovacuum_vacuum_cost_delay = 0);
CREATE INDEX tasks_by_parent ON $S.tasks (parent, n) WHERE parent IS NOT NULL;
CREATE INDEX tasks_by_flow ON $S.tasks (flow) WHERE flow IS NOT NULL;

CREATE TABLE $S.task_ready (
  n bigint NOT NULL,
  rank bigint NOT NULL,
  since bigint NOT NULL,
  lane integer NOT NULL,
  flags integer NOT NULL,
  starts integer NOT NULL,
  attempts integer NOT NULL,
  crashes integer NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_insert_threshold = -1,
  autovacuum_vacuum_cost_delay = 0);
CREATE UNIQUE INDEX task_ready_by_rank ON $S.task_ready (lane, rank, n);

CREATE TABLE $S.task_suspects (LIKE $S.task_ready);
CREATE UNIQUE INDEX task_suspects_by_rank ON $S.task_suspects (lane, rank, n);

CREATE TABLE $S.task_running (
  n bigint NOT NULL,
  rank bigint NOT NULL,
  started bigint NOT NULL,
  worker integer NOT NULL,
  lane integer NOT NULL,
  flags integer NOT NULL,
  starts integer NOT NULL,
  attempts integer NOT NULL,
  crashes integer NOT NULL,
  cancelling boolean NOT NULL DEFAULT false,
  limited integer,
  PRIMARY KEY (worker, n)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_insert_threshold = -1,
  autovacuum_vacuum_cost_delay = 0);
CREATE INDEX task_running_special ON $S.task_running (worker, n) WHERE flags & 3 <> 0;
CREATE INDEX task_running_cancelling ON $S.task_running (worker, n) WHERE cancelling;
CREATE INDEX task_running_limited ON $S.task_running (limited) WHERE limited IS NOT NULL;

CREATE TABLE $S.task_delayed (
  n bigint PRIMARY KEY,
  rank bigint NOT NULL,
  due bigint NOT NULL,
  queue integer NOT NULL,
  lane integer NOT NULL,
  flags integer NOT NULL,
  starts integer NOT NULL,
  attempts integer NOT NULL,
  crashes integer NOT NULL,
  why smallint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX task_delayed_by_due ON $S.task_delayed (queue, due);

CREATE TABLE $S.task_waiting (
  n bigint NOT NULL,
  rank bigint NOT NULL,
  since bigint NOT NULL,
  queue integer NOT NULL,
  lane integer NOT NULL,
  flags integer NOT NULL,
  starts integer NOT NULL,
  attempts integer NOT NULL,
  crashes integer NOT NULL,
  key text COLLATE "C" NOT NULL,
  PRIMARY KEY (queue, key, n)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX task_waiting_by_rank ON $S.task_waiting (queue, key, rank, n);
CREATE INDEX task_waiting_placed ON $S.task_waiting (queue, key, n) WHERE flags & 1 <> 0;

CREATE TABLE $S.task_arrivals (n bigint PRIMARY KEY, queue integer NOT NULL, key text COLLATE "C" NOT NULL);
CREATE INDEX task_arrivals_by_queue ON $S.task_arrivals (queue);

CREATE TABLE $S.task_keys (
  queue integer NOT NULL,
  key text COLLATE "C" NOT NULL,
  used integer NOT NULL DEFAULT 0,
  ready integer NOT NULL DEFAULT 0,
  held boolean NOT NULL DEFAULT false,
  tokens double precision,
  at bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (queue, key)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

CREATE TABLE $S.task_tenants (
  queue integer NOT NULL,
  tenant text COLLATE "C" NOT NULL,
  head bigint NOT NULL,
  turn bigint NOT NULL,
  PRIMARY KEY (queue, tenant, head)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

CREATE TABLE $S.task_blocked (
  n bigint PRIMARY KEY,
  rank bigint NOT NULL,
  due bigint NOT NULL,
  queue integer NOT NULL,
  lane integer NOT NULL,
  flags integer NOT NULL,
  starts integer NOT NULL,
  pending integer NOT NULL,
  fail_fast boolean NOT NULL
);

CREATE TABLE $S.task_expiries (
  queue integer NOT NULL,
  expires bigint NOT NULL,
  n bigint NOT NULL,
  PRIMARY KEY (queue, expires, n)
);

CREATE TABLE $S.task_dedupes (
  queue integer NOT NULL,
  key text COLLATE "C" NOT NULL,
  n bigint NOT NULL,
  id text COLLATE "C" NOT NULL,
  until text NOT NULL,
  expires bigint,
  PRIMARY KEY (queue, key)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

CREATE TABLE $S.task_ends (
  n bigint PRIMARY KEY,
  ended bigint NOT NULL,
  started bigint,
  queue integer NOT NULL,
  bytes integer NOT NULL,
  flags integer NOT NULL,
  starts integer NOT NULL,
  attempts integer NOT NULL,
  crashes integer NOT NULL,
  state smallint NOT NULL,
  dead boolean NOT NULL,
  fingerprint text COLLATE "C",
  output text COLLATE "C",
  error text COLLATE "C"
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX task_ends_by_end ON $S.task_ends (queue, dead, ended, n) INCLUDE (bytes);
CREATE INDEX task_ends_by_fingerprint ON $S.task_ends (queue, fingerprint, n) WHERE dead;

CREATE INDEX task_dedupes_by_end ON $S.task_dedupes (expires) WHERE expires IS NOT NULL;

CREATE TABLE $S.task_sweeps (one integer PRIMARY KEY CHECK (one = 1), queue integer NOT NULL, key text COLLATE "C" NOT NULL);
INSERT INTO $S.task_sweeps VALUES (1, 0, '');

CREATE TABLE $S.task_progress (n bigint PRIMARY KEY, progress text COLLATE "C" NOT NULL) WITH (fillfactor = 50);

CREATE TABLE $S.task_logs (
  n bigint NOT NULL,
  line_number bigint GENERATED ALWAYS AS IDENTITY,
  line text COLLATE "C" NOT NULL,
  PRIMARY KEY (n, line_number)
);

CREATE TABLE $S.schedules (
  name text COLLATE "C" PRIMARY KEY,
  version integer NOT NULL,
  spec text COLLATE "C" NOT NULL,
  next_at bigint,
  last_at bigint
) WITH (fillfactor = 70);
CREATE INDEX schedules_by_next ON $S.schedules (next_at, name) WHERE next_at IS NOT NULL;

CREATE TABLE $S.settings (
  name text COLLATE "C" PRIMARY KEY,
  value text COLLATE "C" NOT NULL,
  version integer NOT NULL
);

CREATE VIEW $S.task_states AS
SELECT t.n, t.rank, t.head, t.added, t.due, t.lane, t.queue, t.id, t.body, t.key, t.tenant, t.expires, t.dedupe, t.flow, t.parent, t.place,
  q.name AS queue_name, l.name, s.state, s.order_at, s.starts, s.attempts, s.crashes, s.due AS delayed_until, s.why, s.worker, s.started,
  s.ended, s.cancelling, s.flags, s.pending, s.fingerprint, s.output, coalesce(s.error, t.error) AS error
FROM $S.tasks t JOIN $S.task_queues q ON q.id = t.queue JOIN $S.task_lanes l ON l.id = t.lane
CROSS JOIN LATERAL (
  SELECT 'ready'::text AS state, r.since AS order_at, r.starts, r.attempts, r.crashes, NULL::bigint AS due, NULL::smallint AS why, NULL::text AS worker,
    NULL::bigint AS started, NULL::bigint AS ended, false AS cancelling, r.flags, 0 AS pending, NULL::text AS fingerprint,
    NULL::text AS output, NULL::text AS error
  FROM $S.task_ready r WHERE r.lane = t.lane AND r.rank = t.rank AND r.n = t.n
  UNION ALL
  SELECT 'suspect', r.since, r.starts, r.attempts, r.crashes, NULL, NULL, NULL, NULL, NULL, false, r.flags, 0, NULL, NULL, NULL
  FROM $S.task_suspects r WHERE r.lane = t.lane AND r.rank = t.rank AND r.n = t.n
  UNION ALL
  SELECT 'waiting', w.since, w.starts, w.attempts, w.crashes, NULL, NULL, NULL, NULL, NULL, false, w.flags, 0, NULL, NULL, NULL
  FROM $S.task_waiting w WHERE w.queue = t.queue AND w.key = t.key AND w.n = t.n
  UNION ALL
  SELECT 'delayed', d.due, d.starts, d.attempts, d.crashes, d.due, d.why, NULL, NULL, NULL, false, d.flags, 0, NULL, NULL, NULL
  FROM $S.task_delayed d WHERE d.n = t.n
  UNION ALL
  SELECT 'blocked', b.due, b.starts, 0, 0, NULL, NULL, NULL, NULL, NULL, false, b.flags, b.pending, NULL, NULL, NULL
  FROM $S.task_blocked b WHERE b.n = t.n
  UNION ALL
  SELECT 'running', r.started, r.starts, r.attempts, r.crashes, NULL, NULL, w.name, r.started, NULL, r.cancelling, r.flags, 0, NULL, NULL, NULL
  FROM $S.task_workers w JOIN $S.task_running r ON r.worker = w.id WHERE r.n = t.n
  UNION ALL
  SELECT (ARRAY['done', 'dead', 'cancelled', 'expired'])[e.state], e.ended, e.starts, e.attempts, e.crashes, NULL, NULL, NULL, e.started, e.ended, false,
    e.flags, 0, e.fingerprint, e.output, e.error
  FROM $S.task_ends e WHERE e.n = t.n
) s;
`
