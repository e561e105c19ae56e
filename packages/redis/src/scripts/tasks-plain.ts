/**
 * Wishes, and the adding of tasks that are new, have no key and no flow, and find their dedupe key free: as most are. They are written as they come, each with
 * one field of rows, one member of an index and its dedupe key; texts are put together as seldom as can be, for a script looks at each of their bytes.
 */
export const PLAIN: string = String.raw`
local char = string.char

local function read_wish(lines)
  local delay_ms, expires, children, mode, window, rest = match(lines, '^(%S*) (%S*) (%S*) (%S*) (%S*)\n(.*)$')
  local shape, expires_in, waits = shape_of(rest), tonumber(expires), max(0, tonumber(delay_ms))
  local queue = queue_of(shape.queue)
  queue.is_made = true
  local wish = {
    shape = shape, queue = queue, delay = waits, due = now + waits, expires_at = expires_in >= 0 and now + expires_in or 0,
    children = tonumber(children), mode = mode ~= '-' and mode or nil, window = tonumber(window),
  }
  wish.is_plain = not shape.key and not shape.parent and wish.children == 0 and (not wish.mode or wish.mode == 'keep')
    and (shape.tenant == '' or queue.settings.fairMs <= 0)
  return wish
end

-- The wish of a task: its number, from 0, is in three digits of base 64 that begin at the space.
local function wish_of(given, wishes, index)
  local first, second, third = byte(given.kinds, 3 * index - 2, 3 * index)
  return wishes[first * 4096 + second * 64 + third - 133151]
end

-- Values of fields that are arguments.
local function values_of_arguments(key, before, count)
  if count <= MOST_AT_ONCE then return call('HMGET', key, unpack(ARGV, before + 1, before + count)) end
  local named = {}
  for index = 1, count do named[index] = ARGV[before + index] end
  return values(key, named)
end

-- What is held of the dedupe keys, by index.
local function holders_of(given, wishes)
  local queue, is_one
  for _, wish in ipairs(wishes) do
    if wish.mode then
      is_one = not queue or (is_one and queue == wish.queue)
      queue = wish.queue
    end
  end
  if not queue then return {} end
  if is_one then return values_of_arguments(BASE .. 'dedupe:' .. queue.name, given.dedupes, given.count) end
  local holders, wanted, places = {}, {}, {}
  for index = 1, given.count do
    local dedupe = ARGV[given.dedupes + index]
    if dedupe ~= '' then
      local name = wish_of(given, wishes, index).queue.name
      put(wanted, name, dedupe)
      put(places, name, index)
    end
  end
  for name, list in pairs(wanted) do
    local found = values(BASE .. 'dedupe:' .. name, list)
    for at, index in ipairs(places[name]) do holders[index] = found[at] end
  end
  return holders
end

-- The list of what is to be written under a name; it knows its length, since Lua would have to look for it.
local function list_in(lists, name)
  lists[name] = lists[name] or { size = 0 }
  return lists[name]
end

-- What the rows of plain tasks begin with, and where they are listed.
local function prepare_plain(wish, members, holds)
  local shape, queue = wish.shape, wish.queue
  local lines, is_ready = shape.lines, wish.delay == 0
  wish.head = pack(PLAIN_ROW, PLAIN, now, wish.due, wish.expires_at, #lines, lines)
  wish.members = list_in(members, is_ready and queue.ready[shape.name] or queue.delayed)
  wish.score = text[is_ready and wish.due - shape.head or wish.due]
  wish.holds, wish.held_end = list_in(holds, BASE .. 'dedupe:' .. queue.name), shape.held_until == 'window' and '\n' .. text[now + wish.window]
  if is_ready and not queue.names[shape.name] then
    queue.names[shape.name] = true
    put(set_additions, BASE .. 'names:' .. queue.name, shape.name)
  end
  queue.changed, queue.calls = true, true
end

-- Of which tasks id or dedupe key came in this call before.
local function repeats_of(given, wishes)
  local repeats, ids, keys = {}, {}, {}
  if not given.has_repeats then return repeats end
  for index = 1, given.count do
    local id, dedupe, queue = ARGV[given.ids + index], ARGV[given.dedupes + index], wish_of(given, wishes, index).queue
    local key = dedupe ~= '' and queue.name .. '\n' .. dedupe
    repeats[index] = ids[id] or keys[key]
    ids[id] = true
    if key then keys[key] = true end
  end
  return repeats
end

-- The others are left over, each with its index, from 0, and the number of its adding.
local function add_plain(given, wishes, number)
  local ids, dedupes, bodies, there, holders, repeats = given.ids, given.dedupes, given.bodies, given.rows, given.holders, repeats_of(given, wishes)
  local rows, members, holds, others, size, round, high = {}, {}, {}, {}, 0, nil, nil
  for index = 1, given.count do
    local wish, id, body, dedupe = wish_of(given, wishes, index), ARGV[ids + index], ARGV[bodies + index], ARGV[dedupes + index]
    number = number + 1
    if wish.is_plain and not there[index] and not holders[index] and not repeats[index] then
      if not wish.head then prepare_plain(wish, members, holds) end
      local low = number % 256
      if number - low ~= round then
        round = number - low
        high = pack('>I5', round / 256)
      end
      local stamp = high .. char(low)
      rows[size + 1], rows[size + 2] = id, wish.head .. stamp .. dedupe .. '\n' .. body
      size = size + 2
      local list = wish.members
      local last = list.size
      list[last + 1], list[last + 2] = wish.score, stamp .. id
      list.size = last + 2
      if dedupe ~= '' then
        list = wish.holds
        last = list.size
        list[last + 1], list[last + 2] = dedupe, wish.held_end and id .. wish.held_end or id
        list.size = last + 2
        if wish.held_end then add(BASE .. 'windows', now + wish.window, wish.queue.name .. '\n' .. dedupe) end
      end
      if wish.expires_at > 0 then add(BASE .. 'expires', wish.expires_at, id) end
    else others[#others + 1] = { index = index - 1, id = id, wish = wish, dedupe = dedupe, body = body, number = number } end
  end
  many('HSET', BASE .. 'tasks', rows)
  for name, list in pairs(holds) do many('HSET', name, list) end
  for name, list in pairs(members) do many('ZADD', name, list) end
  flush()
  return others
end
`
