/** Changes that compare the version of what is stored. */
export const schedulesAndQueues: string = `
CREATE FUNCTION $S.put_queue_1(p_name text, p_version integer, p_settings text, p_note text, p_columns json) RETURNS integer LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off
AS $$
DECLARE
  v_id integer;
  o $S.task_queues;
  w $S.task_queues;
BEGIN
  IF p_version = 0 THEN
    INSERT INTO $S.task_queues (name) VALUES (p_name) ON CONFLICT (name) DO NOTHING;
    INSERT INTO $S.task_buckets (queue) SELECT q.id FROM $S.task_queues q WHERE q.name = p_name ON CONFLICT (queue) DO NOTHING;
  END IF;
  SELECT q.id INTO v_id FROM $S.task_queues q WHERE q.name = p_name;
  IF NOT FOUND THEN RETURN NULL; END IF;
  PERFORM $S.task_locks_1('{}', ARRAY[v_id]);
  SELECT q.* INTO o FROM $S.task_queues q WHERE q.id = v_id;
  IF o.version IS DISTINCT FROM p_version THEN RETURN NULL; END IF;
  w := json_populate_record(NULL::$S.task_queues, p_columns);
  UPDATE $S.task_queues q SET version = q.version + 1, settings = p_settings, note = p_note, paused = w.paused, concurrency = w.concurrency,
    rate_limit = w.rate_limit, rate_per = w.rate_per, max_waiting = w.max_waiting, key_order = w.key_order, key_concurrency = w.key_concurrency, key_limit = w.key_limit,
    key_per = w.key_per, key_gated = w.key_gated, fair = w.fair, keep_age = w.keep_age, keep_count = w.keep_count, keep_bytes = w.keep_bytes,
    dead_age = w.dead_age, dead_count = w.dead_count, dead_bytes = w.dead_bytes,
    gate_after = CASE WHEN EXISTS (SELECT 1 FROM $S.task_waiting x WHERE x.queue = v_id) THEN '' END
  WHERE q.id = v_id;
  DELETE FROM $S.task_depths d WHERE d.queue = v_id;
  IF (o.rate_limit, o.rate_per) IS DISTINCT FROM (w.rate_limit, w.rate_per) THEN
    UPDATE $S.task_buckets b SET tokens = coalesce(w.rate_limit, 0), at = $S.now_ms() WHERE b.queue = v_id;
  END IF;
  IF (o.key_limit, o.key_per) IS DISTINCT FROM (w.key_limit, w.key_per) THEN
    UPDATE $S.task_keys k SET tokens = w.key_limit, at = $S.now_ms() WHERE k.queue = v_id;
    -- What is held for a token of the former rate asks again.
    UPDATE $S.task_delayed d SET due = $S.now_ms() WHERE d.queue = v_id AND d.why = 3;
  END IF;
  IF (o.concurrency IS NULL) <> (w.concurrency IS NULL) THEN
    UPDATE $S.task_running r SET limited = CASE WHEN w.concurrency IS NOT NULL THEN v_id END
    FROM $S.task_lanes l WHERE l.queue = v_id AND r.lane = l.id;
  END IF;
  RETURN p_version + 1;
END $$;

CREATE FUNCTION $S.put_schedule_1(p_name text, p_spec text, p_next bigint, p_last bigint, p_version integer) RETURNS SETOF $S.schedules LANGUAGE plpgsql
AS $$
BEGIN
  IF p_version = 0 THEN
    RETURN QUERY INSERT INTO $S.schedules (name, version, spec, next_at, last_at) VALUES (p_name, 1, p_spec, p_next, p_last)
    ON CONFLICT (name) DO NOTHING RETURNING *;
  ELSE
    RETURN QUERY UPDATE $S.schedules s SET version = s.version + 1, spec = p_spec, next_at = p_next, last_at = p_last
    WHERE s.name = p_name AND s.version = p_version RETURNING s.*;
  END IF;
END $$;

CREATE FUNCTION $S.fire_schedule_1(p_name text, p_spec text, p_next bigint, p_last bigint, p_version integer, p_tasks json) RETURNS boolean LANGUAGE plpgsql
AS $$
BEGIN
  UPDATE $S.schedules s SET version = s.version + 1, spec = p_spec, next_at = p_next, last_at = p_last WHERE s.name = p_name AND s.version = p_version;
  IF NOT FOUND THEN RETURN false; END IF;
  IF p_tasks IS NOT NULL THEN
    PERFORM $S.enqueue_1(p_tasks ->> 0, p_tasks ->> 1, (p_tasks ->> 2)::integer[], p_tasks ->> 3, p_tasks ->> 4, (p_tasks ->> 5)::bigint[],
      (p_tasks ->> 6)::bigint[], (p_tasks ->> 7)::json, false, true);
  END IF;
  RETURN true;
END $$;
`
