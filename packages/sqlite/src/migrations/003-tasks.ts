/**
 * Tasks by queue. A row of `tasks` is written when its task is added, when it ends, and when it waits anew; that it is claimed shows only
 * in `task_running`, so that the body is not written again. What is ready lies in `task_ready`, in the order of the claims; what
 * is delayed, waits for its key or has ended is found through an index of its own, which holds nothing else. `state` is the place in
 * `TASK_STATES`; of a task that runs it is the state that it was claimed in.
 *
 * Numbers of tasks, and of the order in which they end, are never given twice (`task_last`). The counts of a queue are kept by whoever changes them, never counted.
 */
export const tasks: string = `
CREATE TABLE task_queues (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  version INTEGER NOT NULL DEFAULT 0,
  settings TEXT,
  note TEXT NOT NULL DEFAULT '',
  counts TEXT NOT NULL DEFAULT '[0,0,0,0,0,0,0,0,0,0]',
  kept TEXT NOT NULL DEFAULT '[0,0,0,0]',
  rate_at REAL NOT NULL DEFAULT 0,
  news INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE task_names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;

CREATE TABLE task_last (n INTEGER NOT NULL) STRICT;
INSERT INTO task_last (n) VALUES (0);

CREATE TABLE tasks (
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL,
  state INTEGER NOT NULL,
  queue INTEGER NOT NULL,
  name INTEGER NOT NULL,
  rank INTEGER NOT NULL,
  head_start INTEGER NOT NULL,
  added INTEGER NOT NULL,
  due INTEGER NOT NULL,
  starts INTEGER NOT NULL DEFAULT 0,
  attempts INTEGER NOT NULL DEFAULT 0,
  crashes INTEGER NOT NULL DEFAULT 0,
  children INTEGER NOT NULL DEFAULT 0,
  pending INTEGER NOT NULL DEFAULT 0,
  fail_fast INTEGER NOT NULL DEFAULT 0,
  placed INTEGER NOT NULL DEFAULT 0,
  turn INTEGER NOT NULL DEFAULT 0,
  why INTEGER NOT NULL DEFAULT 0,
  started INTEGER,
  ended INTEGER,
  end_order INTEGER,
  expires INTEGER,
  key TEXT,
  tenant TEXT,
  dedupe TEXT,
  holds TEXT,
  parent TEXT,
  place_in_flow INTEGER,
  awaited INTEGER NOT NULL DEFAULT 0,
  fingerprint TEXT,
  code TEXT,
  message TEXT,
  stack TEXT,
  body TEXT NOT NULL,
  output TEXT
) STRICT;
CREATE UNIQUE INDEX tasks_by_id ON tasks (id);
CREATE INDEX tasks_blocked ON tasks (queue) WHERE state = 0;
CREATE INDEX tasks_delayed ON tasks (queue, due) WHERE state = 1;
CREATE INDEX tasks_waiting ON tasks (queue, key, turn) WHERE state = 2;
CREATE INDEX tasks_ended ON tasks (queue, state, end_order) WHERE ended IS NOT NULL;
CREATE INDEX tasks_dead ON tasks (queue, fingerprint, end_order) WHERE state = 7;
CREATE INDEX tasks_by_parent ON tasks (parent, place_in_flow) WHERE parent IS NOT NULL;
CREATE INDEX tasks_expiring ON tasks (expires) WHERE expires IS NOT NULL AND ended IS NULL;

CREATE TABLE task_ready (
  queue INTEGER NOT NULL,
  suspect INTEGER NOT NULL,
  name INTEGER NOT NULL,
  rank INTEGER NOT NULL,
  n INTEGER NOT NULL,
  starts INTEGER NOT NULL,
  since INTEGER NOT NULL,
  PRIMARY KEY (queue, suspect, name, rank, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE task_workers (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  held INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX task_workers_holding ON task_workers (name) WHERE held > 0;

CREATE TABLE task_running (
  n INTEGER PRIMARY KEY,
  worker INTEGER NOT NULL,
  starts INTEGER NOT NULL,
  started INTEGER NOT NULL,
  cancelling INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX task_running_cancelling ON task_running (worker) WHERE cancelling = 1;

CREATE TABLE task_keys (
  queue INTEGER NOT NULL,
  key TEXT NOT NULL,
  held INTEGER NOT NULL,
  waiting INTEGER NOT NULL,
  ready INTEGER NOT NULL,
  holding INTEGER NOT NULL,
  rate_at REAL NOT NULL,
  PRIMARY KEY (queue, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX task_keys_idle ON task_keys (rate_at) WHERE held = 0 AND waiting = 0;
CREATE INDEX task_keys_waiting ON task_keys (queue, key) WHERE waiting > 0;

CREATE TABLE task_tenants (
  queue INTEGER NOT NULL,
  tenant TEXT NOT NULL,
  head_start INTEGER NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (queue, tenant, head_start)
) STRICT, WITHOUT ROWID;
CREATE INDEX task_tenants_by_time ON task_tenants (queue, at);

CREATE TABLE task_dedupe (
  queue INTEGER NOT NULL,
  key TEXT NOT NULL,
  n INTEGER NOT NULL,
  id TEXT NOT NULL,
  until INTEGER,
  PRIMARY KEY (queue, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX task_dedupe_by_end ON task_dedupe (until) WHERE until IS NOT NULL;

CREATE TABLE task_progress (n INTEGER PRIMARY KEY, progress TEXT NOT NULL) STRICT;

CREATE TABLE task_logs (
  n INTEGER NOT NULL,
  line INTEGER NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (n, line)
) STRICT, WITHOUT ROWID;

CREATE TABLE schedules (
  name TEXT PRIMARY KEY,
  version INTEGER NOT NULL,
  spec TEXT NOT NULL,
  next_at INTEGER,
  last_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX schedules_by_next ON schedules (next_at, name) WHERE next_at IS NOT NULL;

CREATE TABLE settings (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL,
  version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
`
