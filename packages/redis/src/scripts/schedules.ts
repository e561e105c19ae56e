import { script, type Script } from '../client/script.ts'
import { ADDING } from './tasks-adding.ts'
import { TASKS } from './tasks-enqueue.ts'

/**
 * `schedules` holds version, next and last instant ('' for none) and the rest of each, a line each, by name; `schedule-times` names by their next instant,
 * `schedule-names` them in their order.
 */
const SCHEDULES = String.raw`
local BASE = KEYS[1]
local function stored_version(name)
  local row = redis.call('HGET', BASE .. 'schedules', name)
  return row and string.match(row, '^%d+') or '0'
end
local function store(name, version, next_at, last_at, spec)
  redis.call('HSET', BASE .. 'schedules', name, table.concat({ version, next_at, last_at, spec }, '\n'))
  redis.call('ZADD', BASE .. 'schedule-names', 0, name)
  if next_at == '' then redis.call('ZREM', BASE .. 'schedule-times', name) else redis.call('ZADD', BASE .. 'schedule-times', next_at, name) end
end
`

/** Stores a schedule. ARGV channel, name, expected version, next and last instant, spec. Gives 1, or 0 when somebody was faster. */
export const PUT_SCHEDULE: Script = script(
  'put-schedule',
  `${SCHEDULES}${String.raw`
if stored_version(ARGV[2]) ~= ARGV[3] then return 0 end
store(ARGV[2], string.format('%.0f', ARGV[3] + 1), ARGV[4], ARGV[5], ARGV[6])
return 1
`}`,
)

/** Removes a schedule. ARGV channel, name. */
export const REMOVE_SCHEDULE: Script = script(
  'remove-schedule',
  `
redis.call('ZREM', KEYS[1] .. 'schedule-names', ARGV[2])
redis.call('ZREM', KEYS[1] .. 'schedule-times', ARGV[2])
return redis.call('HDEL', KEYS[1] .. 'schedules', ARGV[2])
`,
)

/** Schedules by name. ARGV channel, from (a bound of ZRANGEBYLEX), limit. Gives name and row in turn. */
export const LIST_SCHEDULES: Script = script(
  'list-schedules',
  `
local found = {}
for _, name in ipairs(redis.call('ZRANGEBYLEX', KEYS[1] .. 'schedule-names', ARGV[2], '+', 'LIMIT', 0, ARGV[3])) do
  found[#found + 1] = name
  found[#found + 1] = redis.call('HGET', KEYS[1] .. 'schedules', name) or ''
end
return found
`,
)

/** What is due. ARGV channel, now, limit. Gives name and row in turn, and the first instant after now or ''. */
export const DUE_SCHEDULES: Script = script(
  'due-schedules',
  `
local found = {}
for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1] .. 'schedule-times', '-inf', ARGV[2], 'LIMIT', 0, ARGV[3])) do
  found[#found + 1] = name
  found[#found + 1] = redis.call('HGET', KEYS[1] .. 'schedules', name) or ''
end
local following = redis.call('ZRANGEBYSCORE', KEYS[1] .. 'schedule-times', '(' .. ARGV[2], '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
return { found, following[2] and string.format('%.0f', tonumber(following[2])) or '' }
`,
)

/**
 * Stores the row of a schedule and adds tasks in one step. ARGV channel, name, expected version, next and last instant, spec, then tasks as `add_tasks` takes them. Gives
 * 1, or 0 when somebody was faster.
 */
export const FIRE_SCHEDULE: Script = script(
  'fire-schedule',
  `${SCHEDULES}
if ARGV[3] == '0' or stored_version(ARGV[2]) ~= ARGV[3] then return 0 end
store(ARGV[2], string.format('%.0f', ARGV[3] + 1), ARGV[4], ARGV[5], ARGV[6])
do
${TASKS}${ADDING}
add_tasks(7, true)
finish()
end
return 1
`,
)

/** Stores or removes a setting. ARGV channel, name, expected version, `1` with a value, value. Gives the version, 0 for a removed one, -1 when somebody was faster. */
export const PUT_SETTING: Script = script(
  'put-setting',
  String.raw`
local BASE = KEYS[1]
local row = redis.call('HGET', BASE .. 'settings', ARGV[2])
local version = row and tonumber(string.match(row, '^%d+')) or 0
if version ~= tonumber(ARGV[3]) then return -1 end
if ARGV[4] ~= '1' then
  redis.call('HDEL', BASE .. 'settings', ARGV[2])
  redis.call('ZREM', BASE .. 'setting-names', ARGV[2])
  return 0
end
redis.call('HSET', BASE .. 'settings', ARGV[2], string.format('%.0f', version + 1) .. '\n' .. ARGV[5])
redis.call('ZADD', BASE .. 'setting-names', 0, ARGV[2])
return version + 1
`,
)

/** Settings whose names begin with a prefix. ARGV channel, prefix. Gives name and row in turn. */
export const LIST_SETTINGS: Script = script(
  'list-settings',
  String.raw`
local found = {}
for _, name in ipairs(redis.call('ZRANGEBYLEX', KEYS[1] .. 'setting-names', '[' .. ARGV[2], '(' .. ARGV[2] .. '\255', 'LIMIT', 0, 1000)) do
  found[#found + 1] = name
  found[#found + 1] = redis.call('HGET', KEYS[1] .. 'settings', name)
end
return found
`,
)
