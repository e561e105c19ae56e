const counted = (from: string): string => `(SELECT count(*)::integer FROM (SELECT 1 FROM ${from} LIMIT p_most + 1) c)`
const ends = (state: number): string =>
  `coalesce((SELECT e.n FROM ended e WHERE e.queue = q.id AND e.state = ${state}), 0)`

/** What is in the queues, for people, metrics and supervisors: looked at while tasks come and go, so it must cost little. */
export const queueStatuses: string = `
CREATE INDEX task_blocked_by_queue ON $S.task_blocked (queue);

-- All queues; of each state no more than p_most + 1 tasks are counted. A plan of so many small looks is compiled at a cost of a second if the server may,
-- and what tables of tasks held when they were analysed says nothing of now.
CREATE FUNCTION $S.queue_statuses_1(p_most integer) RETURNS TABLE (
  name text, version integer, settings text, note text, counts json, ended integer, oldest bigint, token double precision, ready_names json)
LANGUAGE plpgsql STABLE
SET jit = off SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
  v_now bigint := $S.now_ms();
BEGIN
  RETURN QUERY
  WITH ended AS MATERIALIZED (
    SELECT q.id AS queue, e.state, count(*)::integer AS n FROM $S.task_queues q CROSS JOIN LATERAL (
      SELECT x.state FROM $S.task_ends x WHERE x.queue = q.id AND NOT x.dead LIMIT 3 * p_most + 1) e GROUP BY 1, 2),
  running AS MATERIALIZED (SELECT l.queue, count(*)::integer AS n FROM $S.task_running r JOIN $S.task_lanes l ON l.id = r.lane GROUP BY 1)
  SELECT q.name, q.version, q.settings, q.note, json_build_object(
    'blocked', ${counted('$S.task_blocked b WHERE b.queue = q.id')},
    'delayed', ${counted('$S.task_delayed d WHERE d.queue = q.id')},
    'waiting', ${counted('$S.task_waiting w WHERE w.queue = q.id')},
    'ready', ${counted('$S.task_lanes l JOIN $S.task_ready r ON r.lane = l.id WHERE l.queue = q.id')},
    'suspect', ${counted('$S.task_lanes l JOIN $S.task_suspects r ON r.lane = l.id WHERE l.queue = q.id')},
    'running', coalesce((SELECT r.n FROM running r WHERE r.queue = q.id), 0),
    'done', ${ends(1)}, 'dead', ${counted('$S.task_ends e WHERE e.queue = q.id AND e.dead')},
    'cancelled', ${ends(3)}, 'expired', ${ends(4)}) AS counts,
    (SELECT coalesce(sum(e.n), 0)::integer FROM ended e WHERE e.queue = q.id) AS ended,
    (SELECT v_now - min(o.since) FROM $S.task_lanes l CROSS JOIN LATERAL (
      SELECT r.since FROM $S.task_ready r WHERE r.lane = l.id ORDER BY r.rank, r.n LIMIT 1000) o WHERE l.queue = q.id) AS oldest,
    (SELECT greatest(0, ceil((1 - least(q.rate_limit, b.tokens + greatest(0, v_now - b.at) * q.rate_limit / q.rate_per)) * q.rate_per / q.rate_limit))
      FROM $S.task_buckets b WHERE b.queue = q.id AND q.rate_limit IS NOT NULL) AS token,
    (SELECT coalesce(json_agg(l.name ORDER BY l.name), '[]') FROM $S.task_lanes l WHERE l.queue = q.id
      AND (EXISTS (SELECT 1 FROM $S.task_ready r WHERE r.lane = l.id) OR EXISTS (SELECT 1 FROM $S.task_suspects r WHERE r.lane = l.id))) AS ready_names
  FROM $S.task_queues q ORDER BY q.name;
END
$$;
`
