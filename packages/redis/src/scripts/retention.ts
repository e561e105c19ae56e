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
 * Drops events from the front of a partition with what is indexed of them. KEYS log, meta, ids, flows. ARGV permit, the
 * time and number up to which may be dropped, how many at most, those up to which they are not counted as expired, drop those recorded before (ms), drop until at most so many events, until at most so many bytes. Gives how many were dropped.
 */
export const TRIM: Script = script(
  'trim',
  `
local meta = redis.call('HMGET', KEYS[2], 'n', 'bytes', 'expired', 'trimmed', 'held', 'moves')
if not meta[1] then return 0 end
local clock = redis.call('TIME')
if tonumber(meta[5] or '0') > clock[1] * 1000 + math.floor(clock[2] / 1000) then return 0 end
if (meta[6] or '0') ~= ARGV[1] then return 0 end
local n, bytes, expired, trimmed = tonumber(meta[1]), tonumber(meta[2]), tonumber(meta[3]), tonumber(meta[4])
local upToMs, upTo, readMs, read = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[5]), tonumber(ARGV[6])
local before, mostEvents, mostBytes = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local entries = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', ARGV[4])
local last
local dropped = 0
for _, entry in ipairs(entries) do
  local ms, number = string.match(entry[1], '^(%d+)%-(%d+)$')
  ms, number = tonumber(ms), tonumber(number)
  if ms > upToMs or (ms == upToMs and number > upTo) then break end
  local isOld = ms < before
  if not isOld and n - number + 1 <= mostEvents and bytes <= mostBytes then break end
  local id, source, correlation = string.match(entry[2][2], '^([^\\n]*)\\n([^\\n]*)\\n([^\\n]*)')
  local known = redis.call('HGET', KEYS[3], id)
  if known then
    local mine = entry[1] .. '\\n' .. source .. '\\n'
    if known == mine then
      redis.call('HDEL', KEYS[3], id)
    else
      local from, to = string.find(known, mine, 1, true)
      if from then redis.call('HSET', KEYS[3], id, string.sub(known, 1, from - 1) .. string.sub(known, to + 1)) end
    end
  end
  if correlation ~= '' then redis.call('ZREM', KEYS[4], correlation .. '\\n' .. entry[1]) end
  bytes = bytes - #entry[2][4]
  if ms > readMs or (ms == readMs and number > read) then expired = expired + 1 end
  trimmed = number
  last = entry[1]
  dropped = dropped + 1
end
if not last then return 0 end
local ms, number = string.match(last, '^(%d+)%-(%d+)$')
redis.call('XTRIM', KEYS[1], 'MINID', ms .. '-' .. string.format('%.0f', number + 1))
redis.call('HSET', KEYS[2], 'bytes', string.format('%.0f', bytes), 'expired', string.format('%.0f', expired), 'trimmed', string.format('%.0f', trimmed))
return dropped
`,
)
