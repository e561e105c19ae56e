import { script, type Script } from '../client/script.ts'
import { TASKS } from './tasks-enqueue.ts'

/** How a worker's claims end and begin. */
const EXCHANGING = String.raw`
local MOST_DUE = 500

-- The task, if it runs under this very claim.
local function claimed(id, worker, starts)
  local task = tasks[id]
  if task and task[STATE] == RUNNING and task[WORKER] == worker and task[STARTS] == starts then return task end
  return nil
end

local function settle(task, as, delay_ms, given)
  if as == 'retry' or as == 'release' then
    if given ~= '' then write_field('errors', task[ID], given) end
    if as == 'retry' then task[ATTEMPTS] = task[ATTEMPTS] + 1 end
    if task[CANCELLING] == 1 then return end_task(task, CANCELLED) end
    return put_off(task, delay_ms, as == 'retry' and BY_RETRY or BY_DELAY)
  end
  if as == 'done' then
    if given ~= '' then task[OUTPUT] = given end
    return end_task(task, DONE)
  end
  end_task(task, as == 'dead' and DEAD or as == 'cancelled' and CANCELLED or EXPIRED, given ~= '' and given or nil)
end

-- Progress and lines. ARGV id, starts, progress or '', number of lines, lines.
local function take_notes(from, count, worker)
  local ids, at = {}, from
  for _ = 1, count do
    ids[#ids + 1] = ARGV[at]
    at = at + 4 + tonumber(ARGV[at + 3])
  end
  load(ids)
  at = from
  for _ = 1, count do
    local id, lines = ARGV[at], tonumber(ARGV[at + 3])
    if claimed(id, worker, tonumber(ARGV[at + 1])) then
      if ARGV[at + 2] ~= '' then write_field('progress', id, ARGV[at + 2]) end
      if lines > 0 then
        call('RPUSH', BASE .. 'log:' .. id, unpack(ARGV, at + 4, at + 3 + lines))
        call('LTRIM', BASE .. 'log:' .. id, -1000, -1)
        put(set_additions, BASE .. 'attached', id)
      end
    end
    at = at + 4 + lines
  end
  return at
end

-- Settles. ARGV id, 'as starts delay', output, error or '' of each. Gives the indexes of the fenced.
local function take_settles(from, count, worker)
  local ids, fenced, read = {}, {}, {}
  for index = 1, count do ids[index] = ARGV[from + 3 * index - 3] end
  load(ids)
  local with_keys, wanted = {}, {}
  for index = 1, count do
    local task = tasks[ids[index]]
    if task then
      local shape = task[SHAPE]
      if shape.key then with_keys[#with_keys + 1] = shape end
      if frees_dedupe(task, 'end') then want_dedupe(wanted, owner_of(task), dedupe_of(task)) end
    end
  end
  load_keys(with_keys)
  load_dedupe(wanted)
  for index = 1, count do
    local at = from + 3 * index - 3
    local how = read[ARGV[at + 1]]
    if not how then
      local as, starts, delay_ms = match(ARGV[at + 1], '^(%S+) (%S+) (%S+)$')
      how = { as, tonumber(starts), tonumber(delay_ms) }
      read[ARGV[at + 1]] = how
    end
    local task = claimed(ids[index], worker, how[2])
    if task then settle(task, how[1], how[3], ARGV[at + 2]) else fenced[#fenced + 1] = index - 1 end
  end
  return fenced
end

local function make_due(queue)
  local index = BASE .. 'delayed:' .. queue.name
  local members = call('ZRANGEBYSCORE', index, '-inf', text[now], 'LIMIT', 0, MOST_DUE)
  if #members == 0 then return end
  local ids = {}
  for at = 1, #members do ids[at] = id_of(members[at]) end
  load(ids)
  local shape_list = {}
  for at = 1, #ids do
    local task = tasks[ids[at]]
    if task and task[SHAPE].key then shape_list[#shape_list + 1] = task[SHAPE] end
  end
  load_keys(shape_list)
  for at = 1, #ids do
    local task = tasks[ids[at]]
    if task then
      detach(task)
      task[DUE] = min(task[DUE], now)
      arrive(task)
    else remove(index, members[at]) end
  end
  give_places()
  flush()
end

-- The first members of the indexes of some names, by rank, taken out of them.
local function pop(kind, queue, names, most)
  local prefix = BASE .. kind .. ':' .. queue.name .. '\n'
  if #names == 1 then
    local members = call('ZRANGE', prefix .. names[1], 0, most - 1)
    if #members > 0 then call('ZREMRANGEBYRANK', prefix .. names[1], 0, #members - 1) end
    return members
  end
  local found = {}
  for _, name in ipairs(names) do
    local members = call('ZRANGE', prefix .. name, 0, most - 1, 'WITHSCORES')
    for at = 1, #members, 2 do found[#found + 1] = { members[at], tonumber(members[at + 1]), name } end
  end
  table.sort(found, function(one, other)
    if one[2] ~= other[2] then return one[2] < other[2] end
    return number_of(one[1]) < number_of(other[1])
  end)
  local members = {}
  for at = 1, min(most, #found) do
    members[at] = found[at][1]
    remove(prefix .. found[at][3], found[at][1])
  end
  return members
end

local function may_start(queue)
  local room = queue.settings.concurrency and queue.settings.concurrency - queue.running or huge
  if queue.settings.rate then room = min(room, floor(refill(queue, queue.settings.rate) + 1e-6)) end
  return max(0, room)
end

-- Starts what is first in the indexes of a kind, at most so many; what has expired ends instead. Gives how many were looked at.
local function take(kind, queue, names, most, worker, round, started)
  most = min(most, may_start(queue), MOST_AT_ONCE)
  if most <= 0 or #names == 0 then return 0 end
  local members = pop(kind, queue, names, most)
  if #members == 0 then return 0 end
  local ids = {}
  for at = 1, #members do ids[at] = id_of(members[at]) end
  load(ids)
  local with_keys, wanted = {}, {}
  for at = 1, #ids do
    local task = tasks[ids[at]]
    if task then
      if task[SHAPE].key then with_keys[#with_keys + 1] = task[SHAPE] end
      if frees_dedupe(task, 'start') then want_dedupe(wanted, queue, dedupe_of(task)) end
    end
  end
  load_keys(with_keys)
  load_dedupe(wanted)
  local count = 0
  for at = 1, #ids do
    local task = tasks[ids[at]]
    if task and task[EXPIRES] > 0 and task[EXPIRES] <= now then end_task(task, EXPIRED)
    elseif task then
      local key = task[SHAPE].key and key_of(task)
      if key then
        touch_key(key)
        if task[STATE] == READY then key.ready = key.ready - 1 end
        if queue.key_rate then
          refill(key, queue.key_rate)
          key.tokens = key.tokens - 1
        end
      end
      if task[EXPIRES] > 0 then remove(BASE .. 'expires', task[ID]) end
      task[IS_RUNNING_FIRST] = task[KIND] == PLAIN and not task[DIRTY]
      touch(task)
      task[STATE], task[WORKER], task[STARTS], task[STARTED], task[ROUND] = RUNNING, worker, task[STARTS] + 1, now, round
      free_dedupe(task, 'start')
      started[#started + 1] = task
      count = count + 1
    end
  end
  queue.running = queue.running + count
  queue.is_counted = true
  if queue.settings.rate then
    queue.tokens = queue.tokens - count
  end
  give_places()
  flush()
  return #members
end

-- Milliseconds until a claim could give more; -1 for what is not known.
local function next_ms(queue, names)
  if queue.settings.concurrency and queue.running >= queue.settings.concurrency then return -1 end
  local wait
  for _, name in ipairs(names) do
    if call('EXISTS', BASE .. 'ready:' .. queue.name .. '\n' .. name) == 1 then wait = 0 end
  end
  if not wait then
    local due = call('ZRANGE', BASE .. 'delayed:' .. queue.name, 0, 0, 'WITHSCORES')[2]
    if not due then return -1 end
    wait = max(0, tonumber(due) - now)
  end
  return queue.settings.rate and max(wait, until_tokens(queue, queue.settings.rate, 1)) or wait
end

local function claimed_lines(shape)
  local known = shape.claimed
  if known then return known end
  known = shape.name .. '\n' .. (shape.key or '') .. '\n' .. shape.tenant .. '\n' .. (shape.has_children and '1' or '')
  shape.claimed = known
  return known
end

-- Gives a worker what it may run of a queue: id, what is known of it, and body in turn, and the milliseconds until there is more.
local function claim(name, names, limit, suspects, worker, round, all)
  local queue = queue_of(name)
  if not queue.exists or queue.settings.paused then return { {}, -1 } end
  make_due(queue)
  local started = {}
  take('suspect', queue, names, min(limit, suspects), worker, round, started)
  -- Again, when some had expired: their places may have gone to others.
  for _ = 1, 5 do
    local before = #started
    local looked = take('ready', queue, names, limit - before, worker, round, started)
    if looked == 0 or #started - before == looked then break end
  end
  local reply, bodies = {}, bodies_of(started)
  for at = 1, #started do
    local task = started[at]
    all[#all + 1] = task[ID]
    reply[3 * at - 2] = task[ID]
    reply[3 * at - 1] = text[task[STARTS]] .. '\n' .. text[task[ATTEMPTS]] .. '\n' .. text[task[CRASHES]] .. '\n' .. text[now - task[ADDED]] .. '\n'
      .. text[now - task[READY_AT]] .. '\n' .. (task[EXPIRES] > 0 and text[task[EXPIRES] - now] or '') .. '\n' .. claimed_lines(task[SHAPE])
    reply[3 * at] = bodies[at] or ''
  end
  return { reply, next_ms(queue, names) }
end
`

/**
 * One round of a worker. ARGV channel, worker, number of the round, rounds whose answer was lost with commas, number of settles, these, number of notes, these,
 * then queue, limit, suspects, number of names and names of each claim. Gives the indexes of fenced settles, of each claim its tasks and the
 * milliseconds until there is more, and the ids that somebody wants cancelled; or 'stale' for a round that has been given up.
 *
 * What a lost answer gave is taken back by the next round, and a round that comes after the one that has given it up does nothing: `rounds` holds the
 * least that is still good.
 */
export const EXCHANGE_TASKS: Script = script(
  'exchange-tasks',
  `${TASKS}${EXCHANGING}${String.raw`
local worker, round, lost = ARGV[2], tonumber(ARGV[3]), ARGV[4]
local least = call('HGET', BASE .. 'rounds', worker)
if least and round < tonumber(match(least, '^%d+')) then return 'stale' end
-- The first write decides whether a full server takes the others: this one it always takes, so that work can be finished.
call('UNLINK', KEYS[2])
local settles = tonumber(ARGV[5])
local notes_at = 6 + 3 * settles
local at = take_notes(notes_at + 1, tonumber(ARGV[notes_at]), worker)
local fenced = take_settles(6, settles, worker)
give_places()
flush()
if lost ~= '' then
  call('HSET', BASE .. 'rounds', worker, text[round] .. ' ' .. text[now])
  for each in string.gmatch(lost, '%d+') do
    for _, task in ipairs(still_held(worker, each)) do settle(task, 'release', 0, '') end
  end
  give_places()
  flush()
end
local given, started = {}, {}
while at <= #ARGV do
  local names = {}
  local count = tonumber(ARGV[at + 3])
  for index = 1, count do names[index] = ARGV[at + 3 + index] end
  given[#given + 1] = claim(ARGV[at], names, tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), worker, round, started)
  at = at + 4 + count
end
if #started > 0 then
  call('SET', BASE .. 'claim:' .. worker .. '\n' .. ARGV[3], table.concat(started, '\n'))
  call('HSET', BASE .. 'holders', worker .. '\n' .. ARGV[3], #started)
end
finish()
return { fenced, given, call('SMEMBERS', BASE .. 'cancels:' .. worker) }
`}`,
)
