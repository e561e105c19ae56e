/** The end of claims, in one step for all that a worker has finished. */
export const taskSettling: string = `
-- The numbers are in order, so that the place of one is found by halving. How: 1 done, 2 dead, 3 cancelled, 4 expired, 5 retry, 6 release; null when all are done.
CREATE FUNCTION $S.task_settle_1(
  p_worker integer, p_numbers bigint[], p_starts integer[], p_how smallint[], p_delays bigint[], p_outputs text, p_errors text, p_prints text,
  p_now bigint, OUT settled bigint[], OUT queues integer[], OUT keys text[]) LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
  v_ns bigint[];
  v_rows $S.task_running[];
  v_lanes integer[];
  v_ends $S.task_ends[];
  v_enter $S.task_ready[];
  v_flags integer;
  v_keep boolean;
  v_outputs text[] := string_to_array(p_outputs, chr(31), chr(30));
  v_errors text[] := string_to_array(p_errors, chr(31), chr(30));
  v_prints text[] := string_to_array(p_prints, chr(31), chr(30));
  v_flows bigint[];
BEGIN
  WITH gone AS (
    DELETE FROM $S.task_running r
    WHERE r.worker = p_worker AND r.n BETWEEN p_numbers[1] AND p_numbers[cardinality(p_numbers)]
      AND r.n = p_numbers[width_bucket(r.n, p_numbers)] AND r.starts = p_starts[width_bucket(r.n, p_numbers)]
    RETURNING r.n, r.lane, r.flags, r AS whole)
  SELECT array_agg(g.n), array_agg(width_bucket(g.n, p_numbers)::bigint), array_agg(DISTINCT g.lane), bit_or(g.flags), array_agg(g.whole)
  INTO v_ns, settled, v_lanes, v_flags, v_rows FROM gone g;
  IF v_ns IS NULL THEN RETURN; END IF;
  IF p_how IS NULL AND v_flags & 11 = 0 THEN
    SELECT bool_or(q.keep_count > 0) INTO v_keep FROM $S.task_lanes l JOIN $S.task_queues q ON q.id = l.queue WHERE l.id = ANY (v_lanes);
    IF NOT v_keep THEN
      DELETE FROM $S.tasks t WHERE t.n = ANY (v_ns);
      RETURN;
    END IF;
  END IF;

  IF v_flags & 3 <> 0 THEN
    SELECT array_agg(DISTINCT t.flow) INTO v_flows FROM unnest(v_rows) r JOIN $S.tasks t ON t.n = r.n WHERE t.flow IS NOT NULL;
    SELECT k.queues, k.keys INTO queues, keys FROM $S.task_keys_of_1(v_ns, v_flows) k;
    UPDATE $S.task_keys k SET used = k.used - x.size FROM (
      SELECT t.queue, t.key, count(*) AS size FROM unnest(v_rows, settled) AS r(n, rank, started, worker, lane, flags, starts, attempts, crashes, cancelling, limited, o)
      JOIN $S.tasks t ON t.n = r.n JOIN $S.task_queues q ON q.id = t.queue
      WHERE r.flags & 1 <> 0 AND (NOT q.key_order OR r.cancelling OR coalesce(p_how[r.o], 1) < 5) GROUP BY 1, 2 ORDER BY 1, 2) x
    WHERE k.queue = x.queue AND k.key = x.key;
  END IF;

  IF p_how IS NOT NULL AND (5 = ANY (p_how) OR 6 = ANY (p_how)) THEN
    UPDATE $S.tasks t SET due = p_now + p_delays[r.o], error = coalesce(v_errors[r.o], t.error)
    FROM unnest(v_rows, settled) AS r(n, rank, started, worker, lane, flags, starts, attempts, crashes, cancelling, limited, o)
    WHERE t.n = r.n AND p_how[r.o] >= 5 AND NOT r.cancelling;
    INSERT INTO $S.task_expiries (queue, expires, n) SELECT t.queue, t.expires, t.n
    FROM unnest(v_rows, settled) AS r(n, rank, started, worker, lane, flags, starts, attempts, crashes, cancelling, limited, o) JOIN $S.tasks t ON t.n = r.n
    WHERE r.flags & 4 <> 0 AND p_how[r.o] >= 5 AND NOT r.cancelling;
    WITH back AS MATERIALIZED (
      SELECT r.n, r.rank, r.lane, q.id AS queue, CASE WHEN q.key_order THEN r.flags ELSE r.flags & ~1 END AS flags, r.starts,
        r.attempts + CASE WHEN p_how[r.o] = 5 THEN 1 ELSE 0 END AS attempts, r.crashes, p_delays[r.o] AS delay,
        CASE WHEN p_how[r.o] = 5 THEN 2 ELSE 1 END AS why
      FROM unnest(v_rows, settled) AS r(n, rank, started, worker, lane, flags, starts, attempts, crashes, cancelling, limited, o)
      JOIN $S.task_lanes l ON l.id = r.lane JOIN $S.task_queues q ON q.id = l.queue
      WHERE p_how[r.o] >= 5 AND NOT r.cancelling
    ), late AS (
      INSERT INTO $S.task_delayed (n, rank, due, queue, lane, flags, starts, attempts, crashes, why)
      SELECT b.n, b.rank, p_now + b.delay, b.queue, b.lane, b.flags, b.starts, b.attempts, b.crashes, b.why FROM back b WHERE b.delay > 0)
    SELECT array_agg(ROW(b.n, b.rank, p_now, b.lane, b.flags, b.starts, b.attempts, b.crashes)::$S.task_ready) INTO v_enter
    FROM back b WHERE b.delay <= 0;
    IF v_enter IS NOT NULL THEN
      PERFORM $S.task_enter_1(v_enter);
      IF v_flags & 16 <> 0 AND v_flags & 3 = 0 THEN SELECT k.queues, k.keys INTO queues, keys FROM $S.task_keys_of_1(v_ns, '{}') k; END IF;
    END IF;
  END IF;

  SELECT array_agg(ROW(r.n, p_now, r.started, l.queue, 0, r.flags, r.starts, r.attempts + CASE WHEN p_how[r.o] = 5 THEN 1 ELSE 0 END, r.crashes, h.state,
    h.state = 2, v_prints[r.o],
    CASE WHEN h.state = 1 THEN v_outputs[r.o] END, v_errors[r.o])::$S.task_ends) INTO v_ends
  FROM unnest(v_rows, settled) AS r(n, rank, started, worker, lane, flags, starts, attempts, crashes, cancelling, limited, o)
  JOIN $S.task_lanes l ON l.id = r.lane
  CROSS JOIN LATERAL (SELECT CASE WHEN coalesce(p_how[r.o], 1) < 5 THEN coalesce(p_how[r.o], 1) ELSE 3 END::smallint AS state) h
  WHERE coalesce(p_how[r.o], 1) < 5 OR r.cancelling;
  IF v_ends IS NOT NULL THEN PERFORM $S.task_end_1(v_ends, p_now); END IF;
END $$;
`
