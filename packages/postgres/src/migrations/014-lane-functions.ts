/**
 * Steps of the side lane in one statement: each takes the row of its group, which counts the entries, so that whoever holds it must be quick.
 * Under a token they are not synced: what comes after them, the progress that passes the event, is lost with them or not at all.
 */
export const laneFunctions: string = `
CREATE FUNCTION $S.refresh_lane_keys_1(p_group integer, p_partition integer, p_order_keys text[]) RETURNS void LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off SET plan_cache_mode = force_generic_plan
AS $$
BEGIN
  UPDATE $S.lane_keys k SET ready_at = CASE WHEN k.parked THEN NULL ELSE (
    SELECT l.due FROM $S.lane l WHERE l.group_id = p_group AND l.partition_id = p_partition AND l.order_key = k.order_key
    ORDER BY l.seq, l.entry LIMIT 1) END
  WHERE k.group_id = p_group AND k.partition_id = p_partition AND k.order_key = ANY (p_order_keys);
  DELETE FROM $S.lane_keys WHERE group_id = p_group AND partition_id = p_partition AND order_key = ANY (p_order_keys)
    AND waiting = 0 AND NOT parked;
END $$;

CREATE FUNCTION $S.park_lane_keys_1(p_group integer, p_partition integer, p_lane_keys text[]) RETURNS void LANGUAGE sql
AS $$
  INSERT INTO $S.lane_keys (group_id, partition_id, order_key, lane_key, parked)
  SELECT p_group, p_partition, 'k' || k, k, true FROM (SELECT DISTINCT unnest(p_lane_keys) AS k) n ORDER BY k
  ON CONFLICT (group_id, partition_id, order_key) DO UPDATE SET parked = true
$$;

CREATE FUNCTION $S.add_to_lane_1(
  p_group integer, p_partition integer, p_token bigint, p_capacity bigint, p_rows json) RETURNS boolean LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
  v_order_keys text[];
  v_parked text[];
  v_held bigint;
BEGIN
  -- Synced: whoever adds goes on in the belief that the lane has the event, also when the server goes down and comes back without what it had not synced.
  IF p_token IS NOT NULL THEN
    PERFORM 1 FROM $S.progress q WHERE q.group_id = p_group AND q.partition_id = p_partition AND q.token = $S.live_token_1(p_token) FOR UPDATE;
    IF NOT FOUND THEN RETURN false; END IF;
  END IF;
  INSERT INTO $S.lane (group_id, partition_id, seq, generation, lane_key, order_key, due, attempts, first_failed, reason,
    event_id, type, key, recorded, body)
  SELECT p_group, p_partition, r.seq, r.generation, r.lane_key, r.order_key, $S.now_ms() + ceil(r.delay)::bigint, r.attempts,
    r.first_failed, r.reason, r.event_id, r.type, r.key, r.recorded, r.body
  FROM ROWS FROM (json_to_recordset(p_rows) AS (seq bigint, generation bigint, lane_key text, order_key text,
    delay float8, attempts integer, first_failed bigint, reason text, event_id text, type text, key text,
    recorded bigint, body text)) WITH ORDINALITY AS r(seq, generation, lane_key, order_key, delay, attempts,
    first_failed, reason, event_id, type, key, recorded, body, n)
  ORDER BY r.n ON CONFLICT DO NOTHING;
  SELECT array_agg(DISTINCT r.order_key), array_agg(DISTINCT r.lane_key) FILTER (WHERE r.reason = 'parked' AND r.lane_key IS NOT NULL)
  INTO v_order_keys, v_parked FROM json_to_recordset(p_rows) AS r(order_key text, lane_key text, reason text);
  IF v_parked IS NOT NULL THEN PERFORM $S.park_lane_keys_1(p_group, p_partition, v_parked); END IF;
  PERFORM $S.refresh_lane_keys_1(p_group, p_partition, v_order_keys);
  SELECT g.lane_entries INTO v_held FROM $S.groups g WHERE g.id = p_group;
  IF v_held > p_capacity THEN RAISE EXCEPTION '%', v_held USING ERRCODE = 'MRFUL'; END IF;
  RETURN true;
END $$;

CREATE FUNCTION $S.settle_lane_1(
  p_group text, p_topic text, p_partition integer, p_token bigint, p_done bigint[], p_postponed json, p_park text[])
RETURNS boolean LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
  v_group integer;
  v_partition integer;
  v_gone text[];
  v_later text[];
BEGIN
  -- What is lost of this is done again; but a key that is not parked any more would pass a dead letter.
  IF coalesce(cardinality(p_park), 0) = 0 THEN PERFORM set_config('synchronous_commit', 'off', true); END IF;
  SELECT q.group_id, q.partition_id INTO v_group, v_partition FROM $S.progress q
  WHERE q.group_id = (SELECT g.id FROM $S.groups g WHERE g.name = p_group)
    AND q.partition_id = (SELECT p.id FROM $S.partitions p JOIN $S.topics t ON t.id = p.topic
      WHERE t.name = p_topic AND p.partition = p_partition)
    AND q.token = $S.live_token_1(p_token) FOR UPDATE;
  IF NOT FOUND THEN RETURN false; END IF;
  IF cardinality(p_done) > 0 THEN
    WITH gone AS (
      DELETE FROM $S.lane WHERE entry = ANY (p_done) AND group_id = v_group AND partition_id = v_partition RETURNING order_key)
    SELECT array_agg(DISTINCT order_key) INTO v_gone FROM gone;
  END IF;
  IF p_postponed IS NOT NULL THEN
    WITH later AS (
      UPDATE $S.lane l SET due = $S.now_ms() + ceil(r.delay)::bigint, attempts = r.attempts, first_failed = r.first_failed
      FROM json_to_recordset(p_postponed) AS r(entry bigint, delay float8, attempts integer, first_failed bigint)
      WHERE l.entry = r.entry AND l.group_id = v_group AND l.partition_id = v_partition RETURNING l.order_key)
    SELECT array_agg(DISTINCT order_key) INTO v_later FROM later;
  END IF;
  IF cardinality(p_park) > 0 THEN
    PERFORM $S.park_lane_keys_1(v_group, v_partition, p_park);
    v_later := v_later || (SELECT array_agg('k' || k) FROM unnest(p_park) k);
  END IF;
  PERFORM $S.refresh_lane_keys_1(v_group, v_partition, coalesce(v_gone, '{}') || coalesce(v_later, '{}'));
  RETURN true;
END $$;
`
