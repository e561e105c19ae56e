/** Which new tasks are let in, and what is told of the others. */
export const taskAdmission: string = `
-- What was not added: duplicates by place with their holder, of ids that are there with something else name and body of that, and places that were refused.
CREATE FUNCTION $S.task_odd_1(
  p_lanes integer[], p_pairs integer[], p_ids text[], p_bodies text[], p_duplicates text[], p_refused boolean[]) RETURNS json LANGUAGE sql VOLATILE
AS $$
  SELECT json_agg(CASE WHEN x.refused THEN json_build_array(x.o) WHEN x.holder IS NULL THEN json_build_array(x.o, x.id, x.name, x.body)
    ELSE json_build_array(x.o, x.holder) END) FROM (
    SELECT i.o, i.id, p_duplicates[i.o] AS holder, p_refused[i.o] AS refused, l.name, t.body
    FROM unnest(p_ids, p_bodies) WITH ORDINALITY i(id, body, o)
    JOIN $S.task_lanes w ON w.id = p_lanes[coalesce(p_pairs[i.o], 1)]
    LEFT JOIN $S.tasks t ON t.id = i.id LEFT JOIN $S.task_lanes l ON l.id = t.lane
    WHERE p_duplicates[i.o] IS NOT NULL OR p_refused[i.o] OR t.body <> i.body OR l.name <> w.name) x
$$;

-- How many more tasks queues take, of those that have less room than is wanted. Counted again when all numbers that were given since could have taken
-- it; above 1,000 not at once again, unless a tenth more may have come: a count of many costs. What a transaction of a caller counts is for itself
-- alone, for it may stay open for long.
CREATE FUNCTION $S.task_room_1(p_queues integer[], p_sizes integer[], p_keep boolean, OUT queues integer[], OUT rooms bigint[]) LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off
AS $$
DECLARE
  q record;
  v_n bigint;
  v_now bigint;
  v_depth bigint;
BEGIN
  FOR q IN SELECT a.id, a.max_waiting AS most, u.size, d.depth, d.n, d.at FROM unnest(p_queues, p_sizes) u(queue, size)
    JOIN $S.task_queues a ON a.id = u.queue LEFT JOIN $S.task_depths d ON d.queue = a.id WHERE a.max_waiting IS NOT NULL ORDER BY a.id LOOP
    SELECT CASE WHEN s.is_called THEN s.last_value ELSE 0 END INTO v_n FROM $S.task_numbers s;
    CONTINUE WHEN q.depth + v_n - q.n + q.size <= q.most;
    v_now := $S.now_ms();
    v_depth := q.depth;
    IF q.depth > 1000 AND v_now - q.at < q.depth / 200 AND (q.depth >= q.most OR q.depth + v_n - q.n < q.most + q.most / 10) THEN
      CONTINUE WHEN q.depth < q.most;
    ELSE
      SELECT count(*) INTO v_depth FROM (
        SELECT 1 FROM $S.task_lanes l JOIN $S.task_ready r ON r.lane = l.id WHERE l.queue = q.id
        UNION ALL SELECT 1 FROM $S.task_delayed d WHERE d.queue = q.id
        UNION ALL SELECT 1 FROM $S.task_waiting w WHERE w.queue = q.id
        UNION ALL SELECT 1 FROM $S.task_blocked b WHERE b.queue = q.id
        UNION ALL SELECT 1 FROM $S.task_lanes l JOIN $S.task_suspects r ON r.lane = l.id WHERE l.queue = q.id
        LIMIT q.most) c;
      IF NOT p_keep THEN
        NULL;
      ELSIF q.depth IS NULL THEN
        INSERT INTO $S.task_depths (queue, depth, n, at) VALUES (q.id, v_depth, v_n, v_now) ON CONFLICT (queue) DO NOTHING;
      ELSE
        PERFORM 1 FROM $S.task_depths d WHERE d.queue = q.id FOR UPDATE SKIP LOCKED;
        IF FOUND THEN UPDATE $S.task_depths d SET depth = v_depth, n = v_n, at = v_now WHERE d.queue = q.id; END IF;
      END IF;
    END IF;
    CONTINUE WHEN v_depth + q.size <= q.most;
    queues := queues || q.id;
    rooms := rooms || (q.most - v_depth);
  END LOOP;
END $$;

-- Which tasks of a call find no room. New ones take it in their order; a flow comes as a whole where each of its queues has some left. What has a
-- dedupe key that is held, or comes twice, adds nothing.
CREATE FUNCTION $S.task_refused_1(
  p_queues integer[], p_rooms bigint[], p_of integer[], p_pairs integer[], p_ids text[], p_there boolean[], p_extras json, p_now bigint)
RETURNS boolean[] LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off
AS $$
DECLARE
  v_rooms bigint[] := p_rooms;
  v_refused boolean[] := array_fill(false, ARRAY[cardinality(p_ids)]);
  v_fits boolean;
  f record;
  i integer;
BEGIN
  FOR f IN
    WITH RECURSIVE task AS (
      SELECT i.o::integer AS o, array_position(p_ids, x.parent) AS above, x.dedupe, p_of[p_pairs[i.o]] AS queue,
        NOT p_there[i.o] AND array_position(p_ids, i.id) = i.o AND NOT EXISTS (
          SELECT 1 FROM $S.task_dedupes d WHERE d.queue = p_of[p_pairs[i.o]] AND d.key = x.dedupe AND CASE d.until WHEN 'window' THEN d.expires > p_now
            ELSE EXISTS (SELECT 1 FROM $S.task_states s WHERE s.n = d.n AND s.ended IS NULL AND (d.until = 'end' OR s.starts = 0)) END) AS fresh
      FROM unnest(p_ids) WITH ORDINALITY i(id, o)
      LEFT JOIN json_to_recordset(p_extras) AS x(o integer, parent text, dedupe text) ON x.o = i.o
    ), root AS (
      SELECT t.o, t.o AS root FROM task t WHERE t.above IS NULL
      UNION ALL SELECT t.o, r.root FROM root r JOIN task t ON t.above = r.o
    )
    SELECT array_agg(t.o ORDER BY t.o) AS os, array_agg(array_position(p_queues, t.queue) ORDER BY t.o) AS places
    FROM task t JOIN root r ON r.o = t.o
    WHERE t.fresh AND (t.dedupe IS NULL OR NOT EXISTS (SELECT 1 FROM task e WHERE e.queue = t.queue AND e.dedupe = t.dedupe AND e.fresh AND e.o < t.o))
    GROUP BY r.root ORDER BY min(t.o)
  LOOP
    SELECT coalesce(bool_and(v_rooms[p.place] > 0), true) INTO v_fits FROM unnest(f.places) p(place) WHERE p.place IS NOT NULL;
    FOR i IN 1..cardinality(f.os) LOOP
      IF NOT v_fits THEN v_refused[f.os[i]] := true;
      ELSIF f.places[i] IS NOT NULL THEN v_rooms[f.places[i]] := v_rooms[f.places[i]] - 1;
      END IF;
    END LOOP;
  END LOOP;
  RETURN v_refused;
END $$;
`
