import { script, type Script } from './script.ts'

/**
 * Takes a scheduler out of BullMQ and keeps a copy, if it is still what was read: its pending run stays, and is a job like others from here
 * on. KEYS schedulers, held schedulers. ARGV id, score that was read, copy, fields and values that were read. Gives 1 if it was taken.
 */
export const TAKE_SCHEDULER: Script = script(`
local id = ARGV[1]
if redis.call('ZSCORE', KEYS[1], id) ~= ARGV[2] then return 0 end
local fields = redis.call('HGETALL', KEYS[1] .. ':' .. id)
if #fields ~= #ARGV - 3 then return 0 end
for i = 1, #fields do
  if fields[i] ~= ARGV[3 + i] then return 0 end
end
redis.call('HSET', KEYS[2], id, ARGV[3])
redis.call('ZREM', KEYS[1], id)
redis.call('DEL', KEYS[1] .. ':' .. id)
return 1
`)

/** Puts a scheduler back unless there is one of its id again. KEYS schedulers, held schedulers. ARGV id, score, fields and values. */
export const RETURN_SCHEDULER: Script = script(`
local id = ARGV[1]
if not redis.call('ZSCORE', KEYS[1], id) then
  redis.call('ZADD', KEYS[1], ARGV[2], id)
  local fields = {}
  for i = 3, #ARGV do fields[i - 2] = ARGV[i] end
  if #fields > 0 then redis.call('HSET', KEYS[1] .. ':' .. id, unpack(fields)) end
end
redis.call('HDEL', KEYS[2], id)
return 1
`)
