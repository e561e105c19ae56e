import { publishOne } from './functions/publish-one.ts'

/** A planned look locks every segment of every topic, so that with more of them a text that names the few that matter is quicker. */
const MOST_PLANNED = 50

/** The id is compared with `=`: only that way a plan that is made while a segment is empty goes through the index of ids for good. */
const LOOK = `
    DECLARE
      v_many boolean;
      v_one integer;
    BEGIN
      SELECT string_agg(s.id::text, ','), (SELECT count(*) > ${MOST_PLANNED} FROM (SELECT FROM $S.segments LIMIT ${MOST_PLANNED + 1}) l)
      INTO v_probe, v_many FROM $S.segments s
      WHERE s.topic = v_topic AND (s.closed_at IS NULL OR p_since > v_now OR s.closed_at >= p_since);
      IF v_many THEN
        EXECUTE 'SELECT true FROM $S.events e WHERE e.segment IN (' || v_probe || ') AND e.id = $1 LIMIT 1' INTO v_rare USING p_id;
      ELSE
        FOREACH v_one IN ARRAY string_to_array(v_probe, ',')::integer[] LOOP
          SELECT true INTO v_rare FROM $S.events e WHERE e.segment = v_one AND e.id = p_id LIMIT 1;
          EXIT WHEN v_rare;
        END LOOP;
      END IF;
    END;`

/**
 * The look for an id that is there already is planned once in a session, where a text that names the segments is planned for each
 * event: that took a third of the server's time for one event alone.
 */
export const plannedLook: string = publishOne('publish_one_2', LOOK)
