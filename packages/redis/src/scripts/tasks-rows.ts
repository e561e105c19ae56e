import { DEFAULT_QUEUE_SETTINGS, TASK_STATES } from '@millrace/core/driver'

/**
 * What every script of tasks begins with: rows, indexes and queues, read once and written back together, because a call
 * from a script costs more than what it does to one more member.
 *
 * KEYS two names that never are keys: the first is what all names begin with. While a slot moves, a call with two missing keys is
 * refused by both servers before it has begun, so that no script stops half done at the first key that is not there.
 * ARGV[1] the channel of announcements.
 *
 * A task is an array with names for its places. Its row is packed: its kind, worker, shape, output and numbers, the last of them that of the adding; then come, as
 * they were given, dedupe key, line feed and, in the row of a task as it was added, its body. The shape is the lines that many tasks share: queue, name, head start,
 * key, tenant, until when it holds its dedupe key, parent, whether it has children, whether it fails with them. The row of a plain task (see \`PLAIN\`) has no more than
 * when it was added, is due and expires, shape and number; while such a task runs for the first time there are worker, round, start and the length of the body
 * before that, so that both kinds are put together without packing each task.
 * `tasks` holds by id the rows of tasks as they were added, `states` the rows of those that have changed since; `errors` and `progress` what their names say; `log:ID` its lines; `flow:ID` its children;
 * `attached` the ids that have one of these two. A member of an index of tasks that have not ended is the number of the adding in six
 * bytes and the id: `ready:QUEUE,NAME` and `suspect:...` by rank, `delayed:QUEUE` by due time, `held:QUEUE` those of them that wait for a token of their key, `blocked:QUEUE` by number,
 * `wait:QUEUE,KEY` by rank, `line:QUEUE` by key and number; What a round of a worker was given is one string, `claim:WORKER,ROUND`; `holders` counts how many of it still run. `ended:STATE:QUEUE` has id and weight by the
 * time of the end in microseconds, `pinned:STATE:QUEUE` those whose parent has not ended. `queues` holds settings, and what is counted, by queue.
 */
export const ROWS: string = String.raw`
local BASE, ARGV = KEYS[1], ARGV
local ipairs, pairs, tonumber, unpack = ipairs, pairs, tonumber, unpack
local pack, unpack_row = struct.pack, struct.unpack
local call, byte, find, format, match, sub = redis.call, string.byte, string.find, string.format, string.match, string.sub
local floor, max, min, huge = math.floor, math.max, math.min, math.huge
local clock = call('TIME')
local now, now_exactly = clock[1] * 1000 + floor(clock[2] / 1000), clock[1] * 1000000 + clock[2]

${TASK_STATES.map((state, code) => `local ${state.toUpperCase()} = ${code}`).join('\n')}
local STATE_NAMES = { [0] = ${TASK_STATES.map((state) => `'${state}'`).join(', ')} }
local BY_DELAY, BY_RETRY, BY_RATE = 1, 2, 3

-- Kinds of rows; the last is that of what has ended in a queue that keeps none: it is not written any more.
local PLAIN, RUNNING_FIRST, FULL, UNKEPT = 0, 1, 2, 3
local PLAIN_ROW, RUNNING_FIRST_ROW, FULL_ROW = '>BI6I6I6Hc0', '>BHc0I4I6', '>BHc0Hc0I4c0BBBBI3I3I2I3I6I6I6I6I6I7I6I4I4I6'
local DIRTY, ID, STORED, IS_AS_ADDED, IS_NEW, IS_RUNNING_FIRST, DEDUPE, BODY, LINE, KIND = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
local WORKER, SHAPE, OUTPUT, STATE, BY, PLACE, CANCELLING, STARTS, ATTEMPTS, CRASHES, PENDING = 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21
local ADDED, DUE, TIME, READY_AT, STARTED, ENDED, EXPIRES, ROUND, BYTES, NUMBER, REST = 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32
-- What a task takes beside its body and its output.
local OVERHEAD = 400
local MOST_AT_ONCE = 1000

local text = setmetatable({}, { __index = function(known, number)
  local made = format('%.0f', number)
  known[number] = made
  return made
end })

local shapes = {}
local function shape_of(lines)
  local known = shapes[lines]
  if known then return known end
  local queue, name, head, key, tenant, held_until, parent, children, fail_fast =
    match(lines, '^([^\n]*)\n([^\n]*)\n([^\n]*)\n([^\n]*)\n([^\n]*)\n([^\n]*)\n([^\n]*)\n([^\n]*)\n(.*)$')
  known = {
    lines = lines, queue = queue, name = name, head = tonumber(head), head_text = head, key = key ~= '' and key or nil, tenant = tenant,
    held_until = held_until, parent = parent ~= '' and sub(parent, 2) or nil, has_children = children == '1', fail_fast = fail_fast == '1',
  }
  shapes[lines] = known
  return known
end
local function with_head(shape, head)
  return shape_of((string.gsub(shape.lines, '^([^\n]*\n[^\n]*\n)[^\n]*', function(names) return names .. head end)))
end

-- What members of the line of a queue begin with: the length first, so that no key is the beginning of another.
local function line_prefix(key) return format('%08x', #key) .. key end

-- Commands of one key with many members.
local function many(command, key, list)
  for from = 1, #list, MOST_AT_ONCE do call(command, key, unpack(list, from, min(#list, from + MOST_AT_ONCE - 1))) end
end

-- Values of fields in order, false for what is not there.
local function values(key, fields)
  if #fields <= MOST_AT_ONCE then return #fields == 0 and {} or call('HMGET', key, unpack(fields)) end
  local all = {}
  for from = 1, #fields, MOST_AT_ONCE do
    for _, value in ipairs(call('HMGET', key, unpack(fields, from, min(#fields, from + MOST_AT_ONCE - 1)))) do all[#all + 1] = value end
  end
  return all
end

local function read_row(id, row, is_as_added)
  local kind = byte(row)
  if kind == PLAIN then
    local _, added, due, expires, lines, number, rest = unpack_row(PLAIN_ROW .. 'I6', row)
    local is_ready = due == added
    return {
      false, id, row, is_as_added, false, false, false, false, false, kind, '', shape_of(lines), '', is_ready and READY or DELAYED, is_ready and 0 or BY_DELAY,
      0, 0, 0, 0, 0, 0, added, due, due, added, 0, 0, expires, 0, 0, number, rest,
    }
  end
  if kind == RUNNING_FIRST then
    local _, worker, round, started, bytes, added, due, expires, lines, number, rest = unpack_row(RUNNING_FIRST_ROW .. 'I4I6I6I6Hc0I6', row)
    return {
      false, id, row, is_as_added, false, false, false, false, false, kind, worker, shape_of(lines), '', RUNNING, 0, 0, 0, 1, 0, 0, 0, added, due, due, added,
      started, 0, expires, round, bytes, number, rest,
    }
  end
  local task = { false, id, row, is_as_added, false, false, false, false, false, unpack_row(FULL_ROW, row) }
  task[SHAPE] = shape_of(task[SHAPE])
  return task
end

-- Tasks by id, false for those that are not there.
local tasks = {}
local function load(ids)
  local missing = {}
  for index = 1, #ids do
    local id = ids[index]
    if tasks[id] == nil then
      tasks[id] = false
      missing[#missing + 1] = id
    end
  end
  local as_added = {}
  for is_as_added = 0, 1 do
    local rows = values(BASE .. (is_as_added == 1 and 'tasks' or 'states'), missing)
    for index = 1, #missing do
      local row, id = rows[index], missing[index]
      if row then tasks[id] = read_row(id, row, is_as_added == 1)
      else as_added[#as_added + 1] = id end
    end
    missing, as_added = as_added, {}
  end
end
local function task_of(id)
  if tasks[id] == nil then load({ id }) end
  return tasks[id]
end

-- What a row ends with is taken out of it when it is asked for: the dedupe key, '' for none, and the body of one that is stored as it was added.
local function line_of(task)
  local line = task[LINE]
  if not line then
    line = find(task[STORED], '\n', task[REST], true)
    task[LINE] = line
  end
  return line
end
local function dedupe_of(task)
  if not task[DEDUPE] then task[DEDUPE] = sub(task[STORED], task[REST], line_of(task) - 1) end
  return task[DEDUPE]
end
local function bytes_of(task)
  if task[BYTES] == 0 and task[IS_AS_ADDED] then task[BYTES] = #task[STORED] - line_of(task) end
  return task[BYTES]
end
-- Bodies in order, false for what is not there.
local function bodies_of(list)
  local bodies, missing, places = {}, {}, {}
  for index = 1, #list do
    local task = list[index]
    if not task[BODY] and task[IS_AS_ADDED] then task[BODY] = sub(task[STORED], line_of(task) + 1) end
    bodies[index] = task[BODY]
    if not task[BODY] then
      missing[#missing + 1] = task[ID]
      places[#missing] = index
    end
  end
  local rows = values(BASE .. 'tasks', missing)
  for index = 1, #missing do
    local added = rows[index] and read_row(missing[index], rows[index], true)
    bodies[places[index]] = added and sub(rows[index], line_of(added) + 1)
  end
  return bodies
end

-- What still runs of what a round of a worker was given.
local function still_held(worker, round)
  local claim = call('GET', BASE .. 'claim:' .. worker .. '\n' .. round)
  local ids, held = {}, {}
  for id in string.gmatch(claim or '', '[^\n]+') do ids[#ids + 1] = id end
  load(ids)
  for index = 1, #ids do
    local task = tasks[ids[index]]
    if task and task[STATE] == RUNNING and task[WORKER] == worker and task[ROUND] == tonumber(round) then held[#held + 1] = task end
  end
  return held
end

local function member_of(task) return pack('>I6c0', task[NUMBER], task[ID]) end
local function id_of(member) return sub(member, 7) end
local function number_of(member) return (unpack_row('>I6', member)) end
local function rank_of(task) return task[TIME] - task[SHAPE].head end
local function has_ended(task) return task[STATE] >= DONE end
local function weight_of(task) return bytes_of(task) + #task[OUTPUT] + OVERHEAD end

-- Names that begin with a text, made once each.
local function names_after(first)
  return setmetatable({}, { __index = function(known, last)
    local made = first .. last
    known[last] = made
    return made
  end })
end

local queues = {}
local function queue_of(name)
  local known = queues[name]
  if known then return known end
  local found = call('HMGET', BASE .. 'queues', name, name .. '\n')
  local stored = cjson.decode(found[1] and found[1] ~= '' and found[1] or '{"version":0,"note":"","settings":${JSON.stringify(DEFAULT_QUEUE_SETTINGS)}}')
  local settings = stored.settings
  known = {
    name = name, exists = found[1] and true or false, stored = stored, settings = settings, key_rate = settings.key.rate,
    places = settings.key.order and 1 or settings.key.concurrency or huge, order = settings.key.order,
    running = 0, kept = 0, kept_dead = 0, ended_keys = {}, tokens = 0, at = 0, keys = {}, turns = {}, dedupe = {}, names = {},
  }
  known.ready, known.suspect = names_after(BASE .. 'ready:' .. name .. '\n'), names_after(BASE .. 'suspect:' .. name .. '\n')
  known.wait, known.line = names_after(BASE .. 'wait:' .. name .. '\n'), BASE .. 'line:' .. name
  known.delayed, known.blocked, known.holders = BASE .. 'delayed:' .. name, BASE .. 'blocked:' .. name, BASE .. 'dedupe:' .. name
  known.is_free = known.places == huge and not known.key_rate
  if found[2] then known.running, known.kept, known.kept_dead, known.tokens, known.at = unpack_row('>I4I6I6dI6', found[2]) end
  queues[name] = known
  return known
end

local function owner_of(task)
  local shape = task[SHAPE]
  local owner = shape.owner
  if owner then return owner end
  owner = queue_of(shape.queue)
  shape.owner = owner
  return owner
end

-- What is to be written: members to take from and to add to indexes, sets and hashes, and tasks whose row has changed.
local removals, additions, set_removals, set_additions = {}, {}, {}, {}
local settled_rounds = {}
local unkept_ids = {}
local fields, field_removals = {}, {}
local dirty = {}
local flushed = {}

local function put(into, key, value)
  local list = into[key]
  if list then list[#list + 1] = value else into[key] = { value } end
end
local function remove(key, member)
  local list = removals[key]
  if list then list[#list + 1] = member else removals[key] = { member } end
end
local function add(key, score, member)
  local list = additions[key]
  if list then
    local size = #list
    list[size + 1] = text[score]
    list[size + 2] = member
  else additions[key] = { text[score], member } end
end
local function write_field(name, id, value)
  local list = fields[name]
  if list then
    local size = #list
    list[size + 1] = id
    list[size + 2] = value
  else fields[name] = { id, value } end
end
-- Another body: the task is stored as if it were added as it is now.
local function give_body(task, body)
  dedupe_of(task)
  if not task[IS_NEW] then put(field_removals, BASE .. 'states', task[ID]) end
  task[STORED], task[IS_AS_ADDED], task[IS_NEW], task[BODY], task[BYTES] = false, false, true, body, #body
end
local function touch(task)
  if task[DIRTY] then return end
  task[DIRTY] = true
  dirty[#dirty + 1] = task
end

local flush
do
local size_text = setmetatable({}, { __index = function(known, size)
  local made = pack('>I4', size)
  known[size] = made
  return made
end })
-- What runs first as it was added differs from that only by what all tasks of its round have in common.
local run_head
local function running_row(task)
  run_head = run_head or pack(RUNNING_FIRST_ROW, RUNNING_FIRST, #task[WORKER], task[WORKER], task[ROUND], task[STARTED])
  return run_head .. size_text[bytes_of(task)] .. sub(task[STORED], 2, line_of(task))
end
local function full_row(task)
  bytes_of(task)
  task[KIND] = FULL
  local lines, output = task[SHAPE].lines, task[OUTPUT]
  return pack(FULL_ROW, FULL, #task[WORKER], task[WORKER], #lines, lines, #output, output, unpack(task, STATE, NUMBER)) .. dedupe_of(task) .. '\n'
    .. (task[IS_NEW] and task[BODY] or '')
end

-- Writes what is pending. What is removed goes first: a member that leaves an index and comes into it again stays.
function flush()
  for key, list in pairs(removals) do many('ZREM', key, list) end
  for key, list in pairs(set_removals) do many('SREM', key, list) end
  for key, list in pairs(field_removals) do many('HDEL', key, list) end
  for key, list in pairs(additions) do many('ZADD', key, list) end
  for key, list in pairs(set_additions) do many('SADD', key, list) end
  if #dirty > 0 then
    local new, changed = {}, {}
    for index = 1, #dirty do
      local task = dirty[index]
      task[DIRTY] = false
      if task[KIND] ~= UNKEPT then
        local rows = task[IS_NEW] and new or changed
        local size = #rows
        rows[size + 1] = task[ID]
        rows[size + 2] = task[IS_RUNNING_FIRST] and running_row(task) or full_row(task)
        task[IS_NEW], task[IS_RUNNING_FIRST] = false, false
      end
    end
    many('HSET', BASE .. 'tasks', new)
    many('HSET', BASE .. 'states', changed)
  end
  for name, list in pairs(fields) do many('HSET', BASE .. name, list) end
  for _, key in ipairs(flushed) do key.pending = false end
  removals, additions, set_removals, set_additions, fields, field_removals, dirty, flushed = {}, {}, {}, {}, {}, {}, {}, {}
end
end
`
