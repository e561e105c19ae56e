/**
 * What workers and those who enqueue call. Tasks without key, turns, deduplication, flow or expiry go in a few statements for the whole batch and
 * lock nothing that others might want; the rest holds the lock of its queue's bucket where the queue has limits.
 */
export const taskFunctions: string = `
CREATE FUNCTION $S.enqueue_1(
  p_queues text, p_names text, p_pairs integer[], p_ids text, p_bodies text, p_heads bigint[], p_delays bigint[], p_extras json, p_joined boolean,
  p_always boolean DEFAULT false)
RETURNS json LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
  v_now bigint;
  v_lanes integer[] := $S.task_lanes_1(p_queues, p_names);
  v_of integer[];
  v_ids text[] := string_to_array(p_ids, chr(31));
  v_bodies text[] := string_to_array(p_bodies, chr(31));
  v_pairs integer[] := p_pairs;
  v_added bigint;
  v_bounded integer[]; v_short integer[]; v_rooms bigint[];
BEGIN
  IF cardinality(v_ids) <> cardinality(v_bodies) THEN
    RAISE EXCEPTION 'the columns of the batch differ in length' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  SELECT array_agg(l.queue ORDER BY u.o), array_agg(l.queue) FILTER (WHERE q.max_waiting IS NOT NULL) INTO v_of, v_bounded
  FROM unnest(v_lanes) WITH ORDINALITY u(lane, o) JOIN $S.task_lanes l ON l.id = u.lane JOIN $S.task_queues q ON q.id = l.queue;
  IF v_bounded IS NOT NULL AND NOT p_always THEN
    SELECT r.queues, r.rooms INTO v_short, v_rooms FROM (
      SELECT array_agg(s.queue) AS queues, array_agg(s.size) AS sizes FROM (
        SELECT v_of[coalesce(p_pairs[i], 1)] AS queue, count(*)::integer AS size FROM generate_series(1, cardinality(v_ids)) i GROUP BY 1) s) b,
      $S.task_room_1(b.queues, b.sizes, NOT p_joined) r;
  END IF;
  IF p_extras IS NOT NULL OR v_short IS NOT NULL THEN
    RETURN $S.enqueue_each_1(v_lanes, v_of, coalesce(v_pairs, array_fill(1, ARRAY[cardinality(v_ids)])), v_ids, v_bodies,
      coalesce(p_heads, array_fill(0::bigint, ARRAY[cardinality(v_ids)])), coalesce(p_delays, array_fill(0::bigint, ARRAY[cardinality(v_ids)])),
      coalesce(p_extras, '[]'), p_joined, v_short, v_rooms);
  END IF;
  v_now := $S.now_ms();
  IF p_pairs IS NULL AND p_heads IS NULL AND p_delays IS NULL THEN
    WITH added AS (
      INSERT INTO $S.tasks (n, rank, head, added, due, lane, queue, id, body)
      SELECT nextval('$S.task_numbers'), v_now, 0, v_now, v_now, v_lanes[1], v_of[1], i.id, i.body
      FROM unnest(v_ids, v_bodies) AS i(id, body)
      ON CONFLICT (id) DO NOTHING RETURNING n)
    INSERT INTO $S.task_ready (n, rank, since, lane, flags, starts, attempts, crashes)
    SELECT a.n, v_now, v_now, v_lanes[1], 0, 0, 0, 0 FROM added a;
    GET DIAGNOSTICS v_added = ROW_COUNT;
    RETURN CASE WHEN v_added < cardinality(v_ids) THEN $S.task_odd_1(v_lanes, NULL, v_ids, v_bodies, NULL, NULL) END;
  END IF;
  WITH added AS (
    INSERT INTO $S.tasks (n, rank, head, added, due, lane, queue, id, body)
    SELECT nextval('$S.task_numbers'), v_now + coalesce(i.delay, 0) - coalesce(i.head, 0), coalesce(i.head, 0), v_now, v_now + coalesce(i.delay, 0),
      v_lanes[coalesce(i.pair, 1)], v_of[coalesce(i.pair, 1)], i.id, i.body
    FROM unnest(v_ids, v_bodies, p_pairs, p_heads, p_delays) AS i(id, body, pair, head, delay)
    ON CONFLICT (id) DO NOTHING RETURNING n, rank, due, lane, queue
  ), late AS (
    INSERT INTO $S.task_delayed (n, rank, due, queue, lane, flags, starts, attempts, crashes, why)
    SELECT a.n, a.rank, a.due, a.queue, a.lane, 0, 0, 0, 0, 1 FROM added a WHERE a.due > v_now
  ), ready AS (
    INSERT INTO $S.task_ready (n, rank, since, lane, flags, starts, attempts, crashes)
    SELECT a.n, a.rank, v_now, a.lane, 0, 0, 0, 0 FROM added a WHERE a.due <= v_now)
  SELECT count(*) INTO v_added FROM added;
  RETURN CASE WHEN v_added < cardinality(v_ids) THEN $S.task_odd_1(v_lanes, p_pairs, v_ids, v_bodies, NULL, NULL) END;
END $$;

-- The same with keys, tenants, deduplication, flows and expiry.
CREATE FUNCTION $S.enqueue_each_1(
  p_lanes integer[], p_of integer[], p_pairs integer[], p_ids text[], p_bodies text[], p_heads bigint[], p_delays bigint[], p_extras json,
  p_joined boolean, p_short integer[], p_rooms bigint[])
RETURNS json LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off SET enable_hashjoin = on SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
  v_now bigint;
  v_size integer := cardinality(p_ids);
  v_ids text[] := p_ids;
  v_bodies text[] := p_bodies;
  v_heads bigint[] := p_heads;
  v_delays bigint[] := p_delays;
  v_ns bigint[];
  v_expires bigint[];
  v_turns bigint[] := array_fill(NULL::bigint, ARRAY[v_size]);
  v_keys text[];
  v_tenants text[];
  v_dedupes text[];
  v_parents bigint[];
  v_children integer[];
  v_fails boolean[];
  v_added bigint;
  v_duplicates text[] := array_fill(NULL::text, ARRAY[v_size]);
  v_skip boolean[]; v_refused boolean[];
  v_flow bigint;
  v_rows $S.task_ready[];
  e record;
  turns record;
  v_base bigint;
  v_holder text;
  v_key_queues integer[] := '{}';
  v_gate_keys text[] := '{}';
BEGIN
  -- Callers' transactions may stay open for long: they lock no queue.
  IF NOT p_joined THEN
    PERFORM $S.task_locks_1('{}', (
      SELECT array_agg(DISTINCT p_of[p_pairs[x.o]]) FROM json_to_recordset(p_extras) AS x(o integer, key text, mode text)
      LEFT JOIN $S.task_queues q ON q.id = p_of[p_pairs[x.o]] WHERE (x.key IS NOT NULL AND q.key_gated) OR x.mode IN ('replace', 'debounce')));
  END IF;
  v_now := $S.now_ms();
  SELECT array_agg(nextval('$S.task_numbers') ORDER BY g.o), array_agg(EXISTS (SELECT 1 FROM $S.tasks s WHERE s.id = g.id)
      OR g.nth > 1 ORDER BY g.o)
  INTO v_ns, v_skip
  FROM (SELECT u.id, u.o, row_number() OVER (PARTITION BY u.id ORDER BY u.o) AS nth FROM unnest(v_ids) WITH ORDINALITY u(id, o) ORDER BY u.o) g;
  SELECT array_agg(x.key ORDER BY i), array_agg(x.tenant ORDER BY i), array_agg(v_now + x.expires ORDER BY i),
    array_agg(v_ns[array_position(v_ids, x.parent)] ORDER BY i), array_agg(x.children ORDER BY i), array_agg(x.ff ORDER BY i),
    CASE WHEN count(*) FILTER (WHERE x.parent IS NOT NULL OR x.children > 0) > 0 THEN v_ns[1] END
  INTO v_keys, v_tenants, v_expires, v_parents, v_children, v_fails, v_flow
  FROM generate_series(1, v_size) i
  LEFT JOIN json_to_recordset(p_extras) AS x(o integer, key text, tenant text, expires bigint, parent text, children integer, ff boolean)
    ON x.o = i;
  v_dedupes := array_fill(NULL::text, ARRAY[v_size]);
  IF p_short IS NOT NULL THEN
    v_refused := $S.task_refused_1(p_short, p_rooms, p_of, p_pairs, v_ids, v_skip, p_extras, v_now);
    SELECT array_agg(s.skip OR s.refused ORDER BY s.o) INTO v_skip FROM unnest(v_skip, v_refused) WITH ORDINALITY s(skip, refused, o);
  END IF;

  -- Keys that nobody has are taken together, in one order, so that batches at the same time wait for each other and not in a ring.
  FOR e IN
    WITH first AS MATERIALIZED (
      SELECT DISTINCT ON (p_of[p_pairs[x.o]], x.dedupe) p_of[p_pairs[x.o]] AS queue, x.dedupe, x.until, x.win, x.o
      FROM json_to_recordset(p_extras) AS x(o integer, dedupe text, until text, win bigint, parent text, children integer)
      WHERE x.dedupe IS NOT NULL AND x.parent IS NULL AND coalesce(x.children, 0) = 0 AND NOT v_skip[x.o]
      ORDER BY 1, 2, x.o)
    INSERT INTO $S.task_dedupes AS d (queue, key, n, id, until, expires)
    SELECT f.queue, f.dedupe, v_ns[f.o], v_ids[f.o], f.until, CASE WHEN f.until = 'window' THEN v_now + f.win END FROM first f
    ORDER BY f.queue, f.dedupe
    -- The numbers ascend with the places.
    ON CONFLICT (queue, key) DO NOTHING RETURNING d.key, width_bucket(d.n, v_ns) AS o
  LOOP
    v_dedupes[e.o] := e.key;
  END LOOP;
  FOR e IN SELECT x.* FROM json_to_recordset(p_extras) AS x(o integer, dedupe text, mode text, until text, win bigint, parent text, children integer)
    WHERE x.dedupe IS NOT NULL AND x.parent IS NULL AND coalesce(x.children, 0) = 0 AND NOT v_skip[x.o]
      AND v_dedupes[x.o] IS NULL
    ORDER BY p_of[p_pairs[x.o]], x.dedupe, x.o
  LOOP
    v_holder := $S.task_dedupe_1(p_of[p_pairs[e.o]], e.dedupe, e.mode, e.until, v_now + e.win, v_ns[e.o], v_ids[e.o], v_ns, v_now);
    IF v_holder IS NULL THEN
      v_dedupes[e.o] := e.dedupe;
      CONTINUE;
    END IF;
    v_duplicates[e.o] := v_holder;
    v_skip[e.o] := true;
    CONTINUE WHEN e.mode = 'keep';
    IF array_position(v_ids, v_holder) IS NOT NULL AND NOT v_skip[array_position(v_ids, v_holder)] THEN
      v_bodies[array_position(v_ids, v_holder)] := v_bodies[e.o];
      v_expires[array_position(v_ids, v_holder)] := v_expires[e.o];
      v_heads[array_position(v_ids, v_holder)] := v_heads[e.o];
      IF e.mode = 'debounce' THEN v_delays[array_position(v_ids, v_holder)] := v_delays[e.o]; END IF;
    ELSE
      PERFORM $S.task_replace_1(v_holder, v_bodies[e.o], v_heads[e.o], v_expires[e.o],
        CASE WHEN e.mode = 'debounce' THEN v_delays[e.o] END, v_now);
      SELECT v_key_queues || t.queue, v_gate_keys || t.key INTO v_key_queues, v_gate_keys FROM $S.tasks t WHERE t.id = v_holder;
    END IF;
  END LOOP;

  FOR turns IN SELECT p_of[p_pairs[i.o]] AS queue, i.tenant, v_heads[i.o] AS head, q.fair, count(*) AS size, array_agg(i.o ORDER BY i.o) AS os
    FROM unnest(v_tenants) WITH ORDINALITY i(tenant, o) JOIN $S.task_queues q ON q.id = p_of[p_pairs[i.o]]
    WHERE i.tenant IS NOT NULL AND q.fair > 0 AND NOT v_skip[i.o] GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3
  LOOP
    INSERT INTO $S.task_tenants AS x (queue, tenant, head, turn) VALUES (turns.queue, turns.tenant, turns.head, v_now + (turns.size - 1) * turns.fair)
    ON CONFLICT (queue, tenant, head) DO UPDATE SET turn = greatest(v_now, x.turn + turns.fair) + (turns.size - 1) * turns.fair
    RETURNING x.turn - (turns.size - 1) * turns.fair INTO v_base;
    FOR i IN 1..turns.size LOOP v_turns[turns.os[i]] := v_base + (i - 1) * turns.fair; END LOOP;
  END LOOP;

  WITH added AS (
    INSERT INTO $S.tasks (n, rank, head, added, due, lane, queue, id, body, key, tenant, expires, dedupe, flow, parent, place, fail_fast)
    SELECT i.n, greatest(v_now + i.delay, i.turn) - i.head, i.head, v_now, v_now + i.delay, p_lanes[i.pair], p_of[i.pair], i.id, i.body, i.key,
      i.tenant, i.expires, i.dedupe, CASE WHEN i.parent IS NOT NULL OR i.children > 0 THEN v_flow END, i.parent, CASE WHEN i.parent IS NOT NULL THEN i.n END,
      CASE WHEN i.children > 0 THEN i.ff END
    FROM unnest(v_ns, v_ids, v_bodies, p_pairs, v_heads, v_delays, v_turns, v_keys, v_tenants, v_expires, v_dedupes, v_parents, v_children, v_fails,
      v_skip)
      WITH ORDINALITY AS i(n, id, body, pair, head, delay, turn, key, tenant, expires, dedupe, parent, children, ff, skip, o)
    WHERE NOT i.skip ORDER BY i.o
    ON CONFLICT (id) DO NOTHING RETURNING n, rank, due, lane, queue, key, tenant, expires, flow, parent, fail_fast
  ), placed AS MATERIALIZED (
    SELECT a.*, CASE WHEN v_flow IS NULL THEN 0 ELSE (SELECT count(*)::integer FROM added c WHERE c.parent = a.n) END AS pending, CASE WHEN a.flow IS NULL THEN 0 ELSE 2 END
      + CASE WHEN a.expires IS NULL THEN 0 ELSE 4 END + CASE WHEN a.key IS NULL THEN 0 ELSE 16 END
      + CASE WHEN a.fail_fast IS NULL THEN 0 ELSE 64 END
      + CASE WHEN a.tenant IS NULL THEN 0 ELSE 128 END AS flags
    FROM added a
  ), flows AS (
    INSERT INTO $S.task_flows (id, queues) SELECT v_flow, array_agg(DISTINCT p.queue) FROM placed p WHERE p.flow IS NOT NULL HAVING count(*) > 0
  ), expiring AS (
    INSERT INTO $S.task_expiries (queue, expires, n) SELECT p.queue, p.expires, p.n FROM placed p WHERE p.expires IS NOT NULL
  ), blocked AS (
    INSERT INTO $S.task_blocked (n, rank, due, queue, lane, flags, starts, pending, fail_fast)
    SELECT p.n, p.rank, p.due, p.queue, p.lane, p.flags, 0, p.pending, coalesce(p.fail_fast, false) FROM placed p WHERE p.pending > 0
  ), late AS (
    INSERT INTO $S.task_delayed (n, rank, due, queue, lane, flags, starts, attempts, crashes, why)
    SELECT p.n, p.rank, p.due, p.queue, p.lane, p.flags, 0, 0, 0, 1 FROM placed p WHERE p.pending = 0 AND p.due > v_now)
  SELECT array_agg(ROW(p.n, p.rank, v_now, p.lane, p.flags, 0, 0, 0)::$S.task_ready ORDER BY p.n)
    FILTER (WHERE p.pending = 0 AND p.due <= v_now), count(*) INTO v_rows, v_added
  FROM placed p;
  IF v_rows IS NOT NULL THEN PERFORM $S.task_enter_1(v_rows); END IF;
  IF p_joined THEN
    -- Their places are given when they are there for others to see: by the next claim.
    INSERT INTO $S.task_arrivals (n, queue, key) SELECT w.n, w.queue, w.key FROM unnest(v_rows) r JOIN $S.tasks t ON t.n = r.n
    JOIN $S.task_waiting w ON w.queue = t.queue AND w.key = t.key AND w.n = t.n;
  ELSE
    SELECT v_key_queues || array_agg(p_of[p_pairs[i.o]]), v_gate_keys || array_agg(i.key) INTO v_key_queues, v_gate_keys
    FROM unnest(v_keys) WITH ORDINALITY i(key, o) WHERE i.key IS NOT NULL;
    PERFORM $S.task_gates_1(v_key_queues, v_gate_keys, v_now);
  END IF;
  RETURN CASE WHEN v_added < v_size THEN $S.task_odd_1(p_lanes, p_pairs, v_ids, v_bodies, v_duplicates, v_refused) END;
END $$;

-- Takes a dedupe key for a task; the id of its holder when it is held. What stands in the table counts only while its holder is as it says.
CREATE FUNCTION $S.task_dedupe_1(
  p_queue integer, p_key text, p_mode text, p_until text, p_expires bigint, p_n bigint, p_id text, p_batch bigint[], p_now bigint)
RETURNS text LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off
AS $$
DECLARE
  d $S.task_dedupes;
  s record;
  v_held boolean;
BEGIN
  FOR i IN 1..3 LOOP
    SELECT x.* INTO d FROM $S.task_dedupes x WHERE x.queue = p_queue AND x.key = p_key;
    IF FOUND THEN
      IF d.n = ANY (p_batch) THEN
        v_held := true;
        IF d.until = 'window' THEN v_held := d.expires > p_now; END IF;
      ELSE
        SELECT x.state, x.starts, x.ended IS NULL AS lives INTO s FROM $S.task_states x WHERE x.n = d.n;
        v_held := CASE d.until WHEN 'window' THEN d.expires > p_now WHEN 'end' THEN coalesce(s.lives, false)
          ELSE coalesce(s.lives AND s.starts = 0, false) END
          AND (p_mode = 'keep' OR coalesce(s.lives AND s.starts = 0, false));
      END IF;
      IF v_held THEN RETURN d.id; END IF;
      UPDATE $S.task_dedupes x SET n = p_n, id = p_id, until = p_until, expires = CASE WHEN p_until = 'window' THEN p_expires END
      WHERE x.queue = p_queue AND x.key = p_key AND x.n = d.n;
    ELSE
      INSERT INTO $S.task_dedupes (queue, key, n, id, until, expires)
      VALUES (p_queue, p_key, p_n, p_id, p_until, CASE WHEN p_until = 'window' THEN p_expires END) ON CONFLICT (queue, key) DO NOTHING;
    END IF;
    IF FOUND THEN RETURN NULL; END IF;
  END LOOP;
  RETURN NULL;
END $$;

-- Gives a holder that has not started what the new task has.
CREATE FUNCTION $S.task_replace_1(p_id text, p_body text, p_head bigint, p_expires bigint, p_delay bigint, p_now bigint) RETURNS void LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off
AS $$
DECLARE
  v_n bigint;
  s $S.task_slot;
BEGIN
  SELECT t.n INTO v_n FROM $S.tasks t WHERE t.id = p_id FOR NO KEY UPDATE;
  IF NOT FOUND THEN RETURN; END IF;
  IF p_delay IS NULL THEN
    IF NOT $S.task_prioritise_1(v_n, p_head) THEN RETURN; END IF;
    PERFORM $S.task_expiry_1(v_n, p_expires);
    UPDATE $S.tasks t SET body = p_body WHERE t.n = v_n;
    RETURN;
  END IF;
  s := $S.task_take_1(v_n);
  IF s.state IS NULL THEN RETURN; END IF;
  s.due := p_now + p_delay;
  s.rank := s.due - p_head;
  s.flags := $S.task_place_1(s) & ~4 | CASE WHEN p_expires IS NULL THEN 0 ELSE 4 END;
  UPDATE $S.tasks t SET body = p_body, head = p_head, expires = p_expires, rank = s.rank, due = s.due WHERE t.n = v_n;
  IF p_expires IS NOT NULL THEN INSERT INTO $S.task_expiries (queue, expires, n) VALUES (s.queue, p_expires, v_n); END IF;
  PERFORM $S.task_put_1(s, p_now);
END $$;

-- Gives a task that has not started another expiry.
CREATE FUNCTION $S.task_expiry_1(p_n bigint, p_expires bigint) RETURNS void LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off
AS $$
DECLARE
  t record;
  v_flag integer := CASE WHEN p_expires IS NULL THEN 0 ELSE 4 END;
BEGIN
  SELECT x.lane, x.rank, x.queue, x.key, x.expires INTO t FROM $S.tasks x WHERE x.n = p_n;
  IF t.expires IS NOT DISTINCT FROM p_expires THEN RETURN; END IF;
  DELETE FROM $S.task_expiries e WHERE e.queue = t.queue AND e.expires = t.expires AND e.n = p_n;
  IF p_expires IS NOT NULL THEN INSERT INTO $S.task_expiries (queue, expires, n) VALUES (t.queue, p_expires, p_n); END IF;
  UPDATE $S.tasks x SET expires = p_expires WHERE x.n = p_n;
  UPDATE $S.task_ready r SET flags = r.flags & ~4 | v_flag WHERE r.lane = t.lane AND r.rank = t.rank AND r.n = p_n;
  UPDATE $S.task_delayed r SET flags = r.flags & ~4 | v_flag WHERE r.n = p_n;
  UPDATE $S.task_waiting r SET flags = r.flags & ~4 | v_flag WHERE r.queue = t.queue AND r.key = t.key AND r.n = p_n;
END $$;

-- A task that was taken out of its state takes its place again where its key is in order, in which it keeps that to its end; gives its flags.
CREATE FUNCTION $S.task_place_1(p_slot $S.task_slot) RETURNS integer LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off
AS $$
BEGIN
  IF p_slot.flags & 1 = 0 OR NOT (SELECT q.key_order FROM $S.task_queues q WHERE q.id = p_slot.queue) THEN RETURN p_slot.flags & ~33; END IF;
  UPDATE $S.task_keys k SET used = k.used + 1 FROM $S.tasks t WHERE t.n = p_slot.n AND k.queue = t.queue AND k.key = t.key;
  RETURN p_slot.flags & ~32;
END $$;
`
