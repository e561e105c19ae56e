import { script, type Script } from '../client/script.ts'

/**
 * What the scripts of the lane share. An entry is a hash value of lines: due time, identity, place, queue, position,
 * attempts, first failure, delay, and the rest as JSON. A queue is the entries of one key (`=key`) or one entry without a
 * key (`#entry`). Of a place there are: `queues:` a sorted set of queue, position and entry, which is the order in which
 * they are handed out; `sizes:` entries by named queue; `parked:` names of parked queues; `heads:` the first entry of
 * each queue that is not parked, by due time; and `resting`, a hash of how many queues are parked by place. KEYS leases, lane, lane ids, lane number; the rest begin with ARGV[1] and share their slot.
 */
export const LANE: string = `
local PREFIX = ARGV[1]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local function is_under(place, token)
  local lease = redis.call('HGET', KEYS[1], place)
  return lease and string.match(lease, '^[^\\n]*') == token
end

-- Asked before anything is written: while a slot moves, the first key that is not here ends a script half done.
local seen = {}
local function must_be_here(place)
  if seen[place] then return end
  seen[place] = true
  redis.call('EXISTS', PREFIX .. 'queues:' .. place, PREFIX .. 'sizes:' .. place, PREFIX .. 'parked:' .. place, PREFIX .. 'heads:' .. place, PREFIX .. 'resting')
end

local function members(place, name, limit)
  return redis.call('ZRANGEBYLEX', PREFIX .. 'queues:' .. place, '[' .. name .. '\\0', '(' .. name .. '\\1', 'LIMIT', 0, limit)
end

local function entry_of(member)
  return string.match(member, '%z([^%z]*)$')
end

local function due_at(entry)
  return tonumber(string.match(redis.call('HGET', KEYS[2], entry), '^[^\\n]*'))
end

local function refresh(place, name)
  local first = members(place, name, 1)[1]
  if first and redis.call('SISMEMBER', PREFIX .. 'parked:' .. place, name) == 0 then
    redis.call('ZADD', PREFIX .. 'heads:' .. place, string.format('%.0f', due_at(entry_of(first))), name)
  else
    redis.call('ZREM', PREFIX .. 'heads:' .. place, name)
  end
end

local function park(place, name)
  if redis.call('SADD', PREFIX .. 'parked:' .. place, name) == 1 then redis.call('HINCRBY', PREFIX .. 'resting', place, 1) end
  redis.call('ZREM', PREFIX .. 'heads:' .. place, name)
end

local function unpark(place, name)
  if redis.call('SREM', PREFIX .. 'parked:' .. place, name) == 0 then return end
  if redis.call('HINCRBY', PREFIX .. 'resting', place, -1) <= 0 then redis.call('HDEL', PREFIX .. 'resting', place) end
  refresh(place, name)
end

local function add(place, name, position, identity, delay, attempts, failed, rest)
  if redis.call('HEXISTS', KEYS[3], identity) == 1 then return end
  local entry = string.format('%016.0f', redis.call('INCR', KEYS[4]))
  if name == '#' then name = '#' .. entry end
  local due = string.format('%.0f', now + tonumber(delay))
  redis.call('HSET', KEYS[2], entry, table.concat({ due, identity, place, name, position, attempts, failed, delay, rest }, '\\n'))
  redis.call('HSET', KEYS[3], identity, entry)
  redis.call('ZADD', PREFIX .. 'queues:' .. place, 0, name .. '\\0' .. position .. '\\0' .. entry)
  if string.sub(name, 1, 1) == '=' then redis.call('HINCRBY', PREFIX .. 'sizes:' .. place, name, 1) end
  refresh(place, name)
end

local function remove(entry)
  local stored = redis.call('HGET', KEYS[2], entry)
  if not stored then return end
  local identity, place, name, position = string.match(stored, '^[^\\n]*\\n([^\\n]*)\\n([^\\n]*)\\n([^\\n]*)\\n([^\\n]*)\\n')
  redis.call('HDEL', KEYS[2], entry)
  redis.call('HDEL', KEYS[3], identity)
  redis.call('ZREM', PREFIX .. 'queues:' .. place, name .. '\\0' .. position .. '\\0' .. entry)
  local sizes = PREFIX .. 'sizes:' .. place
  if string.sub(name, 1, 1) == '=' and redis.call('HINCRBY', sizes, name, -1) <= 0 then redis.call('HDEL', sizes, name) end
  refresh(place, name)
end
`

/**
 * Adds entries, all or nothing. ARGV prefix, token or '', capacity, then of each: place, queue, position, identity, delay,
 * attempts, first failure, rest. Gives 'added', 'fenced' or 'full'.
 */
export const ADD_TO_LANE: Script = script(
  'add-to-lane',
  `${LANE}
local fresh = {}
local count = 0
for index = 4, #ARGV, 8 do
  if ARGV[2] ~= '' and not is_under(ARGV[index], ARGV[2]) then return 'fenced' end
  must_be_here(ARGV[index])
  local identity = ARGV[index + 3]
  if not fresh[identity] and redis.call('HEXISTS', KEYS[3], identity) == 0 then
    fresh[identity] = true
    count = count + 1
  end
end
if redis.call('HLEN', KEYS[2]) + count > tonumber(ARGV[3]) then return 'full' end
for index = 4, #ARGV, 8 do add(unpack(ARGV, index, index + 7)) end
return 'added'
`,
)

/** The entries of a place that are ready, by due time. ARGV prefix, place, limit. Gives entry and value in turn. */
export const LANE_DUE: Script = script(
  'lane-due',
  `${LANE}
local place, limit = ARGV[2], tonumber(ARGV[3])
local found = {}
local names = redis.call('ZRANGEBYSCORE', PREFIX .. 'heads:' .. place, '-inf', string.format('%.0f', now), 'LIMIT', 0, limit)
for _, name in ipairs(names) do
  for _, member in ipairs(members(place, name, limit - #found / 2)) do
    local entry = entry_of(member)
    local stored = redis.call('HGET', KEYS[2], entry)
    if tonumber(string.match(stored, '^[^\\n]*')) > now then break end
    found[#found + 1] = entry
    found[#found + 1] = stored
  end
  if #found / 2 >= limit then break end
end
return found
`,
)

/**
 * Changes entries under the token of their place, all or nothing. ARGV prefix, place, token, how many are done, these, how
 * many are postponed, of each entry, delay, attempts and first failure, then queues to park. Gives 'done' or 'fenced'.
 */
export const SETTLE_LANE: Script = script(
  'settle-lane',
  `${LANE}
local place = ARGV[2]
if not is_under(place, ARGV[3]) then return 'fenced' end
must_be_here(place)
local index = 5
for _ = 1, tonumber(ARGV[4]) do
  remove(ARGV[index])
  index = index + 1
end
local postponed = tonumber(ARGV[index])
index = index + 1
for _ = 1, postponed do
  local entry, delay, attempts, failed = unpack(ARGV, index, index + 3)
  index = index + 4
  local stored = redis.call('HGET', KEYS[2], entry)
  if stored then
    local identity, name, position, rest =
      string.match(stored, '^[^\\n]*\\n([^\\n]*)\\n[^\\n]*\\n([^\\n]*)\\n([^\\n]*)\\n[^\\n]*\\n[^\\n]*\\n[^\\n]*\\n(.*)$')
    local due = string.format('%.0f', now + tonumber(delay))
    redis.call('HSET', KEYS[2], entry, table.concat({ due, identity, place, name, position, attempts, failed, delay, rest }, '\\n'))
    refresh(place, name)
  end
end
for at = index, #ARGV do park(place, ARGV[at]) end
return 'done'
`,
)

/** The keys of a place that have entries or are parked. ARGV prefix, place, then the queues asked for, or none for all. Gives sizes by queue, and parked queues. */
export const LANE_KEYS: Script = script(
  'lane-keys',
  `
local sizes_of, parked_of = ARGV[1] .. 'sizes:' .. ARGV[2], ARGV[1] .. 'parked:' .. ARGV[2]
if #ARGV == 2 then return { redis.call('HGETALL', sizes_of), redis.call('SMEMBERS', parked_of) } end
local sizes, parked = {}, {}
for at = 3, #ARGV do
  local size = redis.call('HGET', sizes_of, ARGV[at])
  if size then
    sizes[#sizes + 1] = ARGV[at]
    sizes[#sizes + 1] = size
  end
  if redis.call('SISMEMBER', parked_of, ARGV[at]) == 1 then parked[#parked + 1] = ARGV[at] end
end
return { sizes, parked }
`,
)

/** Lifts the parking of a queue. ARGV prefix, place, queue. */
export const UNPARK: Script = script(
  'unpark',
  `${LANE}
must_be_here(ARGV[2])
unpark(ARGV[2], ARGV[3])
return 1
`,
)

/** Whether anything waits or is parked, and the milliseconds until the next is due (-1 for none). ARGV prefix. */
export const LANE_NEXT: Script = script(
  'lane-next',
  `${LANE}
local waiting = redis.call('HLEN', KEYS[2])
local held = waiting > 0 or redis.call('HLEN', PREFIX .. 'resting') > 0
local soonest
if waiting > 0 then
  for _, place in ipairs(redis.call('HKEYS', KEYS[1])) do
    local first = tonumber(redis.call('ZRANGE', PREFIX .. 'heads:' .. place, 0, 0, 'WITHSCORES')[2])
    if first and (not soonest or first < soonest) then soonest = first end
  end
end
return { held and 1 or 0, soonest and math.max(0, soonest - now) or -1 }
`,
)

/**
 * How many entries wait, are due and are parked, and how many keys there are. ARGV prefix. From ten thousand due entries on followers are not counted: a
 * script holds up the whole server.
 */
export const LANE_COUNTS: Script = script(
  'lane-counts',
  `${LANE}
local waiting = redis.call('HLEN', KEYS[2])
if waiting == 0 and redis.call('HLEN', PREFIX .. 'resting') == 0 then return { 0, 0, 0, 0 } end
local MOST_COUNTED = 10000
local due, parked, keys = 0, 0, 0
for _, place in ipairs(redis.call('HKEYS', KEYS[1])) do
  local sizes = PREFIX .. 'sizes:' .. place
  local names = redis.call('SMEMBERS', PREFIX .. 'parked:' .. place)
  if waiting > 0 then keys = keys + redis.call('HLEN', sizes) end
  for _, name in ipairs(names) do
    local size = redis.call('HGET', sizes, name)
    if size then parked = parked + tonumber(size) else keys = keys + 1 end
  end
  if waiting > 0 then
    local heads = PREFIX .. 'heads:' .. place
    local limit = string.format('%.0f', now)
    local ready = redis.call('ZRANGEBYSCORE', heads, '-inf', limit, 'LIMIT', 0, math.max(0, MOST_COUNTED - due))
    local counted = 0
    for _, name in ipairs(ready) do
      if due >= MOST_COUNTED then break end
      for _, member in ipairs(members(place, name, MOST_COUNTED - due)) do
        if due_at(entry_of(member)) > now then break end
        due = due + 1
      end
      counted = counted + 1
    end
    due = due + redis.call('ZCOUNT', heads, '-inf', limit) - counted
  end
end
return { waiting, due, parked, keys }
`,
)
