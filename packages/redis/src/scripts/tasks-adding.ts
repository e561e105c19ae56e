import { PLAIN } from './tasks-plain.ts'

/** How many more tasks a queue takes. What this script has not written yet does not count. */
export const ROOM: string = String.raw`
local function room_in(name)
  local bound = queue_of(name).settings.maxWaiting
  if not bound then return huge end
  local held = call('ZCARD', BASE .. 'blocked:' .. name) + call('ZCARD', BASE .. 'delayed:' .. name) + call('ZCARD', BASE .. 'line:' .. name)
  for _, definition in ipairs(call('SMEMBERS', BASE .. 'names:' .. name)) do
    held = held + call('ZCARD', BASE .. 'ready:' .. name .. '\n' .. definition) + call('ZCARD', BASE .. 'suspect:' .. name .. '\n' .. definition)
  end
  return max(0, bound - held)
end
`

/**
 * Adding tasks, for scripts that do. A wish is a line of delay, expiry (-1 for none), children, dedupe mode and window, then the lines of the shape.
 *
 * Most tasks are new, have no key and no flow, and find their dedupe key free: `add_plain` writes them as they come. What is odd about one of the others
 * is looked at by `add_others`, one task after the other, when the plain ones are stored.
 */
export const ADDING: string = `${ROOM}${PLAIN}${String.raw`
-- Those for which there is no room, by index. New tasks take it in their order; a flow comes as a whole where each of its queues has some left.
local function refused_of(others, left)
  local parents, flows, of_root, seen, refused = {}, {}, {}, {}, {}
  for _, other in ipairs(others) do parents[other.id] = other.wish.shape.parent or false end
  for _, other in ipairs(others) do
    local id, name = other.id, other.wish.queue.name
    local key = other.wish.mode and other.dedupe ~= '' and name .. '\n' .. other.dedupe
    local held_by, ends_at = holder_of(other.wish.queue, key and other.dedupe or '')
    local task = held_by and ends_at == 0 and task_of(held_by)
    local is_held = held_by and (ends_at > now or (task and not has_ended(task)))
    if not tasks[id] and not is_held and not seen[id] and not (key and seen[key]) then
      seen[id] = true
      if key then seen[key] = true end
      local root = id
      while parents[root] and parents[parents[root]] ~= nil do root = parents[root] end
      if not of_root[root] then
        of_root[root] = {}
        flows[#flows + 1] = of_root[root]
      end
      put(of_root, root, other)
    end
  end
  for _, flow in ipairs(flows) do
    local fits = true
    for _, other in ipairs(flow) do fits = fits and left[other.wish.queue.name] > 0 end
    for _, other in ipairs(flow) do
      local name = other.wish.queue.name
      if fits then left[name] = left[name] - 1 else refused[other] = true end
    end
  end
  return refused
end

-- Tenants take turns; what is remembered is the turn, so that a delayed task holds up no other.
local function turn_of(queue, shape)
  local fair = queue.settings.fairMs
  if shape.tenant == '' or fair <= 0 then return now end
  local name = shape.head_text .. '\n' .. shape.tenant
  local last = queue.turns[name] or tonumber(call('ZSCORE', BASE .. 'turns:' .. queue.name, name) or '0')
  local turn = max(now, last + fair)
  queue.turns[name] = turn
  add(BASE .. 'turns:' .. queue.name, turn, name)
  return turn
end

-- The task that holds the dedupe key, changed as the new one wants it; nil when the new one is to be added.
local function renew_holder(wish, dedupe, body)
  local held_by, ends_at = holder_of(wish.queue, dedupe)
  if not held_by or (ends_at > 0 and ends_at <= now) then return nil end
  local task = task_of(held_by)
  -- A key whose holder is gone holds nothing, unless a window is still open.
  if ends_at == 0 and (not task or has_ended(task)) then return nil end
  if wish.mode == 'keep' then return held_by end
  if not task or task[STARTS] > 0 or has_ended(task) then return nil end
  if task[DIRTY] then
    give_places()
    flush()
  end
  if task[EXPIRES] > 0 then remove(BASE .. 'expires', task[ID]) end
  task[EXPIRES] = wish.expires_at
  -- All stays as it was but the head start.
  task[SHAPE] = with_head(task[SHAPE], wish.shape.head_text)
  give_body(task, body)
  if wish.mode == 'debounce' then
    task[TIME] = wish.due
    put_off(task, wish.delay, BY_DELAY)
  else
    reindex(task)
    watch_expiry(task)
  end
  return task[ID]
end

-- What is there is left as it is: parents of this call wait only for the children that are added with them.
local function count_children(others)
  local fresh, counts = {}, {}
  for _, other in ipairs(others) do
    if not tasks[other.id] and not fresh[other.id] then fresh[other.id] = other.wish.shape end
  end
  for _, shape in pairs(fresh) do
    if shape.parent and fresh[shape.parent] then counts[shape.parent] = (counts[shape.parent] or 0) + 1 end
  end
  return fresh, counts
end

-- The same without a parent.
local function without_parent(shape)
  return shape_of((string.gsub(shape.lines, '[^\n]*(\n[^\n]*\n[^\n]*)$', '%1')))
end

local function add_other(other, shape, children)
  local wish, queue = other.wish, other.wish.queue
  local task = {
    true, other.id, false, false, true, false, other.dedupe, other.body, false, FULL, '', shape, '', WAITING, 0, 0, 0, 0, 0, 0, children, now, wish.due, max(wish.due, turn_of(queue, shape)), now, 0, 0,
    wish.expires_at, 0, #other.body, other.number, 0,
  }
  tasks[other.id] = task
  dirty[#dirty + 1] = task
  local key = key_of(task)
  if key then
    key.tasks = key.tasks + 1
    touch_key(key)
  end
  if wish.mode and other.dedupe ~= '' then hold_dedupe(task, wish.window) end
  queue.changed = true
  if children > 0 then
    task[STATE] = BLOCKED
    add(queue.blocked, other.number, member_of(task))
    watch_expiry(task)
  elseif wish.delay > 0 then delay(task, BY_DELAY)
  else arrive(task) end
end

local function load_others(others)
  local ids, held_by, with_keys, wanted = {}, {}, {}, {}
  for at, other in ipairs(others) do
    ids[at], with_keys[at] = other.id, other.wish.shape
    if other.wish.mode then want_dedupe(wanted, other.wish.queue, other.dedupe) end
  end
  load_dedupe(wanted)
  for name, dedupes in pairs(wanted) do
    for _, dedupe in ipairs(dedupes) do
      local id = holder_of(queue_of(name), dedupe)
      if id then ids[#ids + 1] = id end
    end
  end
  load(ids)
  load_keys(with_keys)
end

-- Gives the odd ones: index, id of the holder, or id, name and body of what has the id, or nothing for what found its queue full.
local function add_others(others, left)
  load_others(others)
  local refused = left and refused_of(others, left) or {}
  local fresh, counts = count_children(others)
  local odd, flows = {}, {}
  for _, other in ipairs(others) do
    local wish, id, body = other.wish, other.id, other.body
    local shape, there = wish.shape, tasks[id]
    if there then
      local stored = bodies_of({ there })[1] or ''
      if stored ~= body or there[SHAPE].name ~= shape.name then odd[#odd + 1] = { other.index, id, there[SHAPE].name, stored } end
    elseif refused[other] then odd[#odd + 1] = { other.index }
    else
      if shape.parent and not fresh[shape.parent] then shape = without_parent(shape) end
      local held_by = wish.mode and other.dedupe ~= '' and renew_holder(wish, other.dedupe, body)
      if held_by then odd[#odd + 1] = { other.index, held_by }
      else
        add_other(other, shape, wish.children > 0 and counts[id] or 0)
        if shape.parent then put(flows, shape.parent, id) end
      end
    end
  end
  for parent, children in pairs(flows) do
    many('RPUSH', BASE .. 'flow:' .. parent, children)
    call('SADD', BASE .. 'attached', parent)
  end
  return odd
end

-- How much room the queues have, by name; nil when there is enough for all.
local function room_for(count, wishes)
  local left, is_short = {}, false
  for _, wish in ipairs(wishes) do
    local name = wish.queue.name
    if not left[name] then left[name] = room_in(name) end
    is_short = is_short or left[name] < count
  end
  return is_short and left or nil
end

-- ARGV from an index on: how many wishes, these, '1' when an id or a dedupe key comes twice, the number of the wish of each
-- task in three characters, then the ids of all, their dedupe keys ('' for none) and their bodies. Gives the odd ones.
local function add_tasks(first, always)
  local wishes = {}
  local from = first + 1 + tonumber(ARGV[first])
  for index = first + 1, from - 1 do wishes[index - first] = read_wish(ARGV[index]) end
  local count = (#ARGV - from - 1) / 3
  if count == 0 then return {} end
  local given = { count = count, has_repeats = ARGV[from] == '1', kinds = ARGV[from + 1], ids = from + 1, dedupes = from + 1 + count, bodies = from + 1 + 2 * count }
  local left = not always and room_for(count, wishes) or nil
  -- Drawn for all, so that no number is ever given twice: the gap of what is not added hurts nobody.
  local number = call('INCRBY', BASE .. 'number', count) - count
  given.rows = values_of_arguments(BASE .. 'tasks', given.ids, count)
  given.holders = holders_of(given, wishes)
  if left then
    for _, wish in ipairs(wishes) do wish.is_plain = false end
  end
  local others = add_plain(given, wishes, number)
  return #others > 0 and add_others(others, left) or {}
end
`}`
