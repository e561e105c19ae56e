/**
 * The tokens of leases. A token holds on the timeline of the server on which it was given, and on no other: a standby that was behind when it was
 * promoted gives positions and numbers again that the lost primary had given, and whoever works on those of the primary must not settle,
 * or take, what has them now. A timeline is what a server begins when it is promoted, or restored to a point in time.
 */
export const tokens: string = `
-- Servers that do not tell their timeline, as some that are not PostgreSQL within, have but one.
CREATE FUNCTION $S.timeline_1() RETURNS bigint LANGUAGE plpgsql STABLE
AS $$
BEGIN
  -- A standby takes no write, and says so where one is tried.
  IF pg_is_in_recovery() THEN RETURN -1; END IF;
  RETURN ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint;
EXCEPTION WHEN feature_not_supported OR insufficient_privilege OR undefined_function THEN RETURN 0;
END $$;

-- The timeline above 32 bits of number: below 2^53, which is as far as every reader can count, for two million timelines.
CREATE FUNCTION $S.next_token_1() RETURNS bigint LANGUAGE sql VOLATILE
AS $$ SELECT ($S.timeline_1() << 32) + nextval('$S.tokens') % (1::bigint << 32) $$;

-- The token, or null for one of another timeline.
CREATE FUNCTION $S.live_token_1(p_token bigint) RETURNS bigint LANGUAGE sql STABLE
AS $$ SELECT CASE WHEN p_token >> 32 = $S.timeline_1() THEN p_token END $$;
`
