import { script, type Script } from '../client/script.ts'

/**
 * Appends events to one partition in their order, each id of a source once, and announces it.
 * KEYS log, meta, ids, flows. ARGV incarnation, channel, partition, room for events and bytes (-1 without limit), then header and body of each.
 * Gives the time, the number of the first and what was not appended: index, 'duplicate', id, body or index, 'full'.
 */
export const PUBLISH: Script = script(
  'publish',
  `
local meta = redis.call('HMGET', KEYS[2], 'incarnation', 'ms', 'n', 'bytes')
if meta[1] ~= ARGV[1] then return { 'stale' } end
local clock = redis.call('TIME')
local ms = math.max(tonumber(meta[2]), clock[1] * 1000 + math.floor(clock[2] / 1000))
local n = tonumber(meta[3])
local bytes = tonumber(meta[4])
local roomEvents = tonumber(ARGV[4])
local roomBytes = tonumber(ARGV[5])
local stamp = string.format('%.0f-', ms)
local first = n + 1
local odd = {}

local function stored(id, source)
  local known = redis.call('HGET', KEYS[3], id)
  if not known then return nil, nil end
  for at, from in string.gmatch(known, '([^\\n]*)\\n([^\\n]*)\\n') do
    if from == source then
      local entry = redis.call('XRANGE', KEYS[1], at, at)[1]
      if entry then return at, entry[2][4] end
      known = string.gsub(known, string.gsub(at, '%-', '%%-') .. '\\n[^\\n]*\\n', '', 1)
    end
  end
  return nil, nil, known
end

for index = 6, #ARGV, 2 do
  local id, source, correlation = string.match(ARGV[index], '^([^\\n]*)\\n([^\\n]*)\\n([^\\n]*)')
  local isFull = roomEvents == 0 or (roomBytes >= 0 and #ARGV[index + 1] > roomBytes)
  local at = stamp .. string.format('%.0f', n + 1)
  local mine = at .. '\\n' .. source .. '\\n'
  local isNew = not isFull and redis.call('HSETNX', KEYS[3], id, mine) == 1
  if not isNew then
    local place, body, others = stored(id, source)
    if place then
      odd[#odd + 1] = { (index - 6) / 2, 'duplicate', place, body }
    elseif isFull then
      odd[#odd + 1] = { (index - 6) / 2, 'full' }
    else
      redis.call('HSET', KEYS[3], id, (others or redis.call('HGET', KEYS[3], id)) .. mine)
      isNew = true
    end
  end
  if isNew then
    redis.call('XADD', KEYS[1], at, 'ce', ARGV[index], 'event', ARGV[index + 1])
    if correlation ~= '' then redis.call('ZADD', KEYS[4], 0, correlation .. '\\n' .. at) end
    n = n + 1
    bytes = bytes + #ARGV[index + 1]
    if roomEvents > 0 then roomEvents = roomEvents - 1 end
    if roomBytes > 0 then roomBytes = math.max(0, roomBytes - #ARGV[index + 1]) end
  end
end

if n >= first then
  redis.call('HSET', KEYS[2], 'ms', string.format('%.0f', ms), 'n', string.format('%.0f', n), 'bytes', string.format('%.0f', bytes))
  redis.call('PUBLISH', ARGV[2], ARGV[3])
end
return { stamp, first, odd }
`,
)
