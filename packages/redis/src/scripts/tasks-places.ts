/**
 * Buckets, keys and their places, and the moves between the states of a task that has not ended. Begins after `ROWS`.
 *
 * `keys:QUEUE` holds by key: tasks that have not ended, places taken, ready, held for the rate, waiting, tokens and when they were counted; `idle` the
 * keys that are only remembered for the tokens that they owe, by the time at which they owe none.
 */
export const PLACES: string = String.raw`
local KEY = '>I4I4I4I4I4dI6'

local function refill(bucket, rate)
  if bucket.at == 0 then bucket.tokens, bucket.at = rate.limit, now end
  if now > bucket.at then
    bucket.tokens = min(rate.limit, bucket.tokens + (now - bucket.at) * rate.limit / rate.perMs)
    bucket.at = now
  end
  return bucket.tokens
end
local function until_tokens(bucket, rate, wanted)
  local missing = wanted - refill(bucket, rate)
  -- Less than this is the error of adding fractions.
  if missing <= 1e-6 then return 0 end
  return math.ceil(missing * rate.perMs / rate.limit)
end

local touched = {}
local function new_key(queue, name, stored)
  local key = { queue = queue, name = name, fresh = {}, tasks = 0, places = 0, ready = 0, held = 0, waiting = 0, tokens = 0, at = 0 }
  if stored then
    key.stored = true
    key.tasks, key.places, key.ready, key.held, key.waiting, key.tokens, key.at = unpack_row(KEY, stored)
  end
  queue.keys[name] = key
  return key
end
local function touch_key(key)
  if key.touched then return end
  key.touched = true
  touched[#touched + 1] = key
end
local function key_of(task)
  local shape = task[SHAPE]
  if not shape.key then return nil end
  local queue = owner_of(task)
  return queue.keys[shape.key] or new_key(queue, shape.key, call('HGET', BASE .. 'keys:' .. shape.queue, shape.key))
end
-- Reads the keys of many shapes at once.
local function load_keys(list)
  local wanted = {}
  for index = 1, #list do
    local shape = list[index]
    if shape.key then
      local queue = queue_of(shape.queue)
      if queue.keys[shape.key] == nil then
        queue.keys[shape.key] = false
        put(wanted, shape.queue, shape.key)
      end
    end
  end
  for name, names in pairs(wanted) do
    local found = values(BASE .. 'keys:' .. name, names)
    for index = 1, #names do new_key(queue_of(name), names[index], found[index]) end
  end
end

local function watch_expiry(task)
  if task[EXPIRES] > 0 then add(BASE .. 'expires', task[EXPIRES], task[ID]) end
end

local function make_ready(task)
  local shape = task[SHAPE]
  local queue = owner_of(task)
  touch(task)
  task[READY_AT] = now
  queue.changed, queue.calls = true, true
  if not queue.names[shape.name] then
    queue.names[shape.name] = true
    put(set_additions, BASE .. 'names:' .. shape.queue, shape.name)
  end
  if task[CRASHES] > 0 then
    task[STATE] = SUSPECT
    add(queue.suspect[shape.name], rank_of(task), member_of(task))
  else
    task[STATE] = READY
    add(queue.ready[shape.name], rank_of(task), member_of(task))
    local key = shape.key and key_of(task)
    if key then key.ready = key.ready + 1 end
  end
  watch_expiry(task)
end

local function delay(task, by)
  touch(task)
  task[STATE], task[BY] = DELAYED, by
  local queue = owner_of(task)
  add(queue.delayed, task[DUE], member_of(task))
  if by == BY_RATE then add(BASE .. 'held:' .. queue.name, task[DUE], member_of(task)) end
  queue.changed, queue.calls = true, true
  watch_expiry(task)
end

-- A task with a place becomes ready, or is held until the token of its key is there.
local function take_token(task, key)
  local rate = key.queue.key_rate
  if rate and task[CRASHES] == 0 then
    local wait = until_tokens(key, rate, min(rate.limit, key.ready + 1))
    if wait > 0 then
      task[DUE] = now + wait
      key.held = key.held + 1
      delay(task, BY_RATE)
      return
    end
  end
  make_ready(task)
end

-- A task that is due asks for a place of its key: it waits until the places are given, unless it has no key, or kept its place.
local function arrive(task)
  local key = key_of(task)
  if not key then return make_ready(task) end
  touch_key(key)
  if task[PLACE] == 1 then return take_token(task, key) end
  touch(task)
  task[STATE] = WAITING
  key.fresh[#key.fresh + 1] = task
end

local function leave_place(task)
  if task[PLACE] == 0 then return end
  local key = key_of(task)
  task[PLACE] = 0
  key.places = key.places - 1
  touch_key(key)
end

local function is_later(one, other)
  local rank, other_rank = rank_of(one), rank_of(other)
  if rank ~= other_rank then return rank > other_rank end
  return one[NUMBER] > other[NUMBER]
end
local function is_younger(one, other) return one[NUMBER] > other[NUMBER] end

local function mark_pending(key)
  if key.pending then return end
  key.pending = true
  flushed[#flushed + 1] = key
end

-- The first of those that waited before, the next ones behind it; the last of the list comes first.
local function stored_waiters(key)
  if key.waiting == 0 then return nil end
  if key.heads and #key.heads > 0 then return key.heads end
  if key.pending then flush() end
  local queue = key.queue
  local most = min(100, queue.places - key.places)
  local members
  if queue.order then
    local prefix = line_prefix(key.name)
    members = call('ZRANGEBYLEX', BASE .. 'line:' .. queue.name, '[' .. prefix, '(' .. prefix .. '\255\255', 'LIMIT', 0, 1)
    for index = 1, #members do members[index] = sub(members[index], #prefix + 1) end
  else
    members = call('ZRANGE', BASE .. 'wait:' .. queue.name .. '\n' .. key.name, 0, most - 1)
  end
  local ids, heads = {}, {}
  for index = 1, #members do ids[index] = id_of(members[index]) end
  load(ids)
  for index = #ids, 1, -1 do heads[#heads + 1] = tasks[ids[index]] end
  key.heads = heads
  return heads
end

local function leave_line(task, key)
  local queue, member = key.queue, member_of(task)
  remove(queue.wait[key.name], member)
  remove(queue.line, line_prefix(key.name) .. member)
  if task[EXPIRES] > 0 then remove(BASE .. 'expires', task[ID]) end
  key.waiting = key.waiting - 1
  mark_pending(key)
end

-- How many have come out of lines: a limit that is lifted may let more go than one script can move.
local moved_up = 0
local function next_waiter(key)
  local fresh = key.fresh
  local first = fresh[#fresh]
  local stored = stored_waiters(key)
  local other = stored and stored[#stored]
  if other and (not first or not (key.queue.order and is_younger or is_later)(other, first)) then
    if moved_up >= MOST_AT_ONCE then
      key.queue.is_behind = true
      return nil
    end
    moved_up = moved_up + 1
    stored[#stored] = nil
    leave_line(other, key)
    return other
  end
  fresh[#fresh] = nil
  return first
end

-- Gives the free places of all keys that were touched to those who wait for them.
local function give_places()
  for _, key in ipairs(touched) do
    local queue = key.queue
    key.touched = false
    if queue.is_free and key.waiting == 0 then
      for _, task in ipairs(key.fresh) do
        task[PLACE] = 1
        key.places = key.places + 1
        make_ready(task)
      end
      key.fresh = {}
    else
      if #key.fresh > 1 then table.sort(key.fresh, queue.order and is_younger or is_later) end
      local rate = queue.key_rate
      while key.places < queue.places and key.held == 0 and not (rate and key.ready >= rate.limit) do
        local task = next_waiter(key)
        if not task then break end
        task[PLACE] = 1
        key.places = key.places + 1
        take_token(task, key)
      end
      for _, task in ipairs(key.fresh) do
        local member = member_of(task)
        add(queue.wait[key.name], rank_of(task), member)
        add(queue.line, 0, line_prefix(key.name) .. member)
        key.waiting = key.waiting + 1
        watch_expiry(task)
        queue.changed = true
      end
      if #key.fresh > 0 then
        mark_pending(key)
        key.heads = nil
        key.fresh = {}
      end
    end
    queue.keys_changed = queue.keys_changed or {}
    queue.keys_changed[key.name] = key
  end
  touched = {}
end

-- Takes a task out of the indexes of its state; it still has its place.
local function detach(task)
  if task[DIRTY] then
    give_places()
    flush()
  end
  touch(task)
  local state, shape = task[STATE], task[SHAPE]
  local key = shape.key and key_of(task)
  if key then touch_key(key) end
  local queue = owner_of(task)
  queue.changed = true
  if task[EXPIRES] > 0 and state ~= RUNNING then remove(BASE .. 'expires', task[ID]) end
  if state == RUNNING then
    local worker = task[WORKER]
    queue.running = queue.running - 1
    queue.is_counted = true
    if queue.settings.concurrency then queue.calls = true end
    local rounds = settled_rounds[worker]
    if not rounds then
      rounds = {}
      settled_rounds[worker] = rounds
    end
    rounds[task[ROUND]] = (rounds[task[ROUND]] or 0) + 1
    if task[CANCELLING] == 1 then put(set_removals, BASE .. 'cancels:' .. worker, task[ID]) end
    task[WORKER] = ''
  elseif state == READY then
    remove(queue.ready[shape.name], member_of(task))
    if key then key.ready = key.ready - 1 end
  elseif state == SUSPECT then
    remove(queue.suspect[shape.name], member_of(task))
  elseif state == DELAYED then
    remove(queue.delayed, member_of(task))
    if task[BY] == BY_RATE then
      remove(BASE .. 'held:' .. queue.name, member_of(task))
      if key then key.held = key.held - 1 end
    end
    task[BY] = 0
  elseif state == WAITING then
    leave_line(task, key)
    key.heads = nil
  elseif state == BLOCKED then
    remove(queue.blocked, member_of(task))
  end
end

-- Puts a task off, or lets it come anew; its place is kept only where keys are in order.
local function put_off(task, ms, by)
  detach(task)
  if not owner_of(task).order then leave_place(task) end
  task[DUE] = now + max(0, ms)
  if ms > 0 then delay(task, by) else arrive(task) end
end

-- The rank of a task has changed.
local function reindex(task)
  touch(task)
  local state, queue, name = task[STATE], owner_of(task), task[SHAPE].name
  if state == READY then add(queue.ready[name], rank_of(task), member_of(task))
  elseif state == SUSPECT then add(queue.suspect[name], rank_of(task), member_of(task))
  elseif state == WAITING then
    local key = key_of(task)
    add(queue.wait[key.name], rank_of(task), member_of(task))
    mark_pending(key)
    key.heads = nil
  end
  queue.changed = true
end
`
