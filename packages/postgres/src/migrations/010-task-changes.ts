/** Changes of tasks that are rare: by callers' transactions, operators, the end of a worker, and upkeep. */
export const taskChanges: string = `
CREATE FUNCTION $S.append_tasks_1(p_columns text) RETURNS text LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE c json := p_columns::json;
BEGIN
  RETURN $S.enqueue_1(c ->> 0, c ->> 1, (c ->> 2)::integer[], c ->> 3, c ->> 4, (c ->> 5)::bigint[], (c ->> 6)::bigint[], (c ->> 7)::json, true)::text;
END $$;

CREATE FUNCTION $S.reclaim_tasks_1(p_worker text, p_dead integer, p_error text, p_fingerprint text, OUT taken integer, OUT changed json)
LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off
AS $$
DECLARE
  v_worker integer;
  v_ns bigint[];
  v_flows bigint[];
  v_queues integer[];
  v_keys record;
  v_rows $S.task_running[];
  v_ends $S.task_ends[];
  v_now bigint;
BEGIN
  -- An exchange of this worker that is under way ends first; one that comes later finds its tasks gone.
  SELECT w.id INTO v_worker FROM $S.task_workers w WHERE w.name = p_worker FOR UPDATE;
  taken := 0;
  IF NOT FOUND THEN RETURN; END IF;
  SELECT array_agg(x.n), array_agg(DISTINCT t.flow) FILTER (WHERE t.flow IS NOT NULL), array_agg(DISTINCT t.queue) FILTER (WHERE t.key IS NOT NULL)
  INTO v_ns, v_flows, v_queues
  FROM (SELECT r.n FROM $S.task_running r WHERE r.worker = v_worker ORDER BY r.n LIMIT 1000) x JOIN $S.tasks t ON t.n = x.n;
  IF v_ns IS NULL THEN
    DELETE FROM $S.task_workers w WHERE w.id = v_worker;
    RETURN;
  END IF;
  PERFORM $S.task_locks_1(v_flows, v_queues);
  v_now := $S.now_ms();
  SELECT k.queues, k.keys INTO v_keys FROM $S.task_keys_of_1(v_ns, v_flows) k;
  WITH gone AS (DELETE FROM $S.task_running r WHERE r.worker = v_worker AND r.n = ANY (v_ns) RETURNING r AS whole)
  SELECT array_agg(g.whole) INTO v_rows FROM gone g;
  SELECT array_agg(ROW(r.n, v_now, r.started, l.queue, 0, r.flags, r.starts, r.attempts, r.crashes + 1,
    CASE WHEN r.cancelling THEN 3 ELSE 2 END, NOT r.cancelling, CASE WHEN NOT r.cancelling THEN p_fingerprint END, NULL,
    CASE WHEN NOT r.cancelling THEN p_error END)::$S.task_ends) INTO v_ends
  FROM unnest(v_rows) r JOIN $S.task_lanes l ON l.id = r.lane WHERE r.cancelling OR r.crashes + 1 >= p_dead;
  INSERT INTO $S.task_expiries (queue, expires, n) SELECT t.queue, t.expires, t.n FROM unnest(v_rows) r JOIN $S.tasks t ON t.n = r.n
  WHERE r.flags & 4 <> 0 AND NOT r.cancelling AND r.crashes + 1 < p_dead;
  INSERT INTO $S.task_suspects (n, rank, since, lane, flags, starts, attempts, crashes)
  SELECT r.n, r.rank, v_now, r.lane, r.flags | CASE WHEN r.flags & 1 <> 0 AND q.key_limit IS NOT NULL THEN 32 ELSE 0 END, r.starts, r.attempts, r.crashes + 1
  FROM unnest(v_rows) r JOIN $S.task_lanes l ON l.id = r.lane JOIN $S.task_queues q ON q.id = l.queue
  WHERE NOT r.cancelling AND r.crashes + 1 < p_dead;
  IF v_ends IS NOT NULL THEN
    PERFORM $S.task_leave_1(e.n, 'running', e.flags) FROM unnest(v_ends) e WHERE e.flags & 1 <> 0;
    PERFORM $S.task_end_1(v_ends, v_now);
    PERFORM $S.task_gates_1(v_keys.queues, v_keys.keys, v_now);
  END IF;
  taken := cardinality(v_ns);
  SELECT json_agg(DISTINCT q.name) INTO changed
  FROM unnest(v_rows) r JOIN $S.task_lanes l ON l.id = r.lane JOIN $S.task_queues q ON q.id = l.queue;
END $$;

CREATE FUNCTION $S.tasks_by_id_1(p_ids text[]) RETURNS SETOF $S.task_states LANGUAGE plpgsql STABLE
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
BEGIN
  RETURN QUERY SELECT t.* FROM unnest(p_ids) WITH ORDINALITY i(id, o) JOIN $S.task_states t ON t.id = i.id ORDER BY i.o;
END $$;

CREATE FUNCTION $S.task_prioritise_1(p_n bigint, p_head bigint) RETURNS boolean LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off
AS $$
DECLARE
  t record;
  v_rank bigint;
BEGIN
  SELECT x.lane, x.rank, x.head, x.queue, x.key INTO t FROM $S.tasks x WHERE x.n = p_n;
  v_rank := t.rank + t.head - p_head;
  UPDATE $S.task_ready r SET rank = v_rank WHERE r.lane = t.lane AND r.rank = t.rank AND r.n = p_n;
  IF NOT FOUND THEN UPDATE $S.task_delayed d SET rank = v_rank WHERE d.n = p_n; END IF;
  IF NOT FOUND THEN UPDATE $S.task_waiting w SET rank = v_rank WHERE w.queue = t.queue AND w.key = t.key AND w.n = p_n; END IF;
  IF NOT FOUND THEN UPDATE $S.task_suspects r SET rank = v_rank WHERE r.lane = t.lane AND r.rank = t.rank AND r.n = p_n; END IF;
  IF NOT FOUND THEN UPDATE $S.task_blocked b SET rank = v_rank WHERE b.n = p_n; END IF;
  IF NOT FOUND THEN RETURN false; END IF;
  UPDATE $S.tasks x SET rank = v_rank, head = p_head WHERE x.n = p_n;
  RETURN true;
END $$;

-- Delays what has not started, or makes it due; with key.order what has its place keeps it.
CREATE FUNCTION $S.task_move_1(p_n bigint, p_due bigint, p_rank bigint, p_now bigint) RETURNS void LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off
AS $$
DECLARE
  s $S.task_slot := $S.task_take_1(p_n);
BEGIN
  IF s.state IS NULL THEN RETURN; END IF;
  s.due := p_due;
  s.rank := p_rank;
  UPDATE $S.tasks t SET due = p_due, rank = p_rank WHERE t.n = p_n;
  IF s.flags & 4 <> 0 THEN INSERT INTO $S.task_expiries (queue, expires, n) SELECT t.queue, t.expires, t.n FROM $S.tasks t WHERE t.n = p_n; END IF;
  s.flags := $S.task_place_1(s);
  PERFORM $S.task_put_1(s, p_now);
END $$;

-- Adds again what has ended; its number is a new one. False when retention has removed it meanwhile.
CREATE FUNCTION $S.task_again_1(p_n bigint, p_body text, p_now bigint) RETURNS boolean LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off
AS $$
DECLARE
  v_n bigint := nextval('$S.task_numbers');
  v_starts integer;
  v_pending integer;
  v_flags integer;
  t $S.tasks;
BEGIN
  DELETE FROM $S.task_ends e WHERE e.n = p_n RETURNING e.starts INTO v_starts;
  IF NOT FOUND THEN RETURN false; END IF;
  -- It takes its dedupe key no more, and holds it only for what is left of a window.
  DELETE FROM $S.task_dedupes d USING $S.tasks x WHERE x.n = p_n AND d.queue = x.queue AND d.key = x.dedupe AND d.n = p_n AND d.until <> 'window';
  UPDATE $S.task_dedupes d SET n = v_n FROM $S.tasks x WHERE x.n = p_n AND d.queue = x.queue AND d.key = x.dedupe AND d.n = p_n;
  DELETE FROM $S.task_progress p WHERE p.n = p_n;
  UPDATE $S.task_logs l SET n = v_n WHERE l.n = p_n;
  UPDATE $S.tasks c SET parent = v_n WHERE c.parent = p_n;
  UPDATE $S.tasks x SET n = v_n, added = p_now, due = p_now, rank = p_now - x.head, body = coalesce(p_body, x.body), error = NULL, expires = NULL
  WHERE x.n = p_n RETURNING x.* INTO t;
  SELECT count(*) INTO v_pending FROM $S.tasks c WHERE c.parent = v_n AND NOT EXISTS (SELECT 1 FROM $S.task_ends e WHERE e.n = c.n);
  v_flags := CASE WHEN t.flow IS NULL THEN 0 ELSE 2 END + CASE WHEN t.key IS NULL THEN 0 ELSE 16 END + CASE WHEN t.fail_fast IS NULL THEN 0 ELSE 64 END
    + CASE WHEN EXISTS (SELECT 1 FROM $S.task_logs l WHERE l.n = v_n) THEN 8 ELSE 0 END + CASE WHEN t.tenant IS NULL THEN 0 ELSE 128 END;
  UPDATE $S.task_blocked b SET pending = b.pending + 1 WHERE b.n = t.parent;
  IF v_pending > 0 THEN
    INSERT INTO $S.task_blocked (n, rank, due, queue, lane, flags, starts, pending, fail_fast)
    VALUES (v_n, t.rank, p_now, t.queue, t.lane, v_flags, v_starts, v_pending, coalesce(t.fail_fast, false));
  ELSE
    PERFORM $S.task_enter_1(ARRAY[ROW(v_n, t.rank, p_now, t.lane, v_flags, v_starts, 0, 0)::$S.task_ready]);
  END IF;
  RETURN true;
END $$;

CREATE FUNCTION $S.change_tasks_1(p_ids text[], p_action text, p_body text, p_number bigint) RETURNS text[] LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off
AS $$
DECLARE
  v_ns bigint[];
  v_flows bigint[];
  v_queues integer[];
  v_keys record;
  v_now bigint;
  v_changed text[] := '{}';
  v_done boolean;
  t record;
BEGIN
  SELECT array_agg(x.n), array_agg(DISTINCT x.flow) FILTER (WHERE x.flow IS NOT NULL), array_agg(DISTINCT x.queue)
  INTO v_ns, v_flows, v_queues FROM $S.tasks x WHERE x.id = ANY (p_ids);
  IF v_ns IS NULL THEN RETURN v_changed; END IF;
  PERFORM $S.task_locks_1(v_flows, v_queues);
  v_now := $S.now_ms();
  SELECT k.queues, k.keys INTO v_keys FROM $S.task_keys_of_1(v_ns, v_flows) k;
  FOR t IN SELECT x.n, x.id, x.head FROM $S.tasks x WHERE x.id = ANY (p_ids) ORDER BY x.n LOOP
    v_done := false;
    IF p_action = 'cancel' THEN
      v_done := $S.task_cancel_1(t.n, v_now);
    ELSIF p_action = 'prioritise' THEN
      v_done := $S.task_prioritise_1(t.n, p_number);
    ELSE
      v_done := $S.change_task_1(t.n, p_action, p_body, p_number, v_now);
    END IF;
    IF v_done THEN v_changed := v_changed || t.id; END IF;
  END LOOP;
  PERFORM $S.task_gates_1(v_keys.queues, v_keys.keys, v_now);
  RETURN v_changed;
END $$;

CREATE FUNCTION $S.change_task_1(p_n bigint, p_action text, p_body text, p_number bigint, p_now bigint) RETURNS boolean LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off
AS $$
DECLARE s record;
BEGIN
  SELECT x.state, x.why, x.head, x.rank, x.parent INTO s FROM $S.task_states x WHERE x.n = p_n;
  IF p_action = 'postpone' THEN
    IF s.state NOT IN ('delayed', 'waiting', 'ready') OR s.why = 3 THEN RETURN false; END IF;
    PERFORM $S.task_move_1(p_n, p_now + p_number, p_now + p_number - s.head, p_now);
    RETURN true;
  END IF;
  IF p_action = 'run' THEN
    IF s.state = 'delayed' AND s.why <> 3 THEN
      PERFORM $S.task_move_1(p_n, p_now, least(s.rank, p_now - s.head), p_now);
      RETURN true;
    END IF;
    IF s.state NOT IN ('dead', 'cancelled', 'expired') THEN RETURN false; END IF;
    RETURN $S.task_again_1(p_n, p_body, p_now);
  END IF;
  IF p_action <> 'discard' OR s.state NOT IN ('done', 'dead', 'cancelled', 'expired') THEN RETURN false; END IF;
  IF s.parent IS NOT NULL AND EXISTS (SELECT 1 FROM $S.tasks p WHERE p.n = s.parent
      AND NOT EXISTS (SELECT 1 FROM $S.task_ends e WHERE e.n = p.n)) THEN
    RETURN false;
  END IF;
  PERFORM $S.task_forget_1(ARRAY[p_n]);
  RETURN true;
END $$;

CREATE FUNCTION $S.task_forget_1(p_ns bigint[]) RETURNS void LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off
AS $$
BEGIN
  DELETE FROM $S.task_ends e WHERE e.n = ANY (p_ns);
  DELETE FROM $S.tasks t WHERE t.n = ANY (p_ns);
  DELETE FROM $S.task_progress p WHERE p.n = ANY (p_ns);
  DELETE FROM $S.task_logs l WHERE l.n = ANY (p_ns);
END $$;

-- Puts back a task that was taken out of its state: delayed or, when it is due, in. The gate comes after.
CREATE FUNCTION $S.task_put_1(p_slot $S.task_slot, p_now bigint) RETURNS void LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off
AS $$
BEGIN
  IF p_slot.due > p_now THEN
    INSERT INTO $S.task_delayed (n, rank, due, queue, lane, flags, starts, attempts, crashes, why)
    VALUES (p_slot.n, p_slot.rank, p_slot.due, p_slot.queue, p_slot.lane, p_slot.flags, p_slot.starts, p_slot.attempts, p_slot.crashes, 1);
  ELSE
    PERFORM $S.task_enter_1(ARRAY[ROW(p_slot.n, p_slot.rank, p_now, p_slot.lane, p_slot.flags, p_slot.starts, p_slot.attempts, p_slot.crashes)::$S.task_ready]);
  END IF;
END $$;
`
