import { script, type Script } from '../client/script.ts'
import { ROWS } from './tasks-rows.ts'

/** Of each task that is there: id, lines of worker, dedupe key, number, what else its row counts, and shape; body, output, error, progress. */
const TOLD = String.raw`
local function tell(ids)
  load(ids)
  local there, listed, told = {}, {}, {}
  for _, id in ipairs(ids) do
    if tasks[id] then
      there[#there + 1] = id
      listed[#listed + 1] = tasks[id]
    end
  end
  local bodies, errors, progress = bodies_of(listed), values(BASE .. 'errors', there), values(BASE .. 'progress', there)
  for at, id in ipairs(there) do
    local task, numbers = tasks[id], {}
    numbers[1], numbers[2], numbers[3] = task[WORKER], dedupe_of(task), text[task[NUMBER]]
    for place = STATE, EXPIRES do numbers[#numbers + 1] = text[task[place]] end
    local lines = table.concat(numbers, '\n') .. '\n' .. task[SHAPE].lines
    for _, each in ipairs({ id, lines, bodies[at] or '', task[OUTPUT], errors[at] or '', progress[at] or '' }) do told[#told + 1] = each end
  end
  return told
end
`

/** Tasks. ARGV channel, ids. */
export const GET_TASKS: Script = script(
  'get-tasks',
  `${ROWS}${TOLD}
local ids = {}
for index = 2, #ARGV do ids[#ids + 1] = ARGV[index] end
return tell(ids)
`,
)

/** Children of a task in the order of the flow. ARGV channel, parent, first, last. Gives how many, and what is told of them. */
export const CHILDREN: Script = script(
  'children',
  `${ROWS}${TOLD}
local ids = call('LRANGE', BASE .. 'flow:' .. ARGV[2], ARGV[3], ARGV[4])
return { #ids, tell(ids) }
`,
)

/** How many tasks of a queue are in each state, how many are ready by name, and the indexes of the ended. */
export const COUNTING: string = String.raw`
local function count_states(name)
  local counts, ready = {}, {}
  counts[BLOCKED], counts[DELAYED] = call('ZCARD', BASE .. 'blocked:' .. name), call('ZCARD', BASE .. 'delayed:' .. name)
  counts[WAITING], counts[READY], counts[SUSPECT], counts[RUNNING] = call('ZCARD', BASE .. 'line:' .. name), 0, 0, queue_of(name).running
  for _, definition in ipairs(call('SMEMBERS', BASE .. 'names:' .. name)) do
    local of_ready = call('ZCARD', BASE .. 'ready:' .. name .. '\n' .. definition)
    local of_suspect = call('ZCARD', BASE .. 'suspect:' .. name .. '\n' .. definition)
    counts[READY], counts[SUSPECT] = counts[READY] + of_ready, counts[SUSPECT] + of_suspect
    ready[definition] = of_ready + of_suspect
  end
  for state = DONE, EXPIRED do
    local of_state = STATE_NAMES[state] .. ':' .. name
    counts[state] = call('ZCARD', BASE .. 'ended:' .. of_state) + call('ZCARD', BASE .. 'pinned:' .. of_state)
  end
  return counts, ready
end
`

/**
 * What is known of queues. ARGV channel, names. Of each: name, what is stored or '', counts by state, how long the longest of the first hundred in line has
 * been ready in milliseconds or -1, names with ready tasks, milliseconds until the next token or -1.
 */
export const QUEUE_STATES: Script = script(
  'queue-states',
  `${ROWS}${COUNTING}${String.raw`
local told = {}
for index = 2, #ARGV do
  local name = ARGV[index]
  local counts, ready = count_states(name)
  local names, ids, oldest = {}, {}, now
  for definition, count in pairs(ready) do
    if count > 0 then
      names[#names + 1] = definition
      for _, kind in ipairs({ 'ready:', 'suspect:' }) do
        for _, member in ipairs(call('ZRANGE', BASE .. kind .. name .. '\n' .. definition, 0, 99)) do ids[#ids + 1] = id_of(member) end
      end
    end
  end
  load(ids)
  for _, id in ipairs(ids) do
    if tasks[id] then oldest = min(oldest, tasks[id][READY_AT]) end
  end
  local in_order = {}
  for state = 0, 9 do in_order[state + 1] = counts[state] end
  local settings = call('HGET', BASE .. 'queues', name)
  local queue, token = queue_of(name), -1
  local rate = queue.settings.rate
  if rate then
    local missing = queue.at == 0 and 0 or 1 - min(rate.limit, queue.tokens + max(0, now - queue.at) * rate.limit / rate.perMs)
    token = missing <= 1e-6 and 0 or math.ceil(missing * rate.perMs / rate.limit)
  end
  if settings then told[#told + 1] = { name, settings, in_order, #ids > 0 and now - oldest or -1, names, token } end
end
return told
`}`,
)

/** Names of queues. */
export const QUEUE_NAMES: Script = script(
  'queue-names',
  `
local names = {}
for _, name in ipairs(redis.call('HKEYS', KEYS[1] .. 'queues')) do
  if string.sub(name, -1) ~= '\\n' then names[#names + 1] = name end
end
return names
`,
)

/**
 * Tasks of a queue that have not ended, of each index its first ones. ARGV channel, queue, how many of an index, codes of states. Gives number and id in
 * turn.
 */
export const OPEN_TASKS: Script = script(
  'open-tasks',
  `${ROWS}${String.raw`
local name, most = ARGV[2], tonumber(ARGV[3])
local found = {}
local function gather(members, from)
  for _, member in ipairs(members) do
    if from then member = sub(member, 9 + tonumber(sub(member, 1, 8), 16)) end
    found[#found + 1] = text[number_of(member)]
    found[#found + 1] = id_of(member)
  end
end
local function first(index) return call('ZRANGE', BASE .. index, 0, most - 1) end
for index = 4, #ARGV do
  local state = tonumber(ARGV[index])
  if state == BLOCKED then gather(first('blocked:' .. name))
  elseif state == DELAYED then gather(first('delayed:' .. name))
  elseif state == WAITING then gather(first('line:' .. name), true)
  elseif state == READY or state == SUSPECT then
    for _, definition in ipairs(call('SMEMBERS', BASE .. 'names:' .. name)) do gather(first(STATE_NAMES[state] .. ':' .. name .. '\n' .. definition)) end
  elseif state == RUNNING then
    for _, field in ipairs(call('HKEYS', BASE .. 'holders')) do
      local worker, round = match(field, '^([^\n]*)\n(.*)$')
      for _, task in ipairs(#found < 2 * most and still_held(worker, round) or {}) do
        if task[SHAPE].queue == name then
          found[#found + 1] = text[task[NUMBER]]
          found[#found + 1] = task[ID]
        end
      end
    end
  end
end
return found
`}`,
)

/** Ended tasks of a queue and a state. ARGV channel, `ended` or `pinned`, state, queue, latest end, how many to skip, how many. Gives id and end in turn. */
export const ENDED_TASKS: Script = script(
  'ended-tasks',
  `${ROWS}${String.raw`
local found = call('ZREVRANGEBYSCORE', BASE .. ARGV[2] .. ':' .. ARGV[3] .. ':' .. ARGV[4], ARGV[5], '-inf', 'WITHSCORES', 'LIMIT', ARGV[6], ARGV[7])
for index = 1, #found, 2 do
  found[index] = match(found[index], '^(.*)\n%d+$')
  found[index + 1] = text[tonumber(found[index + 1])]
end
return found
`}`,
)

/** How many are claimed before a task. ARGV channel, id, limit. Gives -1 when it is neither ready nor waiting. */
export const AHEAD: Script = script(
  'ahead',
  `${ROWS}${String.raw`
local task, limit = task_of(ARGV[2]), tonumber(ARGV[3])
if not task or (task[STATE] ~= READY and task[STATE] ~= WAITING) then return -1 end
local rank, name, count = text[rank_of(task)], task[SHAPE].queue, 0
local function before(index)
  count = count + call('ZCOUNT', index, '-inf', '(' .. rank)
  for _, member in ipairs(call('ZRANGEBYSCORE', index, rank, rank, 'LIMIT', 0, limit)) do
    if number_of(member) < task[NUMBER] then count = count + 1 end
  end
end
for _, definition in ipairs(call('SMEMBERS', BASE .. 'names:' .. name)) do before(BASE .. 'ready:' .. name .. '\n' .. definition) end
local from = '-'
for _ = 1, 1000 do
  local member = count < limit and call('ZRANGEBYLEX', BASE .. 'line:' .. name, from, '+', 'LIMIT', 0, 1)[1]
  if not member then break end
  local size = 8 + tonumber(sub(member, 1, 8), 16)
  before(BASE .. 'wait:' .. name .. '\n' .. sub(member, 9, size))
  from = '[' .. sub(member, 1, size) .. '\255\255'
end
return min(count, limit)
`}`,
)

/** Lines of a task. ARGV channel, id. */
export const TASK_LOG: Script = script(
  'task-log',
  `
return redis.call('LRANGE', KEYS[1] .. 'log:' .. ARGV[2], 0, -1)
`,
)

/** Dead tasks of queues by fingerprint. ARGV channel, queues. Of each: queue, counts, samples as hashes. */
export const DEAD_COUNTS: Script = script(
  'dead-counts',
  `
local told = {}
for index = 2, #ARGV do
  told[#told + 1] = { ARGV[index], redis.call('HGETALL', KEYS[1] .. 'dead:' .. ARGV[index]), redis.call('HGETALL', KEYS[1] .. 'dead-samples:' .. ARGV[index]) }
end
return told
`,
)

/** Children of a task that are there, by id. ARGV channel, parent. */
export const CHILD_IDS: Script = script(
  'child-ids',
  `
return redis.call('LRANGE', KEYS[1] .. 'flow:' .. ARGV[2], 0, -1)
`,
)
