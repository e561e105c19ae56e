/** What is removed of tasks by itself: what is kept no longer, what has expired, and what nobody needs any more. */
export const taskUpkeep: string = `
-- What a queue keeps of its ended tasks; how many were removed.
CREATE FUNCTION $S.retain_tasks_1(
  p_queue integer, p_dead boolean, p_age bigint, p_count bigint, p_bytes bigint, p_most integer) RETURNS integer LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off
AS $$
DECLARE
  v_ended bigint := $S.now_ms() - p_age;
  v_n bigint := 0;
  v_ns bigint[];
  x record;
BEGIN
  IF NOT EXISTS (SELECT 1 FROM $S.task_ends e WHERE e.queue = p_queue AND e.dead = p_dead) THEN RETURN 0; END IF;
  SELECT e.ended, e.n INTO x FROM $S.task_ends e WHERE e.queue = p_queue AND e.dead = p_dead ORDER BY e.ended DESC, e.n DESC OFFSET p_count LIMIT 1;
  IF FOUND AND (x.ended, x.n) > (v_ended, v_n) THEN v_ended := x.ended; v_n := x.n; END IF;
  SELECT s.ended, s.n INTO x FROM (
    SELECT e.ended, e.n, sum(e.bytes) OVER (ORDER BY e.ended DESC, e.n DESC) AS bytes FROM $S.task_ends e
    WHERE e.queue = p_queue AND e.dead = p_dead AND (e.ended, e.n) > (v_ended, v_n)) s
  WHERE s.bytes > p_bytes ORDER BY s.ended DESC, s.n DESC LIMIT 1;
  IF FOUND THEN v_ended := x.ended; v_n := x.n; END IF;
  SELECT array_agg(d.n) INTO v_ns FROM (
    SELECT e.n FROM $S.task_ends e WHERE e.queue = p_queue AND e.dead = p_dead AND (e.ended, e.n) <= (v_ended, v_n)
      AND (e.flags & 2 = 0 OR NOT EXISTS (SELECT 1 FROM $S.tasks t JOIN $S.tasks p ON p.n = t.parent
        WHERE t.n = e.n AND NOT EXISTS (SELECT 1 FROM $S.task_ends o WHERE o.n = p.n)))
    ORDER BY e.ended, e.n LIMIT p_most FOR UPDATE SKIP LOCKED) d;
  IF v_ns IS NULL THEN RETURN 0; END IF;
  PERFORM $S.task_forget_1(v_ns);
  RETURN cardinality(v_ns);
END $$;

CREATE FUNCTION $S.sweep_tasks_1(p_most integer, OUT removed integer, OUT expired integer, OUT more boolean) LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off
AS $$
DECLARE
  v_now bigint := $S.now_ms();
  v_queues integer[];
  v_flows bigint[];
  v_ns bigint[];
  v_keys text[];
  v_gone integer;
  v_workers integer[];
  s record;
  q record;
BEGIN
  removed := 0;
  expired := 0;
  more := false;
  SELECT array_agg(DISTINCT x.queue), array_agg(DISTINCT t.flow) FILTER (WHERE t.flow IS NOT NULL), array_agg(x.n) INTO v_queues, v_flows, v_ns FROM (
    SELECT e.queue, e.n FROM $S.task_queues a CROSS JOIN LATERAL (
      SELECT y.queue, y.n FROM $S.task_expiries y WHERE y.queue = a.id AND y.expires <= v_now ORDER BY y.expires, y.n LIMIT p_most) e) x
  LEFT JOIN $S.tasks t ON t.n = x.n;
  IF v_queues IS NOT NULL THEN
    PERFORM $S.task_locks_1(v_flows, v_queues);
    FOR q IN SELECT DISTINCT u.id FROM unnest(v_queues) u(id) ORDER BY 1 LOOP
      expired := expired + $S.task_expire_1(q.id, v_ns, v_now);
    END LOOP;
    more := EXISTS (SELECT 1 FROM $S.task_queues a WHERE EXISTS (SELECT 1 FROM $S.task_expiries e WHERE e.queue = a.id AND e.expires <= v_now));
  END IF;

  FOR q IN SELECT a.id, a.gate_after FROM $S.task_queues a WHERE a.gate_after IS NOT NULL AND v_queues IS NULL ORDER BY a.id LIMIT 1 LOOP
    PERFORM $S.task_locks_1('{}', ARRAY[q.id]);
    WITH RECURSIVE k AS (
      (SELECT w.key FROM $S.task_waiting w WHERE w.queue = q.id AND w.key > q.gate_after ORDER BY w.key LIMIT 1)
      UNION ALL
      SELECT (SELECT w.key FROM $S.task_waiting w WHERE w.queue = q.id AND w.key > k.key ORDER BY w.key LIMIT 1) FROM k WHERE k.key IS NOT NULL)
    SELECT array_agg(l.key) INTO v_keys FROM (SELECT k.key FROM k WHERE k.key IS NOT NULL LIMIT p_most) l;
    v_keys := coalesce(v_keys, '{}');
    PERFORM $S.task_gate_1(q.id, k.key, $S.now_ms()) FROM unnest(v_keys) k(key);
    UPDATE $S.task_queues a SET gate_after = CASE WHEN cardinality(v_keys) = p_most THEN v_keys[p_most] END WHERE a.id = q.id;
    more := more OR cardinality(v_keys) = p_most OR EXISTS (SELECT 1 FROM $S.task_queues a WHERE a.gate_after IS NOT NULL);
  END LOOP;
  more := more OR (v_queues IS NOT NULL AND EXISTS (SELECT 1 FROM $S.task_queues a WHERE a.gate_after IS NOT NULL));

  FOR q IN SELECT a.* FROM $S.task_queues a ORDER BY a.id LOOP
    v_gone := $S.retain_tasks_1(q.id, false, q.keep_age, q.keep_count, q.keep_bytes, p_most)
      + $S.retain_tasks_1(q.id, true, q.dead_age, q.dead_count, q.dead_bytes, p_most);
    removed := removed + v_gone;
    more := more OR v_gone >= p_most;
    EXIT WHEN removed >= 10 * p_most;
  END LOOP;

  DELETE FROM $S.task_dedupes d WHERE d.ctid = ANY (ARRAY(
    SELECT x.ctid FROM $S.task_dedupes x WHERE x.expires <= v_now ORDER BY x.expires LIMIT p_most FOR UPDATE SKIP LOCKED));
  SELECT x.queue, x.key INTO s FROM $S.task_sweeps x FOR UPDATE SKIP LOCKED;
  IF FOUND THEN
    WITH page AS MATERIALIZED (
      SELECT d.queue, d.key, d.n, d.until FROM $S.task_dedupes d WHERE (d.queue, d.key) > (s.queue, s.key) ORDER BY d.queue, d.key LIMIT p_most
    ), stale AS MATERIALIZED (
      SELECT p.queue, p.key, p.n FROM page p LEFT JOIN LATERAL (
        SELECT x.ended IS NULL AND (p.until = 'end' OR x.starts = 0) AS held FROM $S.task_states x WHERE x.n = p.n) h ON true
      WHERE p.until <> 'window' AND h.held IS NOT TRUE
    ), gone AS (
      DELETE FROM $S.task_dedupes d USING stale x WHERE d.queue = x.queue AND d.key = x.key AND d.n = x.n)
    UPDATE $S.task_sweeps x SET queue = coalesce(l.queue, 0), key = coalesce(l.key, '')
    FROM (SELECT 1) one LEFT JOIN (SELECT p.queue, p.key FROM page p ORDER BY 1 DESC, 2 DESC LIMIT 1) l ON true;
    DELETE FROM $S.task_keys k WHERE k.ctid = ANY (ARRAY(
      SELECT x.ctid FROM $S.task_keys x JOIN $S.task_queues a ON a.id = x.queue
      WHERE x.used <= 0 AND NOT x.held AND (a.key_limit IS NULL OR x.tokens + (v_now - x.at) * a.key_limit / a.key_per >= a.key_limit)
        AND NOT EXISTS (SELECT 1 FROM $S.task_waiting w WHERE w.queue = x.queue AND w.key = x.key)
      LIMIT p_most FOR UPDATE OF x SKIP LOCKED));
    DELETE FROM $S.task_tenants k WHERE k.ctid = ANY (ARRAY(
      SELECT x.ctid FROM $S.task_tenants x JOIN $S.task_queues a ON a.id = x.queue WHERE x.turn + a.fair <= v_now LIMIT p_most FOR UPDATE OF x SKIP LOCKED));
    DELETE FROM $S.task_flows k WHERE k.ctid = ANY (ARRAY(
      SELECT x.ctid FROM $S.task_flows x WHERE NOT EXISTS (SELECT 1 FROM $S.tasks t WHERE t.flow = x.id) LIMIT p_most FOR UPDATE SKIP LOCKED));
    -- Locked first and looked at again: a claim may have been committed since this statement began to look.
    SELECT array_agg(x.id) INTO v_workers FROM (
      SELECT w.id FROM $S.task_workers w WHERE NOT EXISTS (SELECT 1 FROM $S.task_running r WHERE r.worker = w.id) LIMIT p_most FOR UPDATE SKIP LOCKED) x;
    DELETE FROM $S.task_workers k WHERE k.id = ANY (v_workers) AND NOT EXISTS (SELECT 1 FROM $S.task_running r WHERE r.worker = k.id);
  END IF;
END $$;
`
