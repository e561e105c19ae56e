import { script, type Script } from './script.ts'

/**
 * Why BullMQ itself must bring a job to its end, '' if nothing does. Base is the beginning of all keys of the queue.
 * `child`: another job waits for its result. `parent`: it waits for others, or has the results of others. `failing`: it is
 * about to be failed because a child failed. `scheduler`: it is the next run of a scheduler, and goes with that.
 */
const TIE = `
local function tie(base, id, job)
  local fields = {}
  for i = 1, #job, 2 do fields[job[i]] = job[i + 1] end
  local key = base .. id
  if redis.call('EXISTS', key .. ':dependencies', key .. ':processed', key .. ':failed', key .. ':unsuccessful') > 0 then
    return 'parent'
  end
  if fields['defa'] then return 'failing' end
  local parent = fields['parentKey']
  if parent and parent ~= '' and redis.call('SISMEMBER', parent .. ':dependencies', key) == 1 then return 'child' end
  local scheduler = fields['rjk']
  if scheduler then
    local nextAt = redis.call('ZSCORE', base .. 'repeat', scheduler)
    if nextAt and (fields['opts'] or ''):find('"prevMillis":' .. nextAt, 1, true) then return 'scheduler' end
    if nextAt and id == 'repeat:' .. scheduler .. ':' .. nextAt then return 'scheduler' end
  end
  return ''
end

-- Milliseconds for which the job holds its deduplication key; -1 until it ends, '' not at all.
local function deduplicating(base, id, job)
  for i = 1, #job, 2 do
    if job[i] == 'deid' then
      local key = base .. 'de:' .. job[i + 1]
      if redis.call('GET', key) == id then return tostring(redis.call('PTTL', key)) end
    end
  end
  return ''
end
`

/** Looks at jobs. KEYS a key of the queue. ARGV base, ids. Gives for each: its fields, its tie, how long it deduplicates; empty fields when it is gone. */
export const LOOK: Script = script(`${TIE}
local found = {}
for i = 2, #ARGV do
  local job = redis.call('HGETALL', ARGV[1] .. ARGV[i])
  if #job == 0 then found[i - 1] = { job, '', '' }
  else found[i - 1] = { job, tie(ARGV[1], ARGV[i], job), deduplicating(ARGV[1], ARGV[i], job) } end
end
return found
`)

/**
 * Takes jobs out of the list or sorted set in which they wait, so that no worker of BullMQ gets them, and keeps a copy of each with
 * where it was. What a worker has taken meanwhile, or what was tied to another job, stays.
 * KEYS source, held, order. ARGV base, name of the source, batch, start and stop of the part of a list that is searched, ids.
 * Gives the copies of those that were taken.
 */
export const TAKE: Script = script(`${TIE}
local base, source, batch = ARGV[1], ARGV[2], ARGV[3]
local isList = source == 'wait' or source == 'paused'
local taken = {}

local function take(id, score)
  local key = base .. id
  if redis.call('EXISTS', key .. ':lock') == 1 or redis.call('HEXISTS', KEYS[2], id) == 1 then return false end
  local job = redis.call('HGETALL', key)
  if #job == 0 or tie(base, id, job) ~= '' then return false end
  local copy = cjson.encode({ batch = batch, source = source, score = score, deduplicating = deduplicating(base, id, job), id = id, job = job })
  redis.call('HSET', KEYS[2], id, copy)
  local last = redis.call('ZRANGE', KEYS[3], -1, -1, 'WITHSCORES')
  redis.call('ZADD', KEYS[3], (tonumber(last[2]) or 0) + 1, id)
  taken[#taken + 1] = copy
  return true
end

if isList then
  local wanted = {}
  for i = 6, #ARGV do wanted[ARGV[i]] = true end
  local start = tonumber(ARGV[4])
  local part = redis.call('LRANGE', KEYS[1], start, tonumber(ARGV[5]))
  -- A part that begins before the list does is shorter: what was read ends at its stop.
  local length = redis.call('LLEN', KEYS[1])
  local stop = math.min(length + tonumber(ARGV[5]), length - 1)
  local first = stop - #part + 1
  local gone = 'millrace:gone:' .. batch
  local count = 0
  -- From the tail, where workers take: the order of the copies is the order of running.
  for i = #part, 1, -1 do
    local id = part[i]
    if wanted[id] and take(id, '') then
      redis.call('LSET', KEYS[1], first + i - 1, gone)
      count = count + 1
    end
  end
  if count > 0 then redis.call('LREM', KEYS[1], -count, gone) end
else
  for i = 6, #ARGV do
    local score = redis.call('ZSCORE', KEYS[1], ARGV[i])
    if score and take(ARGV[i], score) then redis.call('ZREM', KEYS[1], ARGV[i]) end
  end
end
return taken
`)

/** The copies of all that is held, oldest first. KEYS held, order. */
export const HELD: Script = script(`
local found = {}
for _, id in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
  local copy = redis.call('HGET', KEYS[1], id)
  if copy then found[#found + 1] = copy end
end
return found
`)

/**
 * Removes jobs of a batch that are at home in Millrace from BullMQ, as if they had ended there. One that somebody has removed and added
 * anew in the meantime is another job, and stays. KEYS held, order, events. ARGV base, batch, then for each job its id, source, time of
 * adding and deduplication id or ''. Gives how many were held.
 */
export const SETTLE: Script = script(`
local base = ARGV[1]
-- Copies are written by cjson, which leaves a batch as it is.
local mark = '"batch":"' .. ARGV[2] .. '"'
local settled = 0
for i = 3, #ARGV, 4 do
  local id, source, timestamp, deduplication = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local copy = redis.call('HGET', KEYS[1], id)
  if copy and string.find(copy, mark, 1, true) then
    local key = base .. id
    if redis.call('HGET', key, 'timestamp') == timestamp then
      if deduplication ~= '' then
        local held = base .. 'de:' .. deduplication
        if redis.call('GET', held) == id and redis.call('PTTL', held) == -1 then
          redis.call('DEL', held, base .. 'dn:' .. deduplication)
        end
      end
      redis.call('DEL', key, key .. ':logs', key .. ':dependencies', key .. ':processed', key .. ':failed', key .. ':unsuccessful')
      redis.call('XADD', KEYS[3], 'MAXLEN', '~', 10000, '*', 'event', 'removed', 'jobId', id, 'prev', source)
    end
    redis.call('HDEL', KEYS[1], id)
    redis.call('ZREM', KEYS[2], id)
    settled = settled + 1
  end
end
return settled
`)

/**
 * Gives jobs of a batch back to BullMQ, each to where it was; those of a list to the end at which workers take. The ids come last taken
 * first, so that the order is what it was. KEYS held, order, meta, wait, paused, prioritized, delayed, marker. ARGV base, batch, ids.
 * Gives how many were given back.
 */
export const GIVE_BACK: Script = script(`
local base, batch = ARGV[1], ARGV[2]
local isPaused = redis.call('HEXISTS', KEYS[3], 'paused') == 1
local back = 0
for i = 3, #ARGV do
  local id = ARGV[i]
  local copy = redis.call('HGET', KEYS[1], id)
  local kept = copy and cjson.decode(copy)
  if kept and kept.batch == batch then
    if redis.call('EXISTS', base .. id) == 0 then redis.call('HSET', base .. id, unpack(kept.job)) end
    if kept.source == 'delayed' then
      redis.call('ZADD', KEYS[7], kept.score, id)
      local first = redis.call('ZRANGE', KEYS[7], 0, 0, 'WITHSCORES')
      if not isPaused then redis.call('ZADD', KEYS[8], math.floor(tonumber(first[2]) / 4096), '1') end
    else
      -- BullMQ 5 replaces the list of the waiting by that of the paused when it goes on: a paused queue keeps all in the latter.
      if kept.source == 'prioritized' then redis.call('ZADD', KEYS[6], kept.score, id)
      else redis.call('RPUSH', isPaused and KEYS[5] or KEYS[4], id) end
      if not isPaused then redis.call('ZADD', KEYS[8], 0, '0') end
    end
    redis.call('HDEL', KEYS[1], id)
    redis.call('ZREM', KEYS[2], id)
    back = back + 1
  end
end
return back
`)
