/**
 * Dedupe keys, the ends of tasks with what follows for parents and children, and what is kept of the ended ones. Begins after `PLACES`.
 *
 * `dedupe:QUEUE` holds by dedupe key the id of its holder, and the end of its window, if it holds it for one, in a line of its own; `windows` queue
 * and key by the end of the window. `dead:QUEUE` counts dead tasks by fingerprint, `dead-samples:QUEUE` has the time, code and message of the last.
 */
export const ENDING: string = String.raw`
-- Reads the holders of dedupe keys, by name of their queue.
local function load_dedupe(wanted)
  for name, keys in pairs(wanted) do
    local found = values(BASE .. 'dedupe:' .. name, keys)
    local known = queue_of(name).dedupe
    for index = 1, #keys do known[keys[index]] = found[index] end
  end
end
local function want_dedupe(wanted, queue, dedupe)
  if dedupe == '' or queue.dedupe[dedupe] ~= nil then return end
  queue.dedupe[dedupe] = false
  put(wanted, queue.name, dedupe)
end

-- Id of the holder and end of its window, 0 for none.
local function holder_of(queue, dedupe)
  local held = queue.dedupe[dedupe]
  if not held then return nil end
  local line = find(held, '\n', 1, true)
  if not line then return held, 0 end
  return sub(held, 1, line - 1), tonumber(sub(held, line + 1))
end

local function frees_dedupe(task, reached)
  local held_until = task[SHAPE].held_until
  return held_until == reached or (held_until == 'start' and reached == 'end')
end
local function free_dedupe(task, reached)
  if not frees_dedupe(task, reached) then return end
  local dedupe, queue = dedupe_of(task), owner_of(task)
  if queue.dedupe[dedupe] == nil then load_dedupe({ [queue.name] = { dedupe } }) end
  -- One that is held for a window has a line more: it is that of another task.
  if queue.dedupe[dedupe] ~= task[ID] then return end
  queue.dedupe[dedupe] = false
  put(field_removals, queue.holders, dedupe)
end

local function hold_dedupe(task, window)
  local dedupe, queue = dedupe_of(task), owner_of(task)
  local window_name, _, ends_before = queue.name .. '\n' .. dedupe, holder_of(queue, dedupe)
  local held = task[ID]
  if task[SHAPE].held_until == 'window' then
    held = held .. '\n' .. text[now + window]
    add(BASE .. 'windows', now + window, window_name)
  elseif ends_before and ends_before > 0 then remove(BASE .. 'windows', window_name) end
  queue.dedupe[dedupe] = held
  write_field('dedupe:' .. queue.name, dedupe, held)
end

-- Dead tasks by what killed them.
local function count_dead(queue, error_text, by)
  local error = error_text and cjson.decode(error_text) or { code = '', message = '', fingerprint = '' }
  local counts, samples = BASE .. 'dead:' .. queue.name, BASE .. 'dead-samples:' .. queue.name
  if call('HINCRBY', counts, error.fingerprint, by) <= 0 then
    call('HDEL', counts, error.fingerprint)
    call('HDEL', samples, error.fingerprint)
  elseif by > 0 then
    call('HSET', samples, error.fingerprint, cjson.encode({ text[now_exactly], error.code, error.message }))
  end
end

local function kept_member(task) return task[ID] .. '\n' .. text[weight_of(task)] end
local function ended_index(queue, state)
  local known = queue.ended_keys[state]
  if not known then
    known = BASE .. 'ended:' .. STATE_NAMES[state] .. ':' .. queue.name
    queue.ended_keys[state] = known
  end
  return known
end
local function pinned_index(queue, state) return BASE .. 'pinned:' .. STATE_NAMES[state] .. ':' .. queue.name end
local function weigh(queue, state, by)
  if state == DEAD then queue.kept_dead = max(0, queue.kept_dead + by) else queue.kept = max(0, queue.kept + by) end
  queue.is_counted = true
end

local function keep(task)
  local queue = owner_of(task)
  if task[STATE] ~= DEAD and queue.settings.keep.count <= 0 then
    task[KIND] = UNKEPT
    unkept_ids[#unkept_ids + 1] = task[ID]
    return
  end
  add(ended_index(queue, task[STATE]), task[ENDED], kept_member(task))
  weigh(queue, task[STATE], weight_of(task))
  queue.has_ended = true
end

local function living_parent(task)
  local parent = task[SHAPE].parent
  local found = parent and task_of(parent)
  if found and not has_ended(found) then return found end
  return nil
end

local function children_of(task)
  if not task[SHAPE].has_children then return {} end
  local ids = call('LRANGE', BASE .. 'flow:' .. task[ID], 0, -1)
  load(ids)
  return ids
end

local end_task
local function cancel_task(task)
  if task[STATE] ~= RUNNING then return end_task(task, CANCELLED) end
  touch(task)
  if task[CANCELLING] == 0 then put(set_additions, BASE .. 'cancels:' .. task[WORKER], task[ID]) end
  task[CANCELLING] = 1
  owner_of(task).changed, owner_of(task).calls = true, true
end

-- The ended ones need not be kept for their parent any more, the others are of no use to it.
local function let_go_of_children(task, was_blocked)
  for _, id in ipairs(children_of(task)) do
    local child = tasks[id]
    if child and has_ended(child) then
      if child[DIRTY] then flush() end
      remove(pinned_index(owner_of(child), child[STATE]), kept_member(child))
      keep(child)
    elseif child and was_blocked then cancel_task(child) end
  end
end

local function unblock(task)
  if task[STATE] ~= BLOCKED or task[PENDING] > 0 then return end
  detach(task)
  if task[DUE] > now then delay(task, BY_DELAY) else arrive(task) end
end

local function tell_parent(parent, child)
  parent[PENDING] = max(0, parent[PENDING] - 1)
  if parent[STATE] ~= BLOCKED then return touch(parent) end
  if parent[SHAPE].fail_fast and child[STATE] ~= DONE then
    end_task(parent, DEAD, cjson.encode({
      code = 'task_child_failed', fingerprint = 'task_child_failed',
      message = 'The child ' .. child[ID] .. ' (' .. child[SHAPE].name .. ') ended as ' .. STATE_NAMES[child[STATE]] .. '.',
    }))
  elseif parent[PENDING] == 0 then unblock(parent)
  else touch(parent) end
end

-- Ends a task, and does to its parent and its children what follows from it.
function end_task(task, state, error)
  local shape = task[SHAPE]
  local was_blocked = task[STATE] == BLOCKED
  detach(task)
  if shape.key then
    leave_place(task)
    local key = key_of(task)
    key.tasks = key.tasks - 1
  end
  task[STATE], task[ENDED], task[CANCELLING] = state, now_exactly, 0
  if error then write_field('errors', task[ID], error) end
  free_dedupe(task, 'end')
  if state == DEAD then count_dead(owner_of(task), error or call('HGET', BASE .. 'errors', task[ID]), 1) end
  local parent = shape.parent and living_parent(task)
  if parent then add(pinned_index(owner_of(task), state), now_exactly, kept_member(task)) else keep(task) end
  if shape.has_children then let_go_of_children(task, was_blocked) end
  local told = shape.parent and task_of(shape.parent)
  if told then tell_parent(told, task) end
end

-- Forgets ended tasks that are in no index any more.
local function forget(ids)
  if #ids == 0 then return end
  many('HDEL', BASE .. 'tasks', ids)
  many('HDEL', BASE .. 'states', ids)
  if call('EXISTS', BASE .. 'errors') == 1 then many('HDEL', BASE .. 'errors', ids) end
  if call('EXISTS', BASE .. 'progress') == 1 then many('HDEL', BASE .. 'progress', ids) end
  for _, id in ipairs(ids) do tasks[id] = false end
  if call('EXISTS', BASE .. 'attached') == 0 then return end
  for from = 1, #ids, MOST_AT_ONCE do
    local to = min(#ids, from + MOST_AT_ONCE - 1)
    local attached = call('SMISMEMBER', BASE .. 'attached', unpack(ids, from, to))
    for index = from, to do
      if attached[index - from + 1] == 1 then
        call('UNLINK', BASE .. 'log:' .. ids[index], BASE .. 'flow:' .. ids[index])
        call('SREM', BASE .. 'attached', ids[index])
      end
    end
  end
end

-- Removes ended tasks of a state by their members in the index, of which they are the first.
local function drop(queue, state, members)
  if #members == 0 then return end
  local ids, bytes = {}, 0
  for index = 1, #members do
    local member = members[index]
    local line = find(member, '\n', 1, true)
    ids[index] = sub(member, 1, line - 1)
    bytes = bytes + tonumber(sub(member, line + 1))
  end
  if state == DEAD then
    for _, error in ipairs(values(BASE .. 'errors', ids)) do count_dead(queue, error, -1) end
  end
  call('ZREMRANGEBYRANK', ended_index(queue, state), 0, #members - 1)
  forget(ids)
  weigh(queue, state, -bytes)
end

-- The oldest ended ones of some states, state and member each.
local function oldest(queue, states, most)
  local found = {}
  for _, state in ipairs(states) do
    local range = { 'ZRANGE', ended_index(queue, state), 0, most - 1, #states > 1 and 'WITHSCORES' or nil }
    local members = call(unpack(range))
    for at = 1, #members, #states > 1 and 2 or 1 do found[#found + 1] = { state, members[at], tonumber(#states > 1 and members[at + 1] or 0), #found } end
  end
  if #states > 1 then table.sort(found, function(one, other) return one[3] < other[3] or (one[3] == other[3] and one[4] < other[4]) end) end
  return found
end

-- Removes what is beyond count and bytes of what is kept, at most so many. Gives how many.
local function keep_within(queue, keep, states, most)
  local held, filled = 0, {}
  for _, state in ipairs(states) do
    local size = call('ZCARD', ended_index(queue, state))
    held = held + size
    if size > 0 then filled[#filled + 1] = state end
  end
  local over_count, over_bytes = held - keep.count, queue[states[1] == DEAD and 'kept_dead' or 'kept'] - keep.bytes
  if over_count <= 0 and over_bytes <= 0 then return 0 end
  local members, removed = {}, 0
  for _, each in ipairs(oldest(queue, filled, min(most, over_bytes > 0 and most or over_count))) do
    if (over_count <= 0 and over_bytes <= 0) or removed >= most then break end
    put(members, each[1], each[2])
    removed = removed + 1
    over_count, over_bytes = over_count - 1, over_bytes - tonumber(sub(each[2], find(each[2], '\n', 1, true) + 1))
  end
  for state, list in pairs(members) do drop(queue, state, list) end
  return removed
end

local FINAL, FINAL_DEAD = { DONE, CANCELLED, EXPIRED }, { DEAD }

-- Writes everything, and tells those who listen: '+' and the name of a queue that calls for workers, '-' and that of one where tasks have only ended.
local function finish()
  give_places()
  flush()
  forget(unkept_ids)
  for worker, rounds in pairs(settled_rounds) do
    for round, count in pairs(rounds) do
      local field = worker .. '\n' .. text[round]
      if call('HINCRBY', BASE .. 'holders', field, -count) <= 0 then
        call('HDEL', BASE .. 'holders', field)
        call('UNLINK', BASE .. 'claim:' .. field)
      end
    end
  end
  local told = {}
  for name, queue in pairs(queues) do
    -- The next sweep goes on.
    if queue.is_behind then call('HSET', BASE .. 'widened', name, '') end
    if queue.has_ended then
      keep_within(queue, queue.settings.keep, FINAL, MOST_AT_ONCE)
      keep_within(queue, queue.settings.keepDead, FINAL_DEAD, MOST_AT_ONCE)
    end
    local written = {}
    if not queue.exists and (queue.changed or queue.is_made) then written = { name, '' } end
    if queue.is_counted or queue.has_ended then
      written[#written + 1] = name .. '\n'
      written[#written + 1] = pack('>I4I6I6dI6', max(0, queue.running), queue.kept, queue.kept_dead, queue.tokens, queue.at)
    end
    if #written > 0 then call('HSET', BASE .. 'queues', unpack(written)) end
    if queue.keys_changed then
      local kept, gone = {}, {}
      for key_name, key in pairs(queue.keys_changed) do
        local owes = key.tasks <= 0 and queue.key_rate and key.at > 0 and until_tokens(key, queue.key_rate, queue.key_rate.limit) or 0
        if key.tasks > 0 or owes > 0 then
          kept[#kept + 1] = key_name
          kept[#kept + 1] = pack(KEY, key.tasks, max(0, key.places), max(0, key.ready), max(0, key.held), max(0, key.waiting), key.tokens, key.at)
          if owes > 0 then call('ZADD', BASE .. 'idle', text[now + owes], name .. '\n' .. key_name) end
        elseif key.stored then gone[#gone + 1] = key_name end
      end
      many('HSET', BASE .. 'keys:' .. name, kept)
      many('HDEL', BASE .. 'keys:' .. name, gone)
    end
    if queue.changed then told[#told + 1] = (queue.calls and '+' or '-') .. name end
  end
  if #told > 0 then call('PUBLISH', ARGV[1], table.concat(told, '\n')) end
end
`
