import { script, type Script } from '../client/script.ts'

/**
 * Makes a topic unless it exists and replaces its retention if one is given. KEYS topics. ARGV topic, partitions,
 * retention or ''. Gives what is stored then; the incarnation of a new topic is the server's time.
 */
export const ENSURE_TOPIC: Script = script(
  'ensure-topic',
  `
local known = redis.call('HGET', KEYS[1], ARGV[1])
if not known then
  local clock = redis.call('TIME')
  local incarnation = string.format('%010d%06d', clock[1], clock[2])
  known = ARGV[2] .. '\\n' .. incarnation .. '\\n' .. (ARGV[3] == '' and '{}' or ARGV[3])
  redis.call('HSET', KEYS[1], ARGV[1], known)
elseif ARGV[3] ~= '' then
  known = string.match(known, '^[^\\n]*\\n[^\\n]*\\n') .. ARGV[3]
  redis.call('HSET', KEYS[1], ARGV[1], known)
end
return known
`,
)

/**
 * Makes a partition of a topic's incarnation unless it or a later one is there; what is left of an earlier one is removed.
 * KEYS log, meta, ids, flows. ARGV incarnation.
 */
export const ENSURE_PARTITION: Script = script(
  'ensure-partition',
  `
local known = redis.call('HGET', KEYS[2], 'incarnation')
if known and known >= ARGV[1] then return 0 end
redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
redis.call('HSET', KEYS[2], 'incarnation', ARGV[1], 'ms', '0', 'n', '0', 'bytes', '0', 'expired', '0', 'trimmed', '0')
return 1
`,
)

/** The state of partitions. KEYS their metas. Gives for each time, number, bytes, expired, trimmed and incarnation. */
export const PARTITION_STATES: Script = script(
  'partition-states',
  `
local states = {}
for index = 1, #KEYS do
  states[index] = redis.call('HMGET', KEYS[index], 'ms', 'n', 'bytes', 'expired', 'trimmed', 'incarnation')
end
return states
`,
)
