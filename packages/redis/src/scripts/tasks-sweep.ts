import { script, type Script } from '../client/script.ts'
import { TASKS } from './tasks-enqueue.ts'

/** Expires what waits past its time, forgets dedupe keys past their window and keys that owe nothing. ARGV channel, how many. Gives expired, and 1 for more. */
export const SWEEP_TASKS: Script = script(
  'sweep-tasks',
  `${TASKS}${String.raw`
local most = tonumber(ARGV[2])
local function due(index) return call('ZRANGEBYSCORE', BASE .. index, '-inf', text[now], 'LIMIT', 0, most) end
call('UNLINK', KEYS[2])
local ids = due('expires')
load(ids)
local expired = 0
for _, id in ipairs(ids) do
  local task = tasks[id]
  if task and task[STATE] < RUNNING and task[EXPIRES] <= now then
    end_task(task, EXPIRED)
    expired = expired + 1
  else remove(BASE .. 'expires', id) end
end
local windows = due('windows')
for _, window in ipairs(windows) do
  local queue, key = match(window, '^([^\n]*)\n(.*)$')
  local holder = call('HGET', BASE .. 'dedupe:' .. queue, key)
  local ends_at = holder and tonumber(match(holder, '\n(%d+)$'))
  if ends_at and ends_at <= now then call('HDEL', BASE .. 'dedupe:' .. queue, key) end
  call('ZREM', BASE .. 'windows', window)
end
local idle = due('idle')
for _, each in ipairs(idle) do
  local queue, name = match(each, '^([^\n]*)\n(.*)$')
  local stored = call('HGET', BASE .. 'keys:' .. queue, name)
  if stored and unpack_row(KEY, stored) == 0 then touch_key(queue_of(queue).keys[name] or new_key(queue_of(queue), name, stored)) end
  call('ZREM', BASE .. 'idle', each)
end
-- Nothing that is on its way for an hour still comes.
local rounds = call('HGETALL', BASE .. 'rounds')
for index = 1, #rounds, 2 do
  if tonumber(match(rounds[index + 1], '%d+$')) < now - 3600000 then call('HDEL', BASE .. 'rounds', rounds[index]) end
end
finish()
return { expired, (#ids == most or #windows == most or #idle == most) and 1 or 0 }
`}`,
)

/**
 * Removes what queues do not keep, forgets turns that are over, and gives the places of keys where limits have become wider. ARGV channel, how many, queues. Gives
 * removed, and 1 for more.
 */
export const SWEEP_QUEUES: Script = script(
  'sweep-queues',
  `${TASKS}${String.raw`
local most, removed, more = tonumber(ARGV[2]), 0, 0
call('UNLINK', KEYS[2])

local function drop_old(queue, keep, states)
  for _, state in ipairs(states) do
    local members = call('ZRANGEBYSCORE', ended_index(queue, state), '-inf', text[now_exactly - keep.ageMs * 1000], 'LIMIT', 0, max(0, most - removed))
    drop(queue, state, members)
    removed = removed + #members
  end
end

-- Keys with waiting tasks, one after the other, from where the last sweep has stopped.
local function widen(queue)
  local from = call('HGET', BASE .. 'widened', queue.name)
  if not from then return end
  for _ = 1, 200 do
    local member = call('ZRANGEBYLEX', BASE .. 'line:' .. queue.name, from == '' and '-' or from, '+', 'LIMIT', 0, 1)[1]
    if not member then
      call('HDEL', BASE .. 'widened', queue.name)
      return
    end
    local size = 8 + tonumber(sub(member, 1, 8), 16)
    local name = sub(member, 9, size)
    touch_key(queue.keys[name] or new_key(queue, name, call('HGET', BASE .. 'keys:' .. queue.name, name)))
    from = '[' .. sub(member, 1, size) .. '\255\255'
  end
  call('HSET', BASE .. 'widened', queue.name, from)
  more = 1
end

for index = 3, #ARGV do
  local queue = queue_of(ARGV[index])
  removed = removed + keep_within(queue, queue.settings.keep, FINAL, max(0, most - removed))
  removed = removed + keep_within(queue, queue.settings.keepDead, FINAL_DEAD, max(0, most - removed))
  drop_old(queue, queue.settings.keep, FINAL)
  drop_old(queue, queue.settings.keepDead, FINAL_DEAD)
  call('ZREMRANGEBYSCORE', BASE .. 'turns:' .. queue.name, '-inf', text[now - queue.settings.fairMs])
  widen(queue)
  give_places()
  if queue.is_behind then more = 1 end
end
finish()
return { removed, (removed >= most or more == 1) and 1 or 0 }
`}`,
)
