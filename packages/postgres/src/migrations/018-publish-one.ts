import { publishOne } from './functions/publish-one.ts'

const LOOK = `
    SELECT string_agg(s.id::text, ',') INTO v_probe FROM $S.segments s
    WHERE s.topic = v_topic AND (s.closed_at IS NULL OR p_since > v_now OR s.closed_at >= p_since);
    EXECUTE 'SELECT true FROM $S.events e WHERE e.segment IN (' || v_probe || ') AND e.id = $1 LIMIT 1' INTO v_rare USING p_id;`

/** Publishing one event alone, which is what a system with little to do does all the time. */
export const publishOneEvent: string = publishOne('publish_one_1', LOOK)
