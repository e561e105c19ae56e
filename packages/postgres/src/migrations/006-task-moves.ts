/**
 * Moves of tasks between their states, which the functions that are called from outside share. Only what has a key with limits, belongs to a flow
 * or expires goes one by one; everything else moves in sets.
 */
export const taskMoves: string = `
CREATE FUNCTION $S.task_lanes_1(p_queues text, p_names text) RETURNS integer[] LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off
AS $$
DECLARE
  v_lanes integer[];
  v_queues text[] := string_to_array(p_queues, chr(31));
  v_names text[] := string_to_array(p_names, chr(31));
BEGIN
  FOR i IN 1..2 LOOP
    SELECT array_agg(l.id ORDER BY p.o) INTO v_lanes FROM unnest(v_queues, v_names) WITH ORDINALITY p(queue, name, o)
    LEFT JOIN $S.task_queues q ON q.name = p.queue LEFT JOIN $S.task_lanes l ON l.queue = q.id AND l.name = p.name;
    EXIT WHEN i = 2 OR array_position(v_lanes, NULL) IS NULL;
    INSERT INTO $S.task_queues (name) SELECT DISTINCT p.queue FROM unnest(v_queues) p(queue) ORDER BY 1 ON CONFLICT (name) DO NOTHING;
    INSERT INTO $S.task_buckets (queue) SELECT q.id FROM $S.task_queues q WHERE q.name = ANY (v_queues) ORDER BY 1 ON CONFLICT (queue) DO NOTHING;
    INSERT INTO $S.task_lanes (queue, name) SELECT DISTINCT q.id, p.name FROM unnest(v_queues, v_names) p(queue, name)
    JOIN $S.task_queues q ON q.name = p.queue ORDER BY 1, 2 ON CONFLICT (queue, name) DO NOTHING;
  END LOOP;
  RETURN v_lanes;
END $$;

CREATE FUNCTION $S.task_locks_1(p_flows bigint[], p_queues integer[]) RETURNS void LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off
AS $$
DECLARE v_queues integer[] := p_queues;
BEGIN
  IF cardinality(p_flows) > 0 THEN
    PERFORM 1 FROM $S.task_flows f WHERE f.id = ANY (p_flows) ORDER BY f.id FOR UPDATE;
    SELECT v_queues || array_agg(DISTINCT u.queue) INTO v_queues FROM $S.task_flows f, unnest(f.queues) u(queue) WHERE f.id = ANY (p_flows);
  END IF;
  IF cardinality(v_queues) > 0 THEN
    PERFORM 1 FROM $S.task_buckets b WHERE b.queue = ANY (v_queues) ORDER BY b.queue FOR UPDATE;
  END IF;
END $$;

-- Gives the free places of a key to what waits for them.
CREATE FUNCTION $S.task_gate_1(p_queue integer, p_key text, p_now bigint) RETURNS void LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off
AS $$
DECLARE
  q record;
  k $S.task_keys;
  w $S.task_waiting;
BEGIN
  IF NOT EXISTS (SELECT 1 FROM $S.task_waiting x WHERE x.queue = p_queue AND x.key = p_key) THEN RETURN; END IF;
  SELECT s.key_order, s.key_concurrency, s.key_limit, s.key_per INTO q FROM $S.task_queues s WHERE s.id = p_queue;
  SELECT x.* INTO k FROM $S.task_keys x WHERE x.queue = p_queue AND x.key = p_key FOR UPDATE;
  IF NOT FOUND THEN
    INSERT INTO $S.task_keys AS x (queue, key, tokens, at) VALUES (p_queue, p_key, q.key_limit, p_now)
    ON CONFLICT (queue, key) DO UPDATE SET at = x.at RETURNING x.* INTO k;
  END IF;
  k.tokens := least(q.key_limit, coalesce(k.tokens, q.key_limit) + greatest(0, p_now - k.at) * q.key_limit / q.key_per);
  k.at := greatest(k.at, p_now);
  LOOP
    SELECT x.* INTO w FROM $S.task_waiting x WHERE x.queue = p_queue AND x.key = p_key AND x.flags & 1 <> 0 ORDER BY x.n LIMIT 1;
    IF NOT FOUND THEN
      EXIT WHEN k.used >= q.key_concurrency OR (q.key_limit IS NOT NULL AND (k.held OR k.ready >= q.key_limit));
      IF q.key_order THEN
        SELECT x.* INTO w FROM $S.task_waiting x WHERE x.queue = p_queue AND x.key = p_key ORDER BY x.n LIMIT 1;
      ELSE
        SELECT x.* INTO w FROM $S.task_waiting x WHERE x.queue = p_queue AND x.key = p_key ORDER BY x.rank, x.n LIMIT 1;
      END IF;
      EXIT WHEN NOT FOUND;
    END IF;
    IF q.key_limit IS NOT NULL AND w.crashes = 0 AND k.tokens < least(q.key_limit, k.ready + 1) THEN
      DELETE FROM $S.task_waiting x WHERE x.queue = p_queue AND x.key = p_key AND x.n = w.n;
      INSERT INTO $S.task_delayed (n, rank, due, queue, lane, flags, starts, attempts, crashes, why)
      VALUES (w.n, w.rank, p_now + ceil((least(q.key_limit, k.ready + 1) - k.tokens) * q.key_per / q.key_limit)::bigint, p_queue, w.lane,
        w.flags | 1, w.starts, w.attempts, w.crashes, 3);
      k.held := true;
      k.used := k.used + 1 - (w.flags & 1);
      CONTINUE;
    END IF;
    DELETE FROM $S.task_waiting x WHERE x.queue = p_queue AND x.key = p_key AND x.n = w.n;
    k.used := k.used + 1 - (w.flags & 1);
    w.flags := w.flags | 1 | CASE WHEN q.key_limit IS NULL THEN 0 ELSE 32 END;
    IF w.crashes = 0 THEN
      k.ready := k.ready + CASE WHEN q.key_limit IS NULL THEN 0 ELSE 1 END;
      INSERT INTO $S.task_ready (n, rank, since, lane, flags, starts, attempts, crashes)
      VALUES (w.n, w.rank, p_now, w.lane, w.flags, w.starts, w.attempts, 0);
    ELSE
      INSERT INTO $S.task_suspects (n, rank, since, lane, flags, starts, attempts, crashes)
      VALUES (w.n, w.rank, p_now, w.lane, w.flags, w.starts, w.attempts, w.crashes);
    END IF;
  END LOOP;
  UPDATE $S.task_keys x SET used = k.used, ready = k.ready, held = k.held, tokens = k.tokens, at = k.at
  WHERE x.queue = p_queue AND x.key = p_key;
END $$;

CREATE FUNCTION $S.task_gates_1(p_queues integer[], p_keys text[], p_now bigint) RETURNS void LANGUAGE sql VOLATILE
AS $$
  SELECT $S.task_gate_1(g.queue, g.key, p_now)
  FROM (SELECT DISTINCT u.queue, u.key FROM unnest(p_queues, p_keys) u(queue, key) ORDER BY 1, 2) g
$$;

-- What is due: waiting where its key has limits (the gate comes after), else ready or suspect.
CREATE FUNCTION $S.task_enter_1(p_rows $S.task_ready[]) RETURNS void LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off
AS $$
DECLARE v_rows $S.task_ready[] := p_rows;
BEGIN
  IF EXISTS (SELECT 1 FROM unnest(p_rows) r WHERE r.flags & 17 <> 0) THEN
    WITH gated AS (
      INSERT INTO $S.task_waiting (n, rank, since, queue, lane, flags, starts, attempts, crashes, key)
      SELECT r.n, r.rank, r.since, t.queue, r.lane, r.flags, r.starts, r.attempts, r.crashes, t.key
      FROM unnest(p_rows) r JOIN $S.tasks t ON t.n = r.n JOIN $S.task_queues q ON q.id = t.queue
      WHERE r.flags & 1 <> 0 OR (r.flags & 16 <> 0 AND q.key_gated)
      RETURNING n)
    SELECT array_agg(r) INTO v_rows FROM unnest(p_rows) r WHERE NOT EXISTS (SELECT 1 FROM gated g WHERE g.n = r.n);
  END IF;
  INSERT INTO $S.task_ready SELECT r.* FROM unnest(v_rows) r WHERE r.crashes = 0;
  INSERT INTO $S.task_suspects SELECT r.* FROM unnest(v_rows) r WHERE r.crashes > 0;
END $$;

-- A place of a key is given up.
CREATE FUNCTION $S.task_leave_1(p_n bigint, p_state text, p_flags integer) RETURNS void LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off
AS $$
BEGIN
  IF p_flags & 1 = 0 THEN RETURN; END IF;
  UPDATE $S.task_keys k SET used = k.used - 1,
    ready = k.ready - CASE WHEN p_state = 'ready' AND p_flags & 32 <> 0 THEN 1 ELSE 0 END, held = k.held AND p_state <> 'held'
  FROM $S.tasks t WHERE t.n = p_n AND k.queue = t.queue AND k.key = t.key;
END $$;

CREATE TYPE $S.task_slot AS (
  state text, n bigint, rank bigint, due bigint, queue integer, lane integer, flags integer, starts integer, attempts integer,
  crashes integer, pending integer, fail_fast boolean);

-- Takes a task that does not run out of its state; a null state where it runs, has ended or is gone.
CREATE FUNCTION $S.task_take_1(p_n bigint) RETURNS $S.task_slot LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off
AS $$
DECLARE
  t record;
  s $S.task_slot;
BEGIN
  SELECT x.lane, x.queue, x.rank, x.key, x.expires, x.due INTO t FROM $S.tasks x WHERE x.n = p_n;
  IF NOT FOUND THEN RETURN s; END IF;
  DELETE FROM $S.task_ready r WHERE r.lane = t.lane AND r.rank = t.rank AND r.n = p_n
  RETURNING 'ready', r.n, r.rank, t.due, t.queue, r.lane, r.flags, r.starts, r.attempts, r.crashes, 0, false INTO s;
  IF NOT FOUND THEN
    DELETE FROM $S.task_delayed d WHERE d.n = p_n
    RETURNING CASE WHEN d.why = 3 THEN 'held' ELSE 'delayed' END, d.n, d.rank, d.due, d.queue, d.lane, d.flags, d.starts, d.attempts, d.crashes, 0, false
    INTO s;
  END IF;
  IF s.state IS NULL AND t.key IS NOT NULL THEN
    DELETE FROM $S.task_waiting w WHERE w.queue = t.queue AND w.key = t.key AND w.n = p_n
    RETURNING 'waiting', w.n, w.rank, t.due, w.queue, w.lane, w.flags, w.starts, w.attempts, w.crashes, 0, false INTO s;
  END IF;
  IF s.state IS NULL THEN
    DELETE FROM $S.task_suspects r WHERE r.lane = t.lane AND r.rank = t.rank AND r.n = p_n
    RETURNING 'suspect', r.n, r.rank, t.due, t.queue, r.lane, r.flags, r.starts, r.attempts, r.crashes, 0, false INTO s;
  END IF;
  IF s.state IS NULL THEN
    DELETE FROM $S.task_blocked b WHERE b.n = p_n
    RETURNING 'blocked', b.n, b.rank, b.due, b.queue, b.lane, b.flags, b.starts, 0, 0, b.pending, b.fail_fast INTO s;
  END IF;
  IF s.state IS NOT NULL THEN
    PERFORM $S.task_leave_1(p_n, s.state, s.flags);
    IF s.flags & 4 <> 0 THEN
      DELETE FROM $S.task_expiries e WHERE e.queue = t.queue AND e.expires = t.expires AND e.n = p_n;
    END IF;
  END IF;
  RETURN s;
END $$;

-- Stores how tasks have ended, or forgets them where nothing is kept; then what their flows make of it. They have left their states already.
CREATE FUNCTION $S.task_end_1(p_ends $S.task_ends[], p_now bigint) RETURNS void LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
  v_gone bigint[];
  v_noted bigint[];
BEGIN
  SELECT array_agg(e.n), array_agg(e.n) FILTER (WHERE e.flags & 8 <> 0) INTO v_gone, v_noted
  FROM unnest(p_ends) e JOIN $S.task_queues q ON q.id = e.queue
  WHERE CASE WHEN e.dead THEN q.dead_count ELSE q.keep_count END <= 0
    AND (e.flags & 2 = 0 OR NOT EXISTS (SELECT 1 FROM $S.tasks t JOIN $S.tasks p ON p.n = t.parent
      WHERE t.n = e.n AND NOT EXISTS (SELECT 1 FROM $S.task_ends x WHERE x.n = p.n)));
  IF v_gone IS NULL OR cardinality(v_gone) < cardinality(p_ends) THEN
    INSERT INTO $S.task_ends (n, ended, started, queue, bytes, flags, starts, attempts, crashes, state, dead, fingerprint, output, error)
    SELECT e.n, e.ended, e.started, e.queue, octet_length(t.body) + coalesce(octet_length(e.output), 0) + coalesce(octet_length(e.error), 0),
      e.flags, e.starts, e.attempts, e.crashes, e.state, e.dead, e.fingerprint, e.output, e.error
    FROM unnest(p_ends) e JOIN $S.tasks t ON t.n = e.n WHERE v_gone IS NULL OR e.n <> ALL (v_gone);
  END IF;
  IF EXISTS (SELECT 1 FROM unnest(p_ends) e WHERE e.flags & 2 <> 0) THEN PERFORM $S.task_flow_1(p_ends, p_now); END IF;
  IF v_gone IS NOT NULL THEN
    DELETE FROM $S.tasks t WHERE t.n = ANY (v_gone);
    IF v_noted IS NOT NULL THEN
      DELETE FROM $S.task_progress p WHERE p.n = ANY (v_noted);
      DELETE FROM $S.task_logs l WHERE l.n = ANY (v_noted);
    END IF;
  END IF;
END $$;

-- Ends a task that was taken out of its state.
CREATE FUNCTION $S.task_close_1(p_slot $S.task_slot, p_state smallint, p_error text, p_fingerprint text, p_now bigint) RETURNS void LANGUAGE sql VOLATILE
AS $$
  SELECT $S.task_end_1(ARRAY[ROW(p_slot.n, p_now, NULL, p_slot.queue, 0,
    p_slot.flags | CASE WHEN p_slot.state = 'blocked' THEN 256 ELSE 0 END, p_slot.starts, p_slot.attempts, p_slot.crashes, p_state,
    p_state = 2, p_fingerprint, NULL, p_error)::$S.task_ends], p_now)
$$;

-- Cancels what has not started, asks what runs; whether there was anything to cancel. One that is on its way from one state to another while it is
-- looked for is in none of them: it is looked for again when it has arrived.
CREATE FUNCTION $S.task_cancel_1(p_n bigint, p_now bigint) RETURNS boolean LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off
AS $$
DECLARE s $S.task_slot;
BEGIN
  FOR i IN 1..10 LOOP
    s := $S.task_take_1(p_n);
    IF s.state IS NOT NULL THEN
      PERFORM $S.task_close_1(s, 3::smallint, NULL, NULL, p_now);
      RETURN true;
    END IF;
    UPDATE $S.task_running r SET cancelling = true FROM $S.task_workers w WHERE r.worker = w.id AND r.n = p_n;
    IF FOUND THEN RETURN true; END IF;
    EXIT WHEN NOT EXISTS (SELECT 1 FROM $S.tasks t WHERE t.n = p_n) OR EXISTS (SELECT 1 FROM $S.task_ends e WHERE e.n = p_n);
  END LOOP;
  RETURN false;
END $$;

CREATE FUNCTION $S.task_flow_1(p_ends $S.task_ends[], p_now bigint) RETURNS void LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off
AS $$
DECLARE
  e record;
  b $S.task_blocked;
BEGIN
  FOR e IN SELECT x.n, x.state, x.flags, t.parent, t.id, l.name
    FROM unnest(p_ends) x JOIN $S.tasks t ON t.n = x.n JOIN $S.task_lanes l ON l.id = t.lane WHERE x.flags & 2 <> 0 ORDER BY x.n LOOP
    -- One that ends while it waits for its children needs the rest of them no more.
    IF e.flags & 256 <> 0 THEN
      PERFORM $S.task_cancel_1(c.n, p_now) FROM (
        SELECT t.n FROM $S.tasks t WHERE t.parent = e.n AND NOT EXISTS (SELECT 1 FROM $S.task_ends x WHERE x.n = t.n) ORDER BY t.n) c;
    END IF;
    CONTINUE WHEN e.parent IS NULL;
    UPDATE $S.task_blocked x SET pending = x.pending - 1 WHERE x.n = e.parent RETURNING x.* INTO b;
    CONTINUE WHEN NOT FOUND;
    IF e.state <> 1 AND b.fail_fast THEN
      PERFORM $S.task_close_1($S.task_take_1(b.n), 2::smallint, json_build_object('code', 'task_child_failed', 'message',
        'The child ' || e.id || ' (' || e.name || ') ended as ' || (ARRAY['done', 'dead', 'cancelled', 'expired'])[e.state] || '.',
        'fingerprint', 'task_child_failed')::text, 'task_child_failed', p_now);
    ELSIF b.pending <= 0 THEN
      DELETE FROM $S.task_blocked x WHERE x.n = b.n;
      IF b.due > p_now THEN
        INSERT INTO $S.task_delayed (n, rank, due, queue, lane, flags, starts, attempts, crashes, why)
        VALUES (b.n, b.rank, b.due, b.queue, b.lane, b.flags, b.starts, 0, 0, 1);
      ELSE
        PERFORM $S.task_enter_1(ARRAY[ROW(b.n, b.rank, p_now, b.lane, b.flags, b.starts, 0, 0)::$S.task_ready]);
      END IF;
    END IF;
  END LOOP;
END $$;

-- The keys that have to be looked at after these tasks and flows have moved.
CREATE FUNCTION $S.task_keys_of_1(p_ns bigint[], p_flows bigint[], OUT queues integer[], OUT keys text[]) LANGUAGE sql VOLATILE
AS $$
  SELECT coalesce(array_agg(k.queue), '{}'), coalesce(array_agg(k.key), '{}') FROM (
    SELECT t.queue, t.key FROM $S.tasks t WHERE t.n = ANY (p_ns) AND t.key IS NOT NULL
    UNION
    SELECT t.queue, t.key FROM $S.tasks t WHERE t.flow = ANY (p_flows) AND t.key IS NOT NULL) k
$$;
`
