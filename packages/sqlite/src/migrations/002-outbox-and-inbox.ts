/**
 * Rows of callers' transactions that wait to be forwarded, who forwards them, and which events a group has applied. `outbox.n`
 * is the order of the commits, since the file has one writer.
 */
export const outboxAndInbox: string = `
CREATE TABLE outbox (
  n INTEGER PRIMARY KEY AUTOINCREMENT,
  added INTEGER NOT NULL,
  topic TEXT NOT NULL,
  type TEXT NOT NULL,
  source TEXT NOT NULL,
  id TEXT NOT NULL,
  key TEXT,
  correlation TEXT,
  body TEXT NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  due INTEGER NOT NULL DEFAULT 0,
  code TEXT,
  message TEXT
) STRICT;
CREATE INDEX outbox_failed ON outbox (topic, key) WHERE attempts > 0;

CREATE TABLE relay_lease (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  owner TEXT,
  token INTEGER NOT NULL,
  count INTEGER NOT NULL
) STRICT;
INSERT INTO relay_lease (one, token, count) VALUES (1, 0, 0);

CREATE TABLE inbox (
  group_name TEXT NOT NULL,
  source TEXT NOT NULL,
  id TEXT NOT NULL,
  generation INTEGER NOT NULL,
  keep_until INTEGER NOT NULL,
  PRIMARY KEY (group_name, source, id, generation)
) STRICT, WITHOUT ROWID;
CREATE INDEX inbox_by_end ON inbox (keep_until);
`
