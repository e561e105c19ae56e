/**
 * Topics, segments and retention. What makes and drops tables runs with the rights of the schema's owner, so that the role of the
 * workers needs none of its own.
 */
export const upkeepFunctions: string = `
CREATE FUNCTION $S.open_segment_1(p_topic integer) RETURNS integer LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_id integer := nextval('$S.segment_ids');
  v_old integer;
BEGIN
  EXECUTE format('CREATE TABLE $S.events_%s (LIKE $S.events INCLUDING ALL)', v_id);
  EXECUTE format('ALTER TABLE $S.events ATTACH PARTITION $S.events_%s FOR VALUES IN (%s)', v_id, v_id);
  SELECT t.segment INTO v_old FROM $S.topics t WHERE t.id = p_topic;
  UPDATE $S.segments SET closed_at = $S.now_ms() WHERE id = v_old;
  INSERT INTO $S.segments (id, topic, starts, opened_at)
  SELECT v_id, p_topic, array_agg(p.head ORDER BY p.partition), $S.now_ms() FROM $S.partitions p WHERE p.topic = p_topic;
  UPDATE $S.topics SET segment = v_id WHERE id = p_topic;
  RETURN v_id;
END $$;

CREATE FUNCTION $S.create_topic_1(p_topic text, p_partitions integer) RETURNS boolean LANGUAGE plpgsql
AS $$
DECLARE v_id integer;
BEGIN
  INSERT INTO $S.topics (name, partitions) VALUES (p_topic, p_partitions) ON CONFLICT (name) DO NOTHING RETURNING id INTO v_id;
  IF v_id IS NULL THEN RETURN false; END IF;
  INSERT INTO $S.partitions (topic, partition) SELECT v_id, n FROM generate_series(0, p_partitions - 1) n;
  INSERT INTO $S.floors (partition_id) SELECT p.id FROM $S.partitions p WHERE p.topic = v_id;
  PERFORM $S.open_segment_1(v_id);
  RETURN true;
END $$;

CREATE FUNCTION $S.rotate_1(p_topic text, p_events bigint, p_age_ms bigint) RETURNS boolean LANGUAGE plpgsql
AS $$
DECLARE v_topic record;
BEGIN
  SELECT t.id, s.opened_at, (SELECT sum(n) FROM unnest(s.starts) n) AS start INTO v_topic
  FROM $S.topics t JOIN $S.segments s ON s.id = t.segment WHERE t.name = p_topic FOR NO KEY UPDATE OF t;
  IF NOT FOUND THEN RETURN false; END IF;
  IF NOT EXISTS (SELECT 1 FROM $S.partitions p WHERE p.topic = v_topic.id HAVING sum(p.head) > v_topic.start
      AND (sum(p.head) - v_topic.start >= p_events OR $S.now_ms() - v_topic.opened_at >= p_age_ms)) THEN
    RETURN false;
  END IF;
  PERFORM $S.open_segment_1(v_topic.id);
  RETURN true;
END $$;

CREATE FUNCTION $S.drop_old_1(p_topic text, p_chunk integer) RETURNS bigint LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off
AS $$
DECLARE
  v_topic record;
  v_held record;
  v_horizon bigint;
  v_dropped bigint;
BEGIN
  SELECT t.id, t.partitions, t.max_age, t.max_events, t.max_bytes, t.expire INTO v_topic FROM $S.topics t WHERE t.name = p_topic;
  IF NOT FOUND THEN RETURN 0; END IF;
  -- Whoever has the floors does the work; others leave it to them.
  IF v_topic.partitions > (SELECT count(*) FROM (SELECT 1 FROM $S.floors f JOIN $S.partitions p ON p.id = f.partition_id
      WHERE p.topic = v_topic.id ORDER BY f.partition_id FOR UPDATE OF f SKIP LOCKED) l) THEN
    RETURN 0;
  END IF;
  SELECT sum(p.head - f.dropped) AS events, sum(p.bytes - f.bytes) AS bytes INTO v_held
  FROM $S.partitions p JOIN $S.floors f ON f.partition_id = p.id WHERE p.topic = v_topic.id;
  WITH fronts AS MATERIALIZED (
    SELECT p.id, f.dropped, $S.segment_of(p.topic, p.partition, f.dropped + 1) AS segment,
      CASE WHEN v_topic.expire THEN p.head ELSE least(p.head, coalesce(
        (SELECT min(q.settled) FROM $S.progress q WHERE q.partition_id = p.id), p.head)) END AS bound
    FROM $S.partitions p JOIN $S.floors f ON f.partition_id = p.id WHERE p.topic = v_topic.id
  ), loaded AS MATERIALIZED (
    SELECT f.id, f.bound, e.* FROM fronts f CROSS JOIN LATERAL (
      SELECT e.seq, e.recorded, octet_length(e.body)::bigint AS bytes FROM $S.events e
      WHERE e.segment = f.segment AND e.partition_id = f.id AND e.seq > f.dropped AND e.seq <= f.bound
      ORDER BY e.seq LIMIT p_chunk) e
    WHERE f.bound > f.dropped
  ), horizon AS (
    -- Beyond the last row that was loaded of a partition with more to come, the others have to wait.
    SELECT min(h.recorded) AS recorded FROM (
      SELECT max(l.recorded) AS recorded FROM loaded l GROUP BY l.id, l.bound HAVING max(l.seq) < l.bound) h
  ), ranked AS (
    SELECT l.*, count(*) OVER o - 1 AS events_before, sum(l.bytes) OVER o - l.bytes AS bytes_before
    FROM loaded l, horizon h WHERE h.recorded IS NULL OR l.recorded <= h.recorded
    WINDOW o AS (ORDER BY l.recorded, l.id, l.seq)
  ), gone AS MATERIALIZED (
    SELECT r.* FROM ranked r
    WHERE r.recorded < $S.now_ms() - v_topic.max_age OR v_held.events - r.events_before > v_topic.max_events
      OR v_held.bytes - r.bytes_before > v_topic.max_bytes
  ), unread AS (
    SELECT g.id, count(*) AS events FROM gone g
    WHERE v_topic.expire AND EXISTS (SELECT 1 FROM $S.progress q WHERE q.partition_id = g.id AND q.settled < g.seq
      AND NOT EXISTS (SELECT 1 FROM json_array_elements(q.ahead::json) a
        WHERE g.seq BETWEEN (a ->> 0)::bigint AND (a ->> 1)::bigint))
    GROUP BY g.id
  ), moved AS (
    UPDATE $S.floors f SET dropped = d.seq, bytes = f.bytes + d.bytes, expired = f.expired + d.expired
    FROM (SELECT g.id, max(g.seq) AS seq, sum(g.bytes) AS bytes,
        coalesce((SELECT u.events FROM unread u WHERE u.id = g.id), 0) AS expired
      FROM gone g GROUP BY g.id) d
    WHERE f.partition_id = d.id RETURNING 1)
  SELECT (SELECT count(*) FROM gone) + 0 * (SELECT count(*) FROM moved) INTO v_dropped;

  WITH doomed AS (
    DELETE FROM $S.segments s WHERE s.topic = v_topic.id AND s.closed_at IS NOT NULL AND NOT EXISTS (
      SELECT 1 FROM $S.partitions p JOIN $S.floors f ON f.partition_id = p.id
      WHERE p.topic = v_topic.id AND f.dropped < (SELECT n.starts[p.partition + 1] FROM $S.segments n
        WHERE n.topic = v_topic.id AND n.id > s.id ORDER BY n.id LIMIT 1))
    RETURNING s.id)
  INSERT INTO $S.doomed_segments (id) SELECT d.id FROM doomed d;
  RETURN v_dropped;
END $$;

CREATE FUNCTION $S.drop_doomed_1() RETURNS integer LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '20ms'
AS $$
DECLARE v_id integer;
BEGIN
  SELECT d.id INTO v_id FROM $S.doomed_segments d ORDER BY d.id FOR UPDATE SKIP LOCKED LIMIT 1;
  IF v_id IS NULL THEN RETURN NULL; END IF;
  EXECUTE format('DROP TABLE IF EXISTS $S.events_%s', v_id);
  DELETE FROM $S.doomed_segments d WHERE d.id = v_id;
  RETURN v_id;
EXCEPTION WHEN lock_not_available THEN RETURN NULL;
END $$;

-- With the owner's rights only for those whom the owner has named.
REVOKE ALL ON FUNCTION $S.open_segment_1(integer), $S.drop_doomed_1() FROM PUBLIC;

CREATE FUNCTION $S.lane_added() RETURNS trigger LANGUAGE plpgsql
AS $$
BEGIN
  INSERT INTO $S.lane_keys AS k (group_id, partition_id, order_key, lane_key, waiting)
  SELECT a.group_id, a.partition_id, a.order_key, a.lane_key, count(*) FROM added a GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3
  ON CONFLICT (group_id, partition_id, order_key) DO UPDATE SET waiting = k.waiting + excluded.waiting;
  UPDATE $S.groups g SET lane_entries = g.lane_entries + a.entries
  FROM (SELECT group_id, count(*) AS entries FROM added GROUP BY 1) a WHERE g.id = a.group_id;
  RETURN NULL;
END $$;
CREATE TRIGGER lane_added AFTER INSERT ON $S.lane REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION $S.lane_added();

CREATE FUNCTION $S.lane_removed() RETURNS trigger LANGUAGE plpgsql
AS $$
BEGIN
  UPDATE $S.lane_keys k SET waiting = k.waiting - r.entries
  FROM (SELECT group_id, partition_id, order_key, count(*) AS entries FROM removed GROUP BY 1, 2, 3) r
  WHERE k.group_id = r.group_id AND k.partition_id = r.partition_id AND k.order_key = r.order_key;
  UPDATE $S.groups g SET lane_entries = g.lane_entries - r.entries
  FROM (SELECT group_id, count(*) AS entries FROM removed GROUP BY 1) r WHERE g.id = r.group_id;
  RETURN NULL;
END $$;
CREATE TRIGGER lane_removed AFTER DELETE ON $S.lane REFERENCING OLD TABLE AS removed
FOR EACH STATEMENT EXECUTE FUNCTION $S.lane_removed();
`
