/** Adding tasks from SQL: in triggers, functions and scripts, as part of their transaction. */
export const addTask: string = `
CREATE FUNCTION $S.add_task(
  task text, input json DEFAULT NULL, queue text DEFAULT NULL, delay interval DEFAULT '0', priority integer DEFAULT 0,
  id text DEFAULT NULL, key text DEFAULT NULL, dedupe text DEFAULT NULL)
RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  v_id text := coalesce(add_task.id, gen_random_uuid()::text);
  v_queue text := coalesce(add_task.queue, add_task.task);
  v_delay bigint := ceil(extract(epoch FROM add_task.delay) * 1000);
  v_body text;
  v_text text;
  v_reply text;
BEGIN
  FOREACH v_text IN ARRAY ARRAY[add_task.task, v_queue] LOOP
    IF v_text IS NULL OR length(v_text) > 200 OR v_text !~ '^[a-z0-9]+([._-][a-z0-9]+)*$' THEN
      RAISE EXCEPTION 'add_task: the name % is not allowed; use lower-case letters and digits in words joined by ".", "_" or "-"',
        coalesce(quote_literal(left(v_text, 80)), 'NULL') USING ERRCODE = 'invalid_parameter_value';
    END IF;
  END LOOP;
  FOREACH v_text IN ARRAY ARRAY[v_id, add_task.key, add_task.dedupe] LOOP
    IF v_text = '' OR octet_length(v_text) > 256 OR v_text ~ '[\\x01-\\x1f\\x7f]' THEN
      RAISE EXCEPTION 'add_task: id, key and dedupe have 1 to 256 bytes, and no control characters' USING ERRCODE = 'invalid_parameter_value';
    END IF;
  END LOOP;
  IF add_task.priority IS NULL OR abs(add_task.priority) > 1000 THEN
    RAISE EXCEPTION 'add_task: the priority % is not between -1000 and 1000', add_task.priority USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF v_delay IS NULL OR v_delay > 315576000000 THEN
    RAISE EXCEPTION 'add_task: the delay % is longer than ten years', add_task.delay USING ERRCODE = 'invalid_parameter_value';
  END IF;
  v_body := json_build_object('input', add_task.input, 'metadata', json_build_object('correlationId', v_id), 'unchecked', true)::text;
  IF octet_length(v_body) > 262144 THEN
    RAISE EXCEPTION 'add_task: the task has more than 262144 bytes' USING ERRCODE = 'program_limit_exceeded';
  END IF;
  v_reply := $S.append_tasks_1(json_build_array(v_queue, add_task.task, NULL, v_id, v_body,
    CASE WHEN add_task.priority <> 0 THEN format('{%s}', add_task.priority * 10000) END,
    CASE WHEN v_delay > 0 THEN format('{%s}', v_delay) END,
    CASE WHEN add_task.key IS NOT NULL OR add_task.dedupe IS NOT NULL THEN json_build_array(json_strip_nulls(json_build_object('o', 1,
      'key', add_task.key, 'dedupe', add_task.dedupe, 'mode', 'keep', 'until', 'end', 'win', 0)))::text END)::text);
  IF json_array_length(v_reply::json -> 0) = 1 THEN
    RAISE EXCEPTION 'add_task: the queue % is full', quote_literal(v_queue)
      USING ERRCODE = 'program_limit_exceeded', HINT = 'Wait until its workers have caught up, or raise maxWaiting of the queue.';
  END IF;
  -- Name and body of what has the id, where they are others. The inputs are compared as they are written first: not every JSON can be jsonb.
  IF v_reply::json -> 0 ->> 2 IS NOT NULL AND (v_reply::json -> 0 ->> 2 <> add_task.task
    OR (coalesce((v_reply::json -> 0 ->> 3)::json ->> 'input', '') <> coalesce(add_task.input #>> '{}', '')
      AND (v_reply::json -> 0 ->> 3)::jsonb -> 'input' IS DISTINCT FROM coalesce(add_task.input::jsonb, 'null'))) THEN
    RAISE EXCEPTION 'add_task: the id % is taken by a task of the name % with another input', quote_literal(v_id), v_reply::json -> 0 ->> 2
      USING ERRCODE = 'unique_violation', HINT = 'Give the task an id of its own; add the same id again only with the same input.';
  END IF;
  -- Sent when the transaction commits, once for each queue: without it, workers that are idle would find the task at their next look.
  IF v_delay <= 0 THEN PERFORM pg_notify('millrace_' || trim(BOTH '"' FROM '$S'), 'sql !task:' || v_queue); END IF;
  RETURN coalesce(v_reply::json -> 0 ->> 1, v_id);
END $$;
`
