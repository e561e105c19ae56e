/** Publishing one event alone, which is what a system with little to do does all the time: nothing in it is made for many. */
export const publishOne: string = `
-- Of the groups that are given, with the tokens of those who wait behind p_after in the event's partition: whoever has nothing before the event to
-- read has its mark stored with it, and need not ask for it. A mark that somebody else is at is left out: under the order lock nobody waits for a group.
CREATE FUNCTION $S.publish_one_1(
  p_topic text, p_partition integer, p_since bigint, p_id text, p_source text, p_type text, p_key text, p_correlation text, p_body text,
  p_groups text[], p_tokens bigint[], p_after bigint[])
RETURNS json LANGUAGE plpgsql
SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
  v_topic integer;
  v_partitions integer;
  v_segment integer;
  v_rare boolean;
  v_now bigint;
  v_probe text;
  v_place integer;
  v_seq bigint;
  v_recorded bigint;
  v_group integer;
  v_marked integer[];
BEGIN
  SELECT t.id, t.partitions, t.segment, t.max_events IS NOT NULL OR t.max_bytes IS NOT NULL
  INTO v_topic, v_partitions, v_segment, v_rare FROM $S.topics t WHERE t.name = p_topic FOR NO KEY UPDATE;
  IF NOT FOUND THEN RETURN NULL; END IF;
  v_now := $S.now_ms();

  IF NOT v_rare THEN
    SELECT string_agg(s.id::text, ',') INTO v_probe FROM $S.segments s
    WHERE s.topic = v_topic AND (s.closed_at IS NULL OR p_since > v_now OR s.closed_at >= p_since);
    EXECUTE 'SELECT true FROM $S.events e WHERE e.segment IN (' || v_probe || ') AND e.id = $1 LIMIT 1' INTO v_rare USING p_id;
  END IF;
  IF v_rare THEN
    RETURN $S.publish_1(p_topic, ARRAY[p_partition], ARRAY[1], p_since, p_id, p_source, p_type, coalesce(p_key, chr(30)),
      coalesce(p_correlation, ''), p_body);
  END IF;

  UPDATE $S.partitions p SET head = p.head + 1, bytes = p.bytes + octet_length(p_body), recorded = greatest(p.recorded, v_now)
  WHERE p.topic = v_topic AND p.partition = p_partition
  RETURNING p.id, p.head, p.recorded INTO v_place, v_seq, v_recorded;
  IF NOT FOUND THEN RETURN json_build_object('partitions', v_partitions, 'last', 1); END IF;
  INSERT INTO $S.events (segment, partition_id, seq, recorded, id, source, type, key, correlation, body)
  VALUES (v_segment, v_place, v_seq, v_recorded, p_id, p_source, p_type, p_key, p_correlation, p_body);

  FOR i IN 1..coalesce(cardinality(p_groups), 0) LOOP
    CONTINUE WHEN p_after[i] <> v_seq - 1;
    SELECT q.group_id INTO v_group FROM $S.progress q
    WHERE q.group_id = (SELECT g.id FROM $S.groups g WHERE g.name = p_groups[i]) AND q.partition_id = v_place
      AND q.token = $S.live_token_1(p_tokens[i]) FOR UPDATE SKIP LOCKED;
    CONTINUE WHEN NOT FOUND;
    UPDATE $S.progress q SET fetched_high = greatest(q.fetched_high, v_seq) WHERE q.group_id = v_group AND q.partition_id = v_place;
    v_marked := v_marked || i;
  END LOOP;

  RETURN json_build_object('partitions', v_partitions, 'bases', json_build_object(p_partition, v_seq - 1), 'last', 1, 'limited', false,
    'recorded', v_recorded, 'marked', v_marked);
END $$;
`
