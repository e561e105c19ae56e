import { script, type Script } from '../client/script.ts'

/** Begins (milliseconds) or ends (0) a time in which a partition is not trimmed. KEYS meta. ARGV milliseconds. */
export const HOLD_TRIM: Script = script(
  'hold-trim',
  `
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('HSET', KEYS[1], 'held', string.format('%.0f', ARGV[1] == '0' and 0 or now + tonumber(ARGV[1])))
redis.call('HINCRBY', KEYS[1], 'moves', 1)
return 1
`,
)

/** How often groups were moved over a partition, and false while one is being moved. KEYS meta. */
export const TRIM_PERMIT: Script = script(
  'trim-permit',
  `
local meta = redis.call('HMGET', KEYS[1], 'held', 'moves')
local clock = redis.call('TIME')
if tonumber(meta[1] or '0') > clock[1] * 1000 + math.floor(clock[2] / 1000) then return false end
return meta[2] or '0'
`,
)

/**
 * Drops entries from the front of a partition, each with all its events and what is indexed of them. KEYS log, meta, ids, flows. ARGV permit, the
 * time and number up to which may be dropped, how many entries at most, those up to which they are not counted as expired, drop those recorded
 * before (ms), drop until at most so many events, until at most so many bytes. Gives how many entries were dropped.
 */
export const TRIM: Script = script(
  'trim',
  `
local find, sub, gmatch = string.find, string.sub, string.gmatch
local meta = redis.call('HMGET', KEYS[2], 'n', 'bytes', 'expired', 'trimmed', 'held', 'moves')
if not meta[1] then return 0 end
local clock = redis.call('TIME')
if tonumber(meta[5] or '0') > clock[1] * 1000 + math.floor(clock[2] / 1000) then return 0 end
if (meta[6] or '0') ~= ARGV[1] then return 0 end
local n, bytes, expired, trimmed = tonumber(meta[1]), tonumber(meta[2]), tonumber(meta[3]), tonumber(meta[4])
local upToMs, upTo, readMs, read = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[5]), tonumber(ARGV[6])
local before, mostEvents, mostBytes = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])

local hex = '[%da-f][%da-f][%da-f][%da-f]'
local uuid7 = '^' .. hex .. hex .. '%-' .. hex .. '%-7[%da-f][%da-f][%da-f]%-' .. hex .. '%-' .. hex .. hex .. hex .. '$'

-- Takes what a bucket says of an entry out of it: each entry has one place in a bucket.
local function forget(bucket, place)
  local held = redis.call('HGET', KEYS[3], bucket)
  if not held then return end
  local from = sub(held, 1, #place + 1) == place .. '\\n' and 1
  if not from then
    from = find(held, '\\n' .. place .. '\\n', 1, true)
    if not from then return end
    from = from + 1
  end
  local _, to = find(held, '^[^\\n]*\\n[^\\n]*\\n[^\\n]*\\n', from)
  local left = sub(held, 1, from - 1) .. sub(held, to + 1)
  if left == '' then redis.call('HDEL', KEYS[3], bucket) else redis.call('HSET', KEYS[3], bucket, left) end
end

local last
local dropped = 0
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', ARGV[4])) do
  local place, header, bodies, void = entry[1], entry[2][2], entry[2][4], entry[2][6]
  local ms, number = string.match(place, '^(%d+)%-(%d+)$')
  ms, number = tonumber(ms), tonumber(number)
  if ms > upToMs or (ms == upToMs and number > upTo) then break end
  local isOld = ms < before
  if not isOld and n - number + 1 <= mostEvents and bytes <= mostBytes then break end
  local events = 0
  local lines = sub(header, find(header, '\\n', 1, true) + 1)
  local forgotten
  for id, correlation in gmatch(lines, '([^\\n]*)\\n([^\\n]*)\\n[^\\n]*\\n[^\\n]*\\n[^\\n]*\\n') do
    -- As bucketOf has it.
    local bucket = find(id, uuid7) and sub(id, 1, 13) or id
    if bucket ~= forgotten then forget(bucket, place) end
    forgotten = bucket
    if correlation ~= '' then redis.call('ZREM', KEYS[4], correlation .. '\\n' .. place) end
    events = events + 1
  end
  if void then
    for _ in gmatch(void, '[^\\n]+') do events = events - 1 end
  end
  bytes = bytes - #bodies
  if ms > readMs then expired = expired + events elseif ms == readMs and number > read then expired = expired + math.min(events, number - read) end
  trimmed = number
  last = place
  dropped = dropped + 1
end
if not last then return 0 end
local ms, number = string.match(last, '^(%d+)%-(%d+)$')
redis.call('XTRIM', KEYS[1], 'MINID', ms .. '-' .. string.format('%.0f', number + 1))
redis.call('HSET', KEYS[2], 'bytes', string.format('%.0f', bytes), 'expired', string.format('%.0f', expired), 'trimmed', string.format('%.0f', trimmed))
return dropped
`,
)
