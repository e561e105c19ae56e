import { script, type Script } from '../client/script.ts'

/**
 * Appends events to partitions, to each in their order, each id of a source once, and announces them.
 * KEYS log, meta, ids and flows of each partition. ARGV for each partition its incarnation, channel, number, room for events and bytes (-1
 * without limit), how many entries and how many arguments they have; for each entry what `argumentsOf` gives.
 * Gives for each partition `stale`, or the time, the number of the first, what was not appended (entry, 'duplicate', id and the place of the
 * entry that has it, or entry, 'full'), and those entries.
 * What fails in one of several partitions is no failure of the others, which may be stored: it gives 'failed' and the error.
 */
export const PUBLISH: Script = script(
  'publish',
  `
local call, find, sub, format, gmatch = redis.call, string.find, string.sub, string.format, string.gmatch
local keys, argv = KEYS, ARGV
local clock = call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local news = {}

-- The entry of an event of which a bucket tells; nothing when it is gone. Each is read once, into found.
local function stored(log, held, source, rest, found)
  for place, from, rests in gmatch(held, '([^\\n]*)\\n([^\\n]*)\\n([^\\n]*)\\n') do
    if from == source and find(' ' .. rests .. ' ', ' ' .. rest .. ' ', 1, true) then
      if found[place] == nil then found[place] = call('XRANGE', log, place, place)[1] or false end
      if found[place] then return place end
    end
  end
end

-- The ids of a bucket that are new; the others are void, and odd.
local function sift(log, held, source, bucket, rests, entry, void, odd, found)
  local fresh = ''
  for rest in gmatch(rests, '[^ ]+') do
    local place = find(held, rest, 1, true) and stored(log, held, source, rest, found)
    if place then
      local id = rest == '.' and bucket or bucket .. '-' .. rest
      void[#void + 1] = id
      odd[#odd + 1] = { entry, 'duplicate', id, place }
    else
      fresh = fresh == '' and rest or fresh .. ' ' .. rest
    end
  end
  return fresh
end

local function append(key, arg)
  local log, ids = keys[key], keys[key + 2]
  local meta = call('HMGET', keys[key + 1], 'incarnation', 'ms', 'n', 'bytes')
  if meta[1] ~= argv[arg] then return { 'stale' } end
  local ms = math.max(tonumber(meta[2]), now)
  local n, bytes = tonumber(meta[3]), tonumber(meta[4])
  local room_events, room_bytes = tonumber(argv[arg + 3]), tonumber(argv[arg + 4])
  local stamp = format('%.0f-', ms)
  local first = n + 1
  local odd, found = {}, {}

  local from = arg + 7
  for entry = 0, tonumber(argv[arg + 5]) - 1 do
    local count, header, bodies = tonumber(argv[from]), argv[from + 1], argv[from + 2]
    local width = tonumber(argv[from + 3])
    local buckets = from + 5
    local rests = buckets + width
    local flows = rests + width
    from = flows + tonumber(argv[from + 4])
    local source = sub(header, 1, find(header, '\\n', 1, true) - 1)
    local known = call('HMGET', ids, unpack(argv, buckets, rests - 1))
    local void = {}
    local fresh = {}
    for at = 1, width do
      local held, text = known[at], argv[rests + at - 1]
      fresh[at] = held and sift(log, held, source, argv[buckets + at - 1], text, entry, void, odd, found) or text
    end
    count = count - #void
    if count > 0 and (room_events == 0 or (room_bytes >= 0 and #bodies > room_bytes)) then
      odd[#odd + 1] = { entry, 'full' }
    elseif count > 0 then
      n = n + count
      local place = stamp .. n
      local fields = { 'ce', header, 'event', bodies }
      if #void > 0 then
        fields[5] = 'void'
        fields[6] = table.concat(void, '\\n')
      end
      call('XADD', log, place, unpack(fields))
      local at_source = place .. '\\n' .. source .. '\\n'
      local written = {}
      for at = 1, width do
        if fresh[at] ~= '' then
          written[#written + 1] = argv[buckets + at - 1]
          written[#written + 1] = (known[at] or '') .. at_source .. fresh[at] .. '\\n'
        end
      end
      call('HSET', ids, unpack(written))
      for flow = flows, from - 1 do call('ZADD', keys[key + 3], '0', argv[flow] .. '\\n' .. place) end
      bytes = bytes + #bodies
      if room_events > 0 then room_events = room_events - 1 end
      if room_bytes > 0 then room_bytes = math.max(0, room_bytes - #bodies) end
    end
  end

  if n >= first then
    call('HSET', keys[key + 1], 'ms', format('%.0f', ms), 'n', format('%.0f', n), 'bytes', format('%.0f', bytes))
    local channel, partition = argv[arg + 1], argv[arg + 2]
    news[channel] = news[channel] and news[channel] .. ',' .. partition or partition
  end
  local entries = {}
  for _, entry in pairs(found) do
    if entry then entries[#entries + 1] = entry end
  end
  return { stamp, first, odd, entries }
end

local replies = {}
local arg = 1
for share = 1, #keys / 4 do
  if #keys == 4 then
    replies[1] = append(1, arg)
  else
    local done, reply = pcall(append, share * 4 - 3, arg)
    replies[share] = done and reply or { 'failed', type(reply) == 'table' and reply.err or tostring(reply) }
  end
  arg = arg + 7 + tonumber(argv[arg + 6])
end
for channel, partitions in pairs(news) do call('PUBLISH', channel, partitions) end
return replies
`,
  { ordered: true },
)
