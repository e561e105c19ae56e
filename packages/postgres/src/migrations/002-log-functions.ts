/**
 * What is done to the log in one statement. The planner is told what it cannot know of a table that was empty a moment ago: that
 * the indexes are the way, and that compiling a plan (jit) never pays here.
 *
 * A function that a release has called is never changed: a change is a new function with the next number, so that workers of the
 * release before go on beside it.
 */
export const logFunctions: string = `
CREATE FUNCTION $S.now_ms() RETURNS bigint LANGUAGE sql VOLATILE
AS $$ SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint $$;

CREATE FUNCTION $S.segment_of(p_topic integer, p_partition integer, p_seq bigint) RETURNS integer LANGUAGE sql STABLE
AS $$ SELECT max(s.id) FROM $S.segments s WHERE s.topic = p_topic AND s.starts[p_partition + 1] < p_seq $$;

CREATE FUNCTION $S.unread_1(p_topic integer, OUT events bigint, OUT bytes bigint) LANGUAGE sql STABLE
AS $$
  SELECT coalesce(sum(u.unread), 0)::bigint,
    coalesce(sum(CASE WHEN u.held > 0 THEN u.bytes * u.unread / u.held ELSE 0 END), 0)::bigint
  FROM (
    SELECT p.head - f.dropped AS held, p.bytes - f.bytes AS bytes,
      greatest(0, p.head - greatest(f.dropped, coalesce(
        (SELECT min(q.settled) FROM $S.progress q WHERE q.partition_id = p.id), p.head))) AS unread
    FROM $S.partitions p JOIN $S.floors f ON f.partition_id = p.id WHERE p.topic = p_topic) u
$$;

CREATE FUNCTION $S.publish_1(
  p_topic text, p_partitions integer[], p_ranks bigint[], p_since bigint, p_ids text, p_sources text, p_types text,
  p_keys text, p_correlations text, p_bodies text)
RETURNS json LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
  v_topic record;
  v_now bigint;
  v_probe text;
  v_known json;
  v_known_n bigint[];
  v_size bigint := cardinality(p_partitions);
  v_last bigint := v_size;
  v_held record;
  v_unread record;
  v_ranks bigint[] := p_ranks;
  v_place_ids integer[];
  v_bases bigint[];
  v_times bigint[];
  v_reply json;
  v_ids text[] := string_to_array(p_ids, chr(31));
  v_sources text[] := string_to_array(p_sources, chr(31));
  v_types text[] := string_to_array(p_types, chr(31));
  v_bodies text[] := string_to_array(p_bodies, chr(31));
BEGIN
  IF cardinality(v_ids) <> v_size OR cardinality(v_bodies) <> v_size THEN
    RAISE EXCEPTION 'the columns of the batch differ in length' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  -- The order lock: whoever holds it until its commit is the only one who gives positions in this topic.
  SELECT t.id, t.partitions, t.segment, t.max_events, t.max_bytes, t.expire INTO v_topic
  FROM $S.topics t WHERE t.name = p_topic FOR NO KEY UPDATE;
  IF NOT FOUND THEN RETURN NULL; END IF;
  v_now := $S.now_ms();

  SELECT string_agg(s.id::text, ',') INTO v_probe FROM $S.segments s
  WHERE s.topic = v_topic.id AND (s.closed_at IS NULL OR p_since > v_now OR s.closed_at >= p_since);
  EXECUTE '
    SELECT json_agg(json_build_array(i.n, p.partition, e.seq, e.body)), array_agg(i.n)
    FROM unnest($1, $2) WITH ORDINALITY AS i(id, source, n)
    CROSS JOIN LATERAL (SELECT * FROM $S.events e
      WHERE e.segment IN (' || v_probe || ') AND e.id = i.id AND e.source = coalesce(i.source, $3) OFFSET 0) e
    JOIN $S.partitions p ON p.id = e.partition_id'
  INTO v_known, v_known_n USING v_ids, v_sources, v_sources[1];

  IF v_topic.max_events IS NOT NULL OR v_topic.max_bytes IS NOT NULL THEN
    SELECT sum(p.head - f.dropped) AS events, sum(p.bytes - f.bytes) AS bytes INTO v_held
    FROM $S.partitions p JOIN $S.floors f ON f.partition_id = p.id WHERE p.topic = v_topic.id;
    IF NOT v_topic.expire AND (v_held.events + v_size > v_topic.max_events
        OR v_held.bytes + octet_length(p_bodies) > v_topic.max_bytes) THEN
      SELECT u.events, u.bytes INTO v_unread FROM $S.unread_1(v_topic.id) u;
      SELECT coalesce(min(r.n) - 1, v_size) INTO v_last FROM (
        SELECT i.n, count(*) OVER (ORDER BY i.n) AS events, sum(octet_length(i.body)) OVER (ORDER BY i.n) AS bytes
        FROM unnest(v_bodies) WITH ORDINALITY AS i(body, n) WHERE v_known_n IS NULL OR i.n <> ALL (v_known_n)) r
      WHERE v_unread.events + r.events > v_topic.max_events
        OR (v_unread.bytes + r.bytes > v_topic.max_bytes AND v_unread.events + r.events > 1);
    END IF;
  END IF;

  -- A record that is known or has no room gets no rank, and those after it in its partition move up.
  IF v_known_n IS NOT NULL OR v_last < v_size THEN
    SELECT array_agg(CASE WHEN r.fresh THEN r.rank END ORDER BY r.n) INTO v_ranks FROM (
      SELECT i.n, f.fresh, count(*) FILTER (WHERE f.fresh) OVER (PARTITION BY i.partition ORDER BY i.n) AS rank
      FROM unnest(p_partitions) WITH ORDINALITY AS i(partition, n)
      CROSS JOIN LATERAL (SELECT i.n <= v_last AND (v_known_n IS NULL OR i.n <> ALL (v_known_n)) AS fresh) f) r;
  END IF;

  WITH counts AS (
    SELECT i.partition, count(*) AS events, sum(octet_length(i.body)) AS bytes
    FROM unnest(p_partitions, v_bodies, v_ranks) AS i(partition, body, rank) WHERE i.rank IS NOT NULL GROUP BY i.partition
  ), moved AS (
    UPDATE $S.partitions p
    SET head = p.head + c.events, bytes = p.bytes + c.bytes, recorded = greatest(p.recorded, v_now)
    FROM counts c WHERE p.topic = v_topic.id AND p.partition = c.partition
    RETURNING p.id, p.partition, p.head - c.events AS base, p.recorded
  )
  SELECT json_object_agg(m.partition, m.base) FILTER (WHERE m.id IS NOT NULL), array_agg(m.id ORDER BY s.n), array_agg(m.base ORDER BY s.n),
    array_agg(m.recorded ORDER BY s.n)
  INTO v_reply, v_place_ids, v_bases, v_times
  FROM generate_series(0, v_topic.partitions - 1) AS s(n) LEFT JOIN moved m ON m.partition = s.n;

  INSERT INTO $S.events (segment, partition_id, seq, recorded, id, source, type, key, correlation, body)
  SELECT v_topic.segment, v_place_ids[i.partition + 1], v_bases[i.partition + 1] + i.rank, v_times[i.partition + 1],
    i.id, coalesce(i.source, v_sources[1]), coalesce(i.type, v_types[1]), i.key, i.correlation, i.body
  FROM unnest(p_partitions, v_ranks, v_ids, v_sources, v_types, string_to_array(p_keys, chr(31), chr(30)),
    string_to_array(p_correlations, chr(31), chr(30)), v_bodies)
    AS i(partition, rank, id, source, type, key, correlation, body)
  WHERE i.rank IS NOT NULL AND v_place_ids[i.partition + 1] IS NOT NULL;

  RETURN json_build_object('partitions', v_topic.partitions, 'bases', v_reply, 'known', v_known, 'last', v_last,
    'limited', coalesce(v_topic.max_events, v_topic.max_bytes) IS NOT NULL);
END $$;

CREATE FUNCTION $S.fetch_1(
  p_topic text, p_partitions integer[], p_after bigint[], p_max integer, p_group text, p_tokens bigint[], p_settled json)
RETURNS TABLE (n integer, marked boolean, events text) LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
  v_partitions integer[];
  v_ids integer[];
  v_after bigint[];
  v_upto bigint[];
  v_segments integer[];
  v_tokens bigint[];
  v_left integer := p_max;
  v_share integer;
  v_taken bigint[];
  v_take bigint;
  v_hungry integer;
  v_marked integer[];
  v_fenced text;
  v_timeline bigint := $S.timeline_1();
  v_segment integer;
BEGIN
  SELECT array_agg(o.partition), array_agg(o.id), array_agg(o.after), array_agg(o.token), array_agg(o.segment), array_agg(o.upto),
    array_agg(0::bigint)
  INTO v_partitions, v_ids, v_after, v_tokens, v_segments, v_upto, v_taken
  FROM (
    SELECT w.partition, p.id, a.after, w.token, s.id AS segment,
      coalesce((SELECT x.starts[w.partition + 1] FROM $S.segments x WHERE x.topic = t.id AND x.id > s.id ORDER BY x.id LIMIT 1), p.head) AS upto
    FROM unnest(p_partitions, p_after, p_tokens) WITH ORDINALITY AS w(partition, after, token, n)
    JOIN $S.topics t ON t.name = p_topic
    JOIN $S.partitions p ON p.topic = t.id AND p.partition = w.partition
    JOIN $S.floors f ON f.partition_id = p.id
    CROSS JOIN LATERAL (SELECT greatest(w.after, f.dropped) AS after) a
    CROSS JOIN LATERAL (SELECT max(y.id) AS id FROM $S.segments y WHERE y.topic = t.id AND y.starts[w.partition + 1] <= a.after) s
    WHERE p.head > a.after ORDER BY w.n) o;
  IF v_ids IS NULL AND p_settled IS NULL THEN RETURN; END IF;

  -- An equal share for each partition, then what is left for those that have more.
  LOOP
    v_hungry := 0;
    FOR i IN 1..coalesce(cardinality(v_ids), 0) LOOP
      IF v_after[i] + v_taken[i] < v_upto[i] THEN v_hungry := v_hungry + 1; END IF;
    END LOOP;
    EXIT WHEN v_hungry = 0 OR v_left <= 0;
    v_share := ceil(v_left::numeric / v_hungry);
    FOR i IN 1..cardinality(v_ids) LOOP
      v_take := least(v_share, v_left, v_upto[i] - v_after[i] - v_taken[i]);
      v_taken[i] := v_taken[i] + v_take;
      v_left := v_left - v_take;
    END LOOP;
  END LOOP;

  IF p_tokens IS NOT NULL OR p_settled IS NOT NULL THEN
    PERFORM set_config('synchronous_commit', 'off', true);
    WITH given AS MATERIALIZED (
      SELECT p.id, r.* FROM json_to_recordset(p_settled) AS r(
        partition integer, token bigint, settled bigint, fetched_high bigint, ahead_count integer, ahead text,
        attempts text, starting text)
      LEFT JOIN $S.topics t ON t.name = p_topic
      LEFT JOIN $S.partitions p ON p.topic = t.id AND p.partition = r.partition
    ), fetched AS MATERIALIZED (
      SELECT * FROM unnest(v_ids, v_partitions, v_after, v_taken, v_tokens) AS m(id, partition, after, taken, token)
      WHERE p_tokens IS NOT NULL AND m.taken > 0
    ), held AS MATERIALIZED (
      SELECT q.group_id, q.partition_id, q.token FROM $S.progress q
      WHERE q.group_id = (SELECT g.id FROM $S.groups g WHERE g.name = p_group)
        AND q.partition_id IN (SELECT r.id FROM given r UNION ALL SELECT m.id FROM fetched m) AND q.token >> 32 = v_timeline
      ORDER BY q.partition_id FOR UPDATE OF q
    ), done AS (
      UPDATE $S.progress q SET settled = coalesce(r.settled, q.settled),
        fetched_high = greatest(q.fetched_high, r.fetched_high, m.after + m.taken), ahead_count = coalesce(r.ahead_count, q.ahead_count),
        ahead = coalesce(r.ahead, q.ahead), attempts = coalesce(r.attempts, q.attempts),
        starting = CASE WHEN r.id IS NULL THEN q.starting ELSE r.starting END
      FROM held h LEFT JOIN given r ON r.id = h.partition_id AND r.token = h.token
        LEFT JOIN fetched m ON m.id = h.partition_id AND m.token = h.token
      WHERE q.group_id = h.group_id AND q.partition_id = h.partition_id AND q.token = h.token AND (r.id IS NOT NULL OR m.id IS NOT NULL)
      RETURNING r.partition AS settled, m.partition AS fetched)
    SELECT (SELECT array_agg(d.fetched) FROM done d WHERE d.fetched IS NOT NULL),
      (SELECT string_agg(r.partition::text, ',') FROM given r WHERE NOT EXISTS (SELECT 1 FROM done d WHERE d.settled = r.partition))
    INTO v_marked, v_fenced;
    IF p_settled IS NOT NULL THEN RETURN QUERY SELECT -1, false, v_fenced; END IF;
  END IF;

  -- One text for each partition: hundreds of small rows cost more to send, to parse and to keep, and more columns more to plan, each time.
  FOR v_segment IN SELECT DISTINCT x FROM unnest(v_segments) x LOOP
    RETURN QUERY EXECUTE '
      SELECT w.partition, w.partition = ANY ($7), e.events
      FROM unnest($1, $2, $3, $4, $5) AS w(partition, id, after, taken, segment)
      CROSS JOIN LATERAL (
        SELECT string_agg(concat_ws(chr(31), r.seq, r.recorded, r.type, r.id, coalesce(r.key, chr(30)), r.body), chr(31)) AS events
        FROM (SELECT * FROM $S.events e
          WHERE e.segment = ' || v_segment || ' AND e.partition_id = w.id AND e.seq > w.after AND e.seq <= w.after + w.taken
          ORDER BY e.seq) r) e
      WHERE w.segment = $6 AND w.taken > 0 AND e.events IS NOT NULL'
    USING v_partitions, v_ids, v_after, v_taken, v_segments, v_segment, coalesce(v_marked, '{}');
  END LOOP;
END $$;

CREATE FUNCTION $S.settle_1(p_group text, p_topic text, p_rows json) RETURNS integer[] LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
  v_fenced integer[];
  v_timeline bigint := $S.timeline_1();
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  WITH given AS MATERIALIZED (
    SELECT p.id, r.* FROM json_to_recordset(p_rows) AS r(
      partition integer, token bigint, settled bigint, fetched_high bigint, ahead_count integer, ahead text,
      attempts text, starting text)
    LEFT JOIN $S.topics t ON t.name = p_topic
    LEFT JOIN $S.partitions p ON p.topic = t.id AND p.partition = r.partition
  ), held AS MATERIALIZED (
    SELECT q.group_id, q.partition_id FROM $S.progress q JOIN given r ON r.id = q.partition_id AND r.token = q.token
    WHERE q.group_id = (SELECT g.id FROM $S.groups g WHERE g.name = p_group) AND q.token >> 32 = v_timeline
    ORDER BY q.partition_id FOR UPDATE OF q
  ), done AS (
    UPDATE $S.progress q SET settled = r.settled, fetched_high = greatest(q.fetched_high, r.fetched_high),
      ahead_count = r.ahead_count, ahead = r.ahead, attempts = r.attempts, starting = r.starting
    FROM held h JOIN given r ON r.id = h.partition_id
    WHERE q.group_id = h.group_id AND q.partition_id = h.partition_id AND q.token = r.token
    RETURNING r.partition)
  SELECT array_agg(r.partition ORDER BY r.partition) INTO v_fenced FROM given r
  WHERE NOT EXISTS (SELECT 1 FROM done d WHERE d.partition = r.partition);
  RETURN coalesce(v_fenced, '{}');
END $$;

CREATE FUNCTION $S.pulse_1(p_members text[], p_topics text[]) RETURNS TABLE (topic text, heads bigint) LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  UPDATE $S.members m SET count = m.count + 1 WHERE m.member = ANY (p_members);
  RETURN QUERY SELECT t.name, sum(p.head)::bigint FROM $S.topics t JOIN $S.partitions p ON p.topic = t.id
    WHERE t.name = ANY (p_topics) GROUP BY t.name;
END $$;

CREATE FUNCTION $S.seq_since_1(p_partition integer, p_time bigint) RETURNS bigint LANGUAGE plpgsql STABLE
SET jit = off SET enable_seqscan = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
  v_place record;
  v_low bigint;
  v_high bigint;
  v_middle bigint;
  v_recorded bigint;
BEGIN
  SELECT p.topic, p.partition, p.head, f.dropped INTO v_place
  FROM $S.partitions p JOIN $S.floors f ON f.partition_id = p.id WHERE p.id = p_partition;
  v_low := v_place.dropped + 1;
  v_high := v_place.head + 1;
  WHILE v_low < v_high LOOP
    v_middle := (v_low + v_high) / 2;
    SELECT e.recorded INTO v_recorded FROM $S.events e
    WHERE e.segment = $S.segment_of(v_place.topic, v_place.partition, v_middle)
      AND e.partition_id = p_partition AND e.seq = v_middle;
    IF NOT FOUND OR v_recorded < p_time THEN v_low := v_middle + 1; ELSE v_high := v_middle; END IF;
  END LOOP;
  RETURN v_low;
END $$;
`
