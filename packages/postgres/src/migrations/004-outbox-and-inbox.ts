/**
 * Rows of callers' transactions that wait to be forwarded, who forwards them, and which events a group has applied.
 *
 * `place` is drawn at the commit, behind a lock of each key that is held until the commit is visible: so places of one key rise in
 * the order of the commits, and whoever sees one sees those before it. Nothing is locked while the caller still works. Keys share 255
 * locks, since the server's table of locks is small.
 */
export const outboxAndInbox: string = `
CREATE SEQUENCE $S.outbox_places;

CREATE TABLE $S.outbox (
  n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  place bigint,
  added bigint NOT NULL,
  topic text COLLATE "C" NOT NULL,
  type text COLLATE "C" NOT NULL,
  source text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  key text COLLATE "C",
  correlation text COLLATE "C",
  body text COLLATE "C" NOT NULL,
  attempts integer NOT NULL DEFAULT 0,
  due bigint NOT NULL DEFAULT 0,
  code text,
  message text
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
CREATE INDEX outbox_by_place ON $S.outbox (place);
CREATE INDEX outbox_unplaced ON $S.outbox (n) WHERE place IS NULL;
CREATE INDEX outbox_failed ON $S.outbox (topic, key) WHERE attempts > 0;

CREATE FUNCTION $S.outbox_added() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  -- The first row places all rows of the transaction; of others none that has no place can be seen.
  PERFORM 1 FROM $S.outbox o WHERE o.n = NEW.n AND o.place IS NULL;
  IF NOT FOUND THEN RETURN NULL; END IF;
  PERFORM pg_advisory_xact_lock(k.lock) FROM (
    SELECT DISTINCT hashtextextended('$S outbox ' || mod(hashtext(o.topic || chr(31) || o.key), 128), 0) AS lock
    FROM $S.outbox o WHERE o.place IS NULL AND o.key IS NOT NULL ORDER BY 1) k;
  UPDATE $S.outbox o SET place = p.place FROM (
    SELECT w.n, nextval('$S.outbox_places') AS place
    FROM (SELECT u.n FROM $S.outbox u WHERE u.place IS NULL ORDER BY u.n) w) p
  WHERE o.n = p.n;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER outbox_added AFTER INSERT ON $S.outbox DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION $S.outbox_added();

CREATE FUNCTION $S.add_to_outbox_1(p_rows text) RETURNS integer LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE v_added integer;
BEGIN
  INSERT INTO $S.outbox (added, topic, type, source, id, key, correlation, body)
  SELECT $S.now_ms(), r.value ->> 0, r.value ->> 1, r.value ->> 2, r.value ->> 3, r.value ->> 4, r.value ->> 5, r.value ->> 6
  FROM json_array_elements(p_rows::json) WITH ORDINALITY AS r(value, n) ORDER BY r.n;
  GET DIAGNOSTICS v_added = ROW_COUNT;
  RETURN v_added;
END $$;

CREATE FUNCTION $S.take_outbox_1(p_limit integer)
RETURNS TABLE (n bigint, topic text, type text, source text, id text, key text, correlation text, body text, attempts integer)
LANGUAGE plpgsql STABLE SET jit = off SET enable_seqscan = off
AS $$
DECLARE v_now bigint := $S.now_ms();
BEGIN
  RETURN QUERY
  SELECT o.n, o.topic, o.type, o.source, o.id, o.key, o.correlation, o.body, o.attempts FROM $S.outbox o
  WHERE o.place > 0 AND o.due <= v_now AND NOT EXISTS (
    SELECT 1 FROM $S.outbox f WHERE f.attempts > 0 AND f.topic = o.topic AND f.key = o.key
      AND (f.due > v_now OR f.place < o.place))
  ORDER BY o.place LIMIT p_limit;
END $$;

CREATE TABLE $S.relay_lease (
  one integer PRIMARY KEY CHECK (one = 1),
  owner text COLLATE "C",
  token bigint NOT NULL,
  count bigint NOT NULL
) WITH (fillfactor = 50);
INSERT INTO $S.relay_lease (one, token, count) VALUES (1, 0, 0);

CREATE FUNCTION $S.settle_outbox_1(p_token bigint, p_done bigint[], p_failed text) RETURNS boolean LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off
AS $$
BEGIN
  -- What a crash of the server takes of this is forwarded again, with the same ids.
  PERFORM set_config('synchronous_commit', 'off', true);
  PERFORM 1 FROM $S.relay_lease l WHERE l.token = $S.live_token_1(p_token) AND l.owner IS NOT NULL FOR UPDATE;
  IF NOT FOUND THEN RETURN false; END IF;
  DELETE FROM $S.outbox o WHERE o.n = ANY (p_done);
  UPDATE $S.outbox o SET attempts = o.attempts + 1, due = $S.now_ms() + (f.value ->> 1)::bigint,
    code = f.value ->> 2, message = f.value ->> 3
  FROM json_array_elements(p_failed::json) AS f(value) WHERE o.n = (f.value ->> 0)::bigint;
  RETURN true;
END $$;

CREATE TABLE $S.inbox (
  group_name text COLLATE "C" NOT NULL,
  source text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  generation bigint NOT NULL,
  keep_until bigint NOT NULL,
  PRIMARY KEY (group_name, source, id, generation)
);
CREATE INDEX inbox_by_end ON $S.inbox (keep_until);

CREATE FUNCTION $S.drop_inbox_1(p_most integer) RETURNS integer LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off
AS $$
DECLARE v_dropped integer;
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  DELETE FROM $S.inbox i USING (
    SELECT o.group_name, o.source, o.id, o.generation FROM $S.inbox o WHERE o.keep_until < $S.now_ms()
    ORDER BY o.keep_until LIMIT p_most FOR UPDATE SKIP LOCKED) d
  WHERE i.group_name = d.group_name AND i.source = d.source AND i.id = d.id AND i.generation = d.generation;
  GET DIAGNOSTICS v_dropped = ROW_COUNT;
  RETURN v_dropped;
END $$;
`
