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
local count = (#ARGV - 5) / 2
local odd = {}

-- One look-up and one write of ids for the whole batch: a call from a script costs more than what it does here.
local ids, sources, correlations = {}, {}, {}
local find, sub = string.find, string.sub
for index = 1, count do
  local header = ARGV[4 + 2 * index]
  local one = find(header, '\\n', 1, true)
  local two = find(header, '\\n', one + 1, true)
  local three = find(header, '\\n', two + 1, true)
  ids[index] = sub(header, 1, one - 1)
  sources[index] = sub(header, one + 1, two - 1)
  if three > two + 1 then correlations[index] = sub(header, two + 1, three - 1) end
end
local known = redis.call('HMGET', KEYS[3], unpack(ids))
local written = {}

-- Where the event of a source is, with its body; and the known places without those whose event is gone.
local function stored(places, source)
  local left = ''
  for at, from in string.gmatch(places, '([^\\n]*)\\n([^\\n]*)\\n') do
    if from == source then
      local entry = redis.call('XRANGE', KEYS[1], at, at)[1]
      if entry then return at, entry[2][4] end
    else
      left = left .. at .. '\\n' .. from .. '\\n'
    end
  end
  return nil, nil, left
end

for index = 1, count do
  local body = ARGV[5 + 2 * index]
  local id, source = ids[index], sources[index]
  local places = written[id] or known[index]
  local place, stored_body, others
  if places then place, stored_body, others = stored(places, source) end
  if place then
    odd[#odd + 1] = { index - 1, 'duplicate', place, stored_body }
  elseif roomEvents == 0 or (roomBytes >= 0 and #body > roomBytes) then
    odd[#odd + 1] = { index - 1, 'full' }
  else
    n = n + 1
    local at = stamp .. n
    redis.call('XADD', KEYS[1], at, 'ce', ARGV[4 + 2 * index], 'event', body)
    written[id] = (others or '') .. at .. '\\n' .. source .. '\\n'
    if correlations[index] then redis.call('ZADD', KEYS[4], 0, correlations[index] .. '\\n' .. at) end
    bytes = bytes + #body
    if roomEvents > 0 then roomEvents = roomEvents - 1 end
    if roomBytes > 0 then roomBytes = math.max(0, roomBytes - #body) end
  end
end

if n >= first then
  local pairs_written = {}
  for id, places in pairs(written) do
    pairs_written[#pairs_written + 1] = id
    pairs_written[#pairs_written + 1] = places
  end
  redis.call('HSET', KEYS[3], unpack(pairs_written))
  redis.call('HSET', KEYS[2], 'ms', string.format('%.0f', ms), 'n', string.format('%.0f', n), 'bytes', string.format('%.0f', bytes))
  redis.call('PUBLISH', ARGV[2], ARGV[3])
end
return { stamp, first, odd }
`,
  { ordered: true },
)
