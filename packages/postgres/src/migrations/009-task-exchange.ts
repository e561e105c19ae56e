/** What a worker does all the time, in one call: what has ended, what is due, what comes next. */
export const taskExchange: string = `
-- Makes due what is due in a queue.
CREATE FUNCTION $S.task_due_1(p_queue integer, p_most integer, p_now bigint, OUT queues integer[], OUT keys text[]) LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off
AS $$
DECLARE
  v_rows $S.task_ready[];
  v_flags integer;
  v_held bigint[];
  v_ns bigint[];
BEGIN
  IF EXISTS (SELECT 1 FROM $S.task_arrivals a WHERE a.queue = p_queue) THEN
    WITH gone AS (DELETE FROM $S.task_arrivals a WHERE a.queue = p_queue RETURNING a.queue, a.key)
    SELECT array_agg(g.queue), array_agg(g.key) INTO queues, keys FROM gone g;
  END IF;
  IF NOT EXISTS (SELECT 1 FROM $S.task_delayed d WHERE d.queue = p_queue AND d.due <= p_now) THEN RETURN; END IF;
  WITH due AS (
    DELETE FROM $S.task_delayed d WHERE d.ctid = ANY (ARRAY(
      SELECT x.ctid FROM $S.task_delayed x WHERE x.queue = p_queue AND x.due <= p_now ORDER BY x.due LIMIT p_most FOR UPDATE SKIP LOCKED))
    RETURNING d.*)
  SELECT array_agg(ROW(d.n, d.rank, d.due, d.lane, d.flags, d.starts, d.attempts, d.crashes)::$S.task_ready ORDER BY d.rank, d.n), bit_or(d.flags),
    array_agg(d.n) FILTER (WHERE d.why = 3), array_agg(d.n) FILTER (WHERE d.flags & 17 <> 0)
  INTO v_rows, v_flags, v_held, v_ns FROM due d;
  IF v_rows IS NULL THEN RETURN; END IF;
  IF v_held IS NOT NULL THEN
    UPDATE $S.task_keys k SET held = false FROM $S.tasks t WHERE t.n = ANY (v_held) AND k.queue = t.queue AND k.key = t.key;
  END IF;
  PERFORM $S.task_enter_1(v_rows);
  IF v_ns IS NOT NULL THEN SELECT task_due_1.queues || k.queues, task_due_1.keys || k.keys INTO queues, keys FROM $S.task_keys_of_1(v_ns, '{}') k; END IF;
END $$;

-- Ends those of these that wait in the queue past their time; their flows and the queue are locked. How many. What was ready and is part of nothing goes together.
CREATE FUNCTION $S.task_expire_1(p_queue integer, p_ns bigint[], p_now bigint) RETURNS integer LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
  v_ns bigint[] := p_ns;
  v_gone bigint[];
  v_ends $S.task_ends[];
  v_n bigint;
  v_all integer := 0;
  s $S.task_slot;
  v_keys record;
BEGIN
  WITH gone AS (
    DELETE FROM $S.task_ready r USING $S.tasks t
    WHERE t.n = ANY (p_ns) AND t.queue = p_queue AND t.expires <= p_now AND r.lane = t.lane AND r.rank = t.rank AND r.n = t.n AND r.flags & 83 = 0
    RETURNING r.n, t.expires, r.flags, r.starts, r.attempts, r.crashes
  ), noted AS (
    DELETE FROM $S.task_expiries e USING gone g WHERE e.queue = p_queue AND e.expires = g.expires AND e.n = g.n)
  SELECT array_agg(ROW(g.n, p_now, NULL, p_queue, 0, g.flags, g.starts, g.attempts, g.crashes, 4, false, NULL, NULL, NULL)::$S.task_ends), array_agg(g.n)
  INTO v_ends, v_gone FROM gone g;
  IF v_ends IS NOT NULL THEN
    PERFORM $S.task_end_1(v_ends, p_now);
    v_all := cardinality(v_ends);
    SELECT array_agg(x.n) INTO v_ns FROM (SELECT unnest(p_ns) AS n EXCEPT SELECT unnest(v_gone)) x;
    IF v_ns IS NULL THEN RETURN v_all; END IF;
  END IF;
  SELECT k.queues, k.keys INTO v_keys FROM $S.task_keys_of_1(v_ns, (SELECT array_agg(DISTINCT t.flow) FROM $S.tasks t WHERE t.n = ANY (v_ns) AND t.flow IS NOT NULL)) k;
  FOREACH v_n IN ARRAY v_ns LOOP
    CONTINUE WHEN EXISTS (SELECT 1 FROM $S.tasks t WHERE t.n = v_n AND (t.queue <> p_queue OR t.expires IS NULL OR t.expires > p_now));
    s := $S.task_take_1(v_n);
    IF s.state IS NULL THEN
      DELETE FROM $S.task_expiries e WHERE e.queue = p_queue AND e.expires <= p_now AND e.n = v_n;
    ELSE
      PERFORM $S.task_close_1(s, 4::smallint, NULL, NULL, p_now);
      v_all := v_all + 1;
    END IF;
  END LOOP;
  PERFORM $S.task_gates_1(v_keys.queues, v_keys.keys, p_now);
  RETURN v_all;
END $$;

CREATE FUNCTION $S.task_notes_1(p_worker integer, p_notes json) RETURNS void LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off
AS $$
DECLARE e record;
BEGIN
  FOR e IN SELECT r.n, x.progress, x.log, r.flags FROM json_to_recordset(p_notes) AS x(id text, starts integer, progress text, log json)
    JOIN $S.tasks t ON t.id = x.id JOIN $S.task_running r ON r.worker = p_worker AND r.n = t.n AND r.starts = x.starts
  LOOP
    IF e.flags & 8 = 0 THEN UPDATE $S.task_running r SET flags = r.flags | 8 WHERE r.worker = p_worker AND r.n = e.n; END IF;
    IF e.progress IS NOT NULL THEN
      INSERT INTO $S.task_progress (n, progress) VALUES (e.n, e.progress) ON CONFLICT (n) DO UPDATE SET progress = e.progress;
    END IF;
    IF json_array_length(e.log) > 0 THEN
      INSERT INTO $S.task_logs (n, line) SELECT e.n, l.line FROM json_array_elements_text(e.log) WITH ORDINALITY l(line, o) ORDER BY l.o;
      DELETE FROM $S.task_logs l WHERE l.n = e.n AND l.line_number <= (
        SELECT x.line_number FROM $S.task_logs x WHERE x.n = e.n ORDER BY x.line_number DESC OFFSET 1000 LIMIT 1);
    END IF;
  END LOOP;
END $$;

-- The tasks that a claim gets: they are ready no more, and run.
CREATE FUNCTION $S.task_pick_1(p_lanes integer[], p_limit integer, p_worker integer, p_limited integer, p_now bigint) RETURNS $S.task_ready[] LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
  v_rows $S.task_ready[];
  v_lane integer := p_lanes[1];
BEGIN
  IF cardinality(p_lanes) = 1 THEN
    WITH gone AS (
      DELETE FROM $S.task_ready r WHERE r.ctid = ANY (ARRAY(
        SELECT x.ctid FROM $S.task_ready x
        WHERE x.lane = v_lane AND (x.flags & 4 = 0 OR NOT EXISTS (SELECT 1 FROM $S.tasks t WHERE t.n = x.n AND t.expires <= p_now))
        ORDER BY x.lane, x.rank, x.n LIMIT p_limit FOR UPDATE SKIP LOCKED))
      RETURNING r.rank, r.n, r.lane, r.flags, r.starts, r.attempts, r AS whole
    ), held AS (
      INSERT INTO $S.task_running (n, rank, started, worker, lane, flags, starts, attempts, crashes, limited)
      SELECT g.n, g.rank, p_now, p_worker, g.lane, g.flags & ~32, g.starts + 1, g.attempts, 0, p_limited FROM gone g)
    SELECT array_agg(g.whole ORDER BY g.rank, g.n) INTO v_rows FROM gone g;
    RETURN v_rows;
  END IF;
  WITH first AS MATERIALIZED (
    SELECT f.* FROM unnest(p_lanes) u(lane) CROSS JOIN LATERAL (
      SELECT x.lane, x.rank, x.n FROM $S.task_ready x
      WHERE x.lane = u.lane AND (x.flags & 4 = 0 OR NOT EXISTS (SELECT 1 FROM $S.tasks t WHERE t.n = x.n AND t.expires <= p_now))
      ORDER BY x.lane, x.rank, x.n LIMIT p_limit) f
    ORDER BY f.rank, f.n LIMIT p_limit
  ), gone AS (
    DELETE FROM $S.task_ready r WHERE r.ctid = ANY (ARRAY(
      SELECT x.ctid FROM first f JOIN $S.task_ready x ON x.lane = f.lane AND x.rank = f.rank AND x.n = f.n FOR UPDATE OF x SKIP LOCKED))
    RETURNING r.rank, r.n, r.lane, r.flags, r.starts, r.attempts, r AS whole
  ), held AS (
    INSERT INTO $S.task_running (n, rank, started, worker, lane, flags, starts, attempts, crashes, limited)
    SELECT g.n, g.rank, p_now, p_worker, g.lane, g.flags & ~32, g.starts + 1, g.attempts, 0, p_limited FROM gone g)
  SELECT array_agg(g.whole ORDER BY g.rank, g.n) INTO v_rows FROM gone g;
  RETURN v_rows;
END $$;

CREATE FUNCTION $S.exchange_1(
  p_worker text, p_numbers bigint[], p_starts integer[], p_how smallint[], p_delays bigint[], p_outputs text, p_errors text,
  p_prints text, p_notes json, p_claims json)
RETURNS TABLE (claim integer, numbers text, ids text, names text, bodies text, ages text, waits text, more json) LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
  v_worker integer;
    v_now bigint := $S.now_ms();
  v_flows bigint[];
  v_locks integer[];
  v_more_flows bigint[];
  v_expiring bigint[];
  v_more_locks integer[];
  v_settled bigint[];
  v_some_queues integer[];
  v_some_keys text[];
  v_queues integer[] := '{}';
  v_keys text[] := '{}';
  v_room integer;
  v_running integer;
  v_tokens double precision;
  v_rows $S.task_ready[];
  v_rated boolean;
  v_flags integer;
  v_next bigint;
  v_nexts json[] := '{}';
  v_cancel json;
  c record;
BEGIN
  SELECT w.id INTO v_worker FROM $S.task_workers w WHERE w.name = p_worker FOR KEY SHARE;
  IF NOT FOUND AND p_claims IS NOT NULL THEN
    INSERT INTO $S.task_workers (name) VALUES (p_worker) ON CONFLICT ON CONSTRAINT task_workers_name_key DO NOTHING;
    SELECT w.id INTO v_worker FROM $S.task_workers w WHERE w.name = p_worker FOR KEY SHARE;
  END IF;

  IF p_numbers IS NOT NULL THEN
    SELECT array_agg(DISTINCT t.flow) FILTER (WHERE t.flow IS NOT NULL), array_agg(DISTINCT t.queue) FILTER (WHERE r.flags & 1 <> 0)
    INTO v_flows, v_locks FROM $S.task_running r JOIN $S.tasks t ON t.n = r.n
    WHERE r.worker = v_worker AND r.flags & 3 <> 0 AND r.n = ANY (p_numbers);
  END IF;
  IF p_claims IS NOT NULL THEN
    SELECT array_agg(q.id) FILTER (WHERE q.concurrency IS NOT NULL OR q.rate_limit IS NOT NULL OR q.key_limit IS NOT NULL OR h.expiring
        OR EXISTS (SELECT 1 FROM $S.task_arrivals a WHERE a.queue = q.id)
        OR (q.key_gated AND EXISTS (SELECT 1 FROM $S.task_delayed d WHERE d.queue = q.id AND d.due <= v_now))),
      array_agg(q.id) FILTER (WHERE h.expiring)
    INTO v_more_locks, v_more_flows FROM json_to_recordset(p_claims) AS x(queue text) JOIN $S.task_queues q ON q.name = x.queue
    CROSS JOIN LATERAL (SELECT EXISTS (SELECT 1 FROM $S.task_expiries e WHERE e.queue = q.id AND e.expires <= v_now) AS expiring) h;
    IF v_more_flows IS NOT NULL THEN
      SELECT array_agg(x.n) INTO v_expiring FROM unnest(v_more_flows) u(queue) CROSS JOIN LATERAL (
        SELECT e.n FROM $S.task_expiries e WHERE e.queue = u.queue AND e.expires <= v_now ORDER BY e.expires, e.n LIMIT 1000) x;
      SELECT v_flows || array_agg(DISTINCT t.flow) INTO v_flows FROM $S.tasks t WHERE t.n = ANY (v_expiring) AND t.flow IS NOT NULL;
    END IF;
    v_locks := v_locks || v_more_locks;
  END IF;
  IF v_flows IS NOT NULL OR v_locks IS NOT NULL THEN
    PERFORM $S.task_locks_1(v_flows, v_locks);
    v_now := $S.now_ms();
  END IF;

  IF p_notes IS NOT NULL THEN PERFORM $S.task_notes_1(v_worker, p_notes); END IF;
  IF p_numbers IS NOT NULL THEN
    SELECT s.settled, s.queues, s.keys INTO v_settled, v_some_queues, v_some_keys
    FROM $S.task_settle_1(v_worker, p_numbers, p_starts, p_how, p_delays, p_outputs, p_errors, p_prints, v_now) s;
    v_queues := v_queues || v_some_queues;
    v_keys := v_keys || v_some_keys;
  END IF;
  IF p_claims IS NOT NULL THEN
    FOR c IN SELECT q.id, x.lim FROM json_to_recordset(p_claims) AS x(queue text, lim integer) JOIN $S.task_queues q ON q.name = x.queue LOOP
      IF c.id = ANY (v_more_flows) THEN PERFORM $S.task_expire_1(c.id, v_expiring, v_now); END IF;
      SELECT d.queues, d.keys INTO v_some_queues, v_some_keys FROM $S.task_due_1(c.id, greatest(1000, c.lim), v_now) d;
      v_queues := v_queues || v_some_queues;
      v_keys := v_keys || v_some_keys;
    END LOOP;
  END IF;
  IF cardinality(v_queues) > 0 THEN PERFORM $S.task_gates_1(v_queues, v_keys, v_now); END IF;

  FOR c IN SELECT x.o, x.lim, x.suspects, json_array_length(x.names) AS named, q.*, l.lanes, l.names FROM json_to_recordset(p_claims) AS x(o integer, queue text, lim integer, suspects integer, names json)
    LEFT JOIN $S.task_queues q ON q.name = x.queue
    CROSS JOIN LATERAL (SELECT array_agg(y.id) AS lanes, array_agg(y.name) AS names FROM $S.task_lanes y
      WHERE y.queue = q.id AND y.name IN (SELECT json_array_elements_text(x.names))) l
    ORDER BY x.o
  LOOP
    v_next := NULL;
    v_rows := NULL;
    v_rated := false;
    v_room := c.lim;
    IF c.lanes IS NOT NULL AND NOT c.paused THEN
      IF c.concurrency IS NOT NULL THEN
        SELECT count(*) INTO v_running FROM $S.task_running r WHERE r.limited = c.id;
        v_room := least(v_room, c.concurrency - v_running);
      END IF;
      IF c.rate_limit IS NOT NULL THEN
        SELECT least(c.rate_limit, b.tokens + greatest(0, v_now - b.at) * c.rate_limit / c.rate_per) INTO v_tokens FROM $S.task_buckets b WHERE b.queue = c.id;
        v_room := least(v_room, floor(v_tokens + 1e-9)::integer);
      END IF;
      IF v_room > 0 AND c.suspects > 0 THEN
        WITH gone AS (
          DELETE FROM $S.task_suspects r WHERE r.ctid = ANY (ARRAY(
            SELECT y.ctid FROM $S.task_suspects y
            WHERE y.lane = ANY (c.lanes) AND (y.flags & 4 = 0 OR NOT EXISTS (SELECT 1 FROM $S.tasks t WHERE t.n = y.n AND t.expires <= v_now))
            ORDER BY y.rank, y.n LIMIT least(v_room, c.suspects) FOR UPDATE SKIP LOCKED))
          RETURNING r.rank, r.n, r AS whole)
        SELECT array_agg(ROW((g.whole).n, (g.whole).rank, (g.whole).since, (g.whole).lane, (g.whole).flags, (g.whole).starts, (g.whole).attempts,
          (g.whole).crashes)::$S.task_ready ORDER BY g.rank, g.n) INTO v_rows FROM gone g;
      END IF;
      IF v_rows IS NOT NULL THEN
        INSERT INTO $S.task_running (n, rank, started, worker, lane, flags, starts, attempts, crashes, limited)
        SELECT r.n, r.rank, v_now, v_worker, r.lane, r.flags & ~32, r.starts + 1, r.attempts, r.crashes, CASE WHEN c.concurrency IS NOT NULL THEN c.id END
        FROM unnest(v_rows) r;
      END IF;
      IF v_room > coalesce(cardinality(v_rows), 0) THEN
        v_rows := v_rows || $S.task_pick_1(c.lanes, v_room - coalesce(cardinality(v_rows), 0), v_worker,
          CASE WHEN c.concurrency IS NOT NULL THEN c.id END, v_now);
      END IF;
      IF v_rows IS NOT NULL THEN
        IF c.rate_limit IS NOT NULL THEN
          v_tokens := v_tokens - cardinality(v_rows);
          UPDATE $S.task_buckets b SET tokens = v_tokens, at = greatest(b.at, v_now) WHERE b.queue = c.id;
        END IF;
        SELECT bit_or(r.flags | CASE WHEN r.starts > 0 THEN 1024 ELSE 0 END) INTO v_flags FROM unnest(v_rows) r;
        IF v_flags & 36 <> 0 THEN
          DELETE FROM $S.task_expiries e USING unnest(v_rows) r, $S.tasks t
          WHERE r.flags & 4 <> 0 AND t.n = r.n AND e.queue = t.queue AND e.expires = t.expires AND e.n = t.n;
          v_rated := $S.task_rated_1(v_rows, v_now);
        END IF;
        RETURN QUERY SELECT c.o, string_agg(r.n::text, ','), string_agg(t.id, chr(31)),
          CASE WHEN c.named > 1 THEN string_agg(c.names[array_position(c.lanes, r.lane)], chr(31)) END, string_agg(t.body, chr(31)),
          string_agg((v_now - t.added)::text, ','), string_agg((v_now - r.since)::text, ','),
          json_agg(json_build_array(r.starts + 1, r.attempts, r.crashes, t.key, t.tenant, t.expires - v_now, r.flags & 64 <> 0))
            FILTER (WHERE v_flags <> 0)
        FROM unnest(v_rows) r JOIN $S.tasks t ON t.n = r.n;
      END IF;
      IF c.concurrency IS NULL OR v_running + coalesce(cardinality(v_rows), 0) < c.concurrency THEN
        -- What was just taken is still in the way of a look from the beginning.
        IF (v_room > 0 AND cardinality(v_rows) = v_room AND EXISTS (SELECT 1 FROM $S.task_ready r WHERE r.lane = v_rows[v_room].lane
              AND (r.rank, r.n) > (v_rows[v_room].rank, v_rows[v_room].n)))
            OR EXISTS (SELECT 1 FROM unnest(c.lanes) u(lane) CROSS JOIN LATERAL (SELECT 1 FROM $S.task_ready r WHERE r.lane = u.lane LIMIT 1) x) THEN
          -- What others hold at this moment is soon taken, or free again.
          v_next := CASE WHEN coalesce(cardinality(v_rows), 0) < v_room AND NOT v_rated THEN 20 ELSE 0 END;
        ELSE
          SELECT greatest(0, d.due - v_now) INTO v_next FROM $S.task_delayed d WHERE d.queue = c.id ORDER BY d.due LIMIT 1;
        END IF;
        IF c.rate_limit IS NOT NULL AND v_tokens < 1 THEN
          v_next := greatest(v_next, CASE WHEN v_next IS NOT NULL THEN ceil((1 - v_tokens) * c.rate_per / c.rate_limit)::bigint END);
        END IF;
      END IF;
    END IF;
    v_nexts := v_nexts || coalesce(to_json(v_next), 'null'::json);
  END LOOP;

  SELECT json_agg(t.id) INTO v_cancel FROM $S.task_running r JOIN $S.tasks t ON t.n = r.n WHERE r.worker = v_worker AND r.cancelling;
  RETURN QUERY SELECT -1, NULL::text, NULL::text, NULL::text, NULL::text, NULL::text, NULL::text, json_build_object(
    'settled', CASE WHEN coalesce(cardinality(v_settled), 0) < cardinality(p_numbers) THEN to_json(coalesce(v_settled, '{}'::bigint[])) END,
    'cancel', v_cancel, 'next', array_to_json(v_nexts), 'timeline', $S.timeline_1());
END $$;

-- Each start takes a token of its key.
CREATE FUNCTION $S.task_rated_1(p_rows $S.task_ready[], p_now bigint) RETURNS boolean LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off
AS $$
DECLARE
  k record;
  v_any boolean := false;
BEGIN
  FOR k IN SELECT t.queue, t.key, q.key_limit, q.key_per, count(*) AS size, count(*) FILTER (WHERE r.crashes = 0) AS ready
    FROM unnest(p_rows) r JOIN $S.tasks t ON t.n = r.n JOIN $S.task_queues q ON q.id = t.queue
    WHERE r.flags & 32 <> 0 AND t.key IS NOT NULL GROUP BY 1, 2, 3, 4 ORDER BY 1, 2
  LOOP
    v_any := true;
    UPDATE $S.task_keys x SET ready = x.ready - k.ready, at = greatest(x.at, p_now), tokens = least(k.key_limit,
      coalesce(x.tokens, k.key_limit) + greatest(0, p_now - x.at) * k.key_limit / k.key_per) - k.size
    WHERE x.queue = k.queue AND x.key = k.key;
    PERFORM $S.task_gate_1(k.queue, k.key, p_now);
  END LOOP;
  RETURN v_any;
END $$;
`
