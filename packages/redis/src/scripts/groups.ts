import { script, type Script } from '../client/script.ts'

/** A lease is `token`, `1` when it is clean, and the owner, a line each. */
const LEASE = `
local function lease(place)
  local text = redis.call('HGET', KEYS[1], place)
  if not text then return nil end
  return string.match(text, '^([^\\n]*)\\n([^\\n]*)\\n(.*)$')
end
-- Rises with every change of hands, by the clock too: what a failover has lost is never given twice.
local function next_token(last)
  local clock = redis.call('TIME')
  return string.format('%.0f', math.max(tonumber(last or '0') + 1, clock[1] * 1000000 + clock[2]))
end
`

/** Starts a group in places where it has no start. KEYS leases, progress. ARGV place and progress in turn. */
export const START_GROUP: Script = script(
  'start-group',
  `${LEASE}
local token = next_token()
for index = 1, #ARGV, 2 do
  if redis.call('HSETNX', KEYS[1], ARGV[index], token .. '\\n1\\n') == 1 then
    redis.call('HSET', KEYS[2], ARGV[index], ARGV[index + 1])
  end
end
return 1
`,
)

/** Moves a group and fences its members. KEYS leases, progress, marks. ARGV place and progress in turn. */
export const MOVE_GROUP: Script = script(
  'move-group',
  `${LEASE}
for index = 1, #ARGV, 2 do
  redis.call('HSET', KEYS[1], ARGV[index], next_token(lease(ARGV[index])) .. '\\n1\\n')
  redis.call('HSET', KEYS[2], ARGV[index], ARGV[index + 1])
  redis.call('HDEL', KEYS[3], ARGV[index])
end
return 1
`,
)

/**
 * Members, leases and filter in one look; the members named are living ones of the caller, and are counted up.
 * KEYS leases, members, counts, filter. ARGV members.
 */
export const OBSERVE: Script = script(
  'observe',
  `
for index = 1, #ARGV do
  if redis.call('HEXISTS', KEYS[2], ARGV[index]) == 1 then redis.call('HINCRBY', KEYS[3], ARGV[index], 1) end
end
return {
  redis.call('HGETALL', KEYS[2]),
  redis.call('HGETALL', KEYS[3]),
  redis.call('HGETALL', KEYS[1]),
  redis.call('GET', KEYS[4]),
}
`,
)

/** Counts up for members that are there. KEYS members, counts. ARGV members. */
export const BEAT: Script = script(
  'beat',
  `
for index = 1, #ARGV do
  if redis.call('HEXISTS', KEYS[1], ARGV[index]) == 1 then redis.call('HINCRBY', KEYS[2], ARGV[index], 1) end
end
return 1
`,
)

/** Adds a member or replaces what is known of it. KEYS members, counts. ARGV member, label and filter epoch as JSON. */
export const JOIN: Script = script(
  'join',
  `
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('HSETNX', KEYS[2], ARGV[1], '0')
return 1
`,
)

/** Removes a member and frees what it owns. KEYS leases, members, counts. ARGV member, the count that it must have or ''. */
export const REMOVE_MEMBER: Script = script(
  'remove-member',
  `
if ARGV[2] ~= '' and redis.call('HGET', KEYS[3], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[3], ARGV[1])
local leases = redis.call('HGETALL', KEYS[1])
for index = 1, #leases, 2 do
  local token, clean, owner = string.match(leases[index + 1], '^([^\\n]*)\\n([^\\n]*)\\n(.*)$')
  if owner == ARGV[1] then redis.call('HSET', KEYS[1], leases[index], token .. '\\n' .. clean .. '\\n') end
end
return 1
`,
)

/** Takes a place if owner and token are those observed. KEYS leases, progress, marks. ARGV place, member, owner, token. */
export const CLAIM: Script = script(
  'claim',
  `${LEASE}
local token, clean, owner = lease(ARGV[1])
if token ~= ARGV[4] or owner ~= ARGV[3] then return false end
local mine = next_token(token)
redis.call('HSET', KEYS[1], ARGV[1], mine .. '\\n0\\n' .. ARGV[2])
return { mine, clean, redis.call('HGET', KEYS[2], ARGV[1]), redis.call('HGET', KEYS[3], ARGV[1]) }
`,
)

/** Frees a place under its token. KEYS leases. ARGV place, token, `1` when it is clean. */
export const GIVE_BACK: Script = script(
  'give-back',
  `${LEASE}
local token = lease(ARGV[1])
if token ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], token .. '\\n' .. ARGV[3] .. '\\n')
return 1
`,
)

/** Stores a filter if its epoch is the next one. KEYS filter. ARGV epoch, filter as JSON. Gives what is stored then. */
export const PUT_FILTER: Script = script(
  'put-filter',
  `
local known = redis.call('GET', KEYS[1])
if known and tonumber(string.match(known, '^{"epoch":(%d+)')) + 1 ~= tonumber(ARGV[1]) then return known end
redis.call('SET', KEYS[1], ARGV[2])
return ARGV[2]
`,
)

/**
 * Reads places on, and marks of each place under its token how far. All in one step, for which they must be on one server. KEYS leases, marks, the
 * log of each place. ARGV place, token, range start and how many entries in turn. Gives of each whether it is marked, and its entries.
 */
export const FETCH: Script = script(
  'fetch',
  `${LEASE}
local replies = {}
for index = 1, #ARGV, 4 do
  local place = ARGV[index]
  local entries = redis.call('XRANGE', KEYS[(index - 1) / 4 + 3], ARGV[index + 2], '+', 'COUNT', ARGV[index + 3])
  local marked = 0
  if #entries > 0 and lease(place) == ARGV[index + 1] then
    redis.call('HSET', KEYS[2], place, entries[#entries][1])
    marked = 1
  end
  replies[#replies + 1] = { marked, entries }
end
return replies
`,
)

/** Stores progress, each place under its token. KEYS leases, progress. ARGV place, token and progress in turn. Gives the indexes refused. */
export const SETTLE: Script = script(
  'settle',
  `${LEASE}
local fenced = {}
for index = 1, #ARGV, 3 do
  if lease(ARGV[index]) == ARGV[index + 1] then
    redis.call('HSET', KEYS[2], ARGV[index], ARGV[index + 2])
  else
    fenced[#fenced + 1] = (index - 1) / 3
  end
end
return fenced
`,
)
