import { script, type Script } from '../client/script.ts'
import { TASKS } from './tasks-enqueue.ts'
import { COUNTING } from './tasks-reading.ts'
import { ROWS } from './tasks-rows.ts'

/** Changes tasks. ARGV channel, action, head start or delay, `1` with a body, body, ids. Gives the ids that were changed. */
export const CHANGE_TASKS: Script = script(
  'change-tasks',
  `${TASKS}${String.raw`
local action, amount, has_body, body = ARGV[2], tonumber(ARGV[3]), ARGV[4] == '1', ARGV[5]

local function is_put_off(task) return task[STATE] == DELAYED and task[BY] ~= BY_RATE end

local function leave_ended(task)
  local member, state = kept_member(task), task[STATE]
  local queue = owner_of(task)
  if call('ZREM', ended_index(queue, state), member) == 1 then weigh(queue, state, -weight_of(task)) end
  call('ZREM', pinned_index(queue, state), member)
  if state == DEAD then count_dead(owner_of(task), call('HGET', BASE .. 'errors', task[ID]), -1) end
end

-- A task that has ended begins anew, at the end of the order of adding.
local function add_again(task)
  flush()
  leave_ended(task)
  local id, shape = task[ID], task[SHAPE]
  local parent = shape.parent and task_of(shape.parent)
  if parent then
    parent[PENDING] = parent[PENDING] + 1
    touch(parent)
  end
  for _, child_id in ipairs(children_of(task)) do
    local child = tasks[child_id]
    local queue = child and has_ended(child) and owner_of(child)
    if queue and call('ZREM', ended_index(queue, child[STATE]), kept_member(child)) == 1 then
      weigh(queue, child[STATE], -weight_of(child))
      add(pinned_index(queue, child[STATE]), child[ENDED], kept_member(child))
    end
  end
  if has_body then give_body(task, body) end
  call('HDEL', BASE .. 'errors', id)
  call('HDEL', BASE .. 'progress', id)
  touch(task)
  task[OUTPUT] = ''
  task[NUMBER] = call('INCR', BASE .. 'number')
  task[ADDED], task[DUE], task[TIME] = now, now, now
  task[ATTEMPTS], task[CRASHES], task[STARTED], task[ENDED], task[EXPIRES] = 0, 0, 0, 0, 0
  local key = key_of(task)
  if key then
    key.tasks = key.tasks + 1
    touch_key(key)
  end
  if task[PENDING] > 0 then
    task[STATE] = BLOCKED
    add(owner_of(task).blocked, task[NUMBER], member_of(task))
    owner_of(task).changed = true
  else arrive(task) end
end

local changes = {}
function changes.cancel(task)
  if has_ended(task) then return false end
  cancel_task(task)
  return true
end
function changes.prioritise(task)
  if has_ended(task) or task[STATE] == RUNNING then return false end
  if task[DIRTY] then
    give_places()
    flush()
  end
  task[SHAPE] = with_head(task[SHAPE], ARGV[3])
  reindex(task)
  return true
end
function changes.postpone(task)
  if task[STATE] ~= WAITING and task[STATE] ~= READY and not is_put_off(task) then return false end
  task[TIME] = now + max(0, amount)
  put_off(task, amount, BY_DELAY)
  return true
end
function changes.run(task)
  if is_put_off(task) then
    detach(task)
    task[DUE], task[TIME] = now, min(task[TIME], now)
    arrive(task)
  elseif task[STATE] > DONE then add_again(task)
  else return false end
  return true
end
function changes.discard(task)
  if task[DIRTY] then flush() end
  if not has_ended(task) or not call('ZSCORE', ended_index(owner_of(task), task[STATE]), kept_member(task)) then return false end
  leave_ended(task)
  owner_of(task).changed = true
  forget({ task[ID] })
  return true
end

local ids, changed = {}, {}
for index = 6, #ARGV do ids[#ids + 1] = ARGV[index] end
call('UNLINK', KEYS[2])
load(ids)
for _, id in ipairs(ids) do
  local task = tasks[id]
  if task and changes[action](task) then changed[#changed + 1] = id end
end
finish()
return changed
`}`,
)

/** Stores the settings of a queue. ARGV channel, name, expected version, settings and note as JSON. Gives the version, or 0 when somebody was faster. */
export const PUT_QUEUE: Script = script(
  'put-queue',
  `${TASKS}${String.raw`
local queue = queue_of(ARGV[2])
if queue.stored.version ~= tonumber(ARGV[3]) then return 0 end
local version = queue.stored.version + 1
local given = cjson.decode(ARGV[4])
local before, after = queue.settings.rate, given.settings.rate
if (before and before.limit) ~= (after and after.limit) or (before and before.perMs) ~= (after and after.perMs) then queue.at = 0 end
before, after = queue.key_rate, given.settings.key.rate
if (before and before.limit) ~= (after and after.limit) or (before and before.perMs) ~= (after and after.perMs) then
  -- What is held for a token of the former rate asks again.
  local due = {}
  for _, member in ipairs(call('ZRANGE', BASE .. 'held:' .. queue.name, 0, -1)) do
    due[#due + 1] = text[now]
    due[#due + 1] = member
  end
  many('ZADD', queue.delayed, due)
end
call('HSET', BASE .. 'queues', queue.name, '{"version":' .. text[version] .. ',' .. sub(ARGV[4], 2))
call('HSET', BASE .. 'widened', queue.name, '')
queue.exists, queue.is_counted, queue.changed, queue.calls = true, true, true, true
finish()
return version
`}`,
)

/** Removes a queue that has no tasks. ARGV channel, name. Gives 1 when it is gone. */
export const REMOVE_QUEUE: Script = script(
  'remove-queue',
  `${ROWS}${COUNTING}
local name = ARGV[2]
if redis.call('HEXISTS', BASE .. 'queues', name) == 0 then return 0 end
local counts = count_states(name)
for state = 0, 9 do
  if counts[state] > 0 then return 0 end
end
redis.call('HDEL', BASE .. 'queues', name, name .. '\\n')
redis.call('HDEL', BASE .. 'widened', name)
for _, kind in ipairs({ 'names:', 'turns:', 'dedupe:', 'keys:', 'dead:', 'dead-samples:', 'held:' }) do redis.call('UNLINK', BASE .. kind .. name) end
return 1
`,
)
