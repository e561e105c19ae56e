import { script, type Script } from '../client/script.ts'
import { LANE } from './lane.ts'

/**
 * A letter is a hash value of lines: identity, fingerprint, place, queue or '', and the rest as JSON.
 * KEYS those of the lane, then letters, order, ids by identity, counts and samples by fingerprint, letters by queue held.
 */
const LETTERS = `${LANE}
local function count(fingerprint, by)
  if redis.call('HINCRBY', KEYS[8], fingerprint, by) > 0 then return end
  redis.call('HDEL', KEYS[8], fingerprint)
  redis.call('HDEL', KEYS[9], fingerprint)
end

local function hold(place, name, by)
  if name == '' then return 1 end
  local left = redis.call('HINCRBY', KEYS[10], place .. '\\n' .. name, by)
  if left <= 0 then redis.call('HDEL', KEYS[10], place .. '\\n' .. name) end
  return left
end
`

/**
 * Writes letters under the token, all or nothing; their entries leave the lane. ARGV prefix, token, what ids end with, `1` to park, then of each: place,
 * identity, fingerprint, queue or '', last failure, sample, rest. Gives 'stored' or 'fenced'.
 */
export const PUT_LETTERS: Script = script(
  'put-letters',
  `${LETTERS}
for index = 5, #ARGV, 7 do
  if not is_under(ARGV[index], ARGV[2]) then return 'fenced' end
  must_be_here(ARGV[index])
end
for index = 5, #ARGV, 7 do
  local place, identity, fingerprint, name, failed, sample, rest = unpack(ARGV, index, index + 6)
  local id = redis.call('HGET', KEYS[7], identity)
  if id then
    local before, at, held = string.match(redis.call('HGET', KEYS[5], id), '^[^\\n]*\\n([^\\n]*)\\n([^\\n]*)\\n([^\\n]*)\\n')
    count(before, -1)
    hold(at, held, -1)
  else
    local newest = redis.call('ZREVRANGE', KEYS[6], 0, 0, 'WITHSCORES')[2]
    local order = string.format('%016.0f', math.max(tonumber(newest or '0') + 1, clock[1] * 1000000 + clock[2]))
    id = 'dl-' .. order .. '-' .. ARGV[3]
    redis.call('ZADD', KEYS[6], order, id)
    redis.call('HSET', KEYS[7], identity, id)
  end
  redis.call('HSET', KEYS[5], id, table.concat({ identity, fingerprint, place, name, rest }, '\\n'))
  count(fingerprint, 1)
  local known = redis.call('HGET', KEYS[9], fingerprint)
  if not known or tonumber(failed) >= tonumber(string.match(known, '^[^\\n]*')) then
    redis.call('HSET', KEYS[9], fingerprint, failed .. '\\n' .. sample)
  end
  hold(place, name, 1)
  local waiting = redis.call('HGET', KEYS[3], identity)
  if waiting then remove(waiting) end
  if ARGV[4] == '1' and name ~= '' then park(place, name) end
end
return 'stored'
`,
)

/**
 * Removes letters; with an entry each goes into the lane; a queue that no other letter holds is unparked. ARGV prefix, then of
 * each: id, place, queue, position, identity in the lane or '', rest. Gives the ids that were there.
 */
export const REMOVE_LETTERS: Script = script(
  'remove-letters',
  `${LETTERS}
local removed = {}
for index = 2, #ARGV, 6 do must_be_here(ARGV[index + 1]) end
for index = 2, #ARGV, 6 do
  local id, place, name, position, waiting, rest = unpack(ARGV, index, index + 5)
  local stored = redis.call('HGET', KEYS[5], id)
  if stored then
    local identity, fingerprint, at, held = string.match(stored, '^([^\\n]*)\\n([^\\n]*)\\n([^\\n]*)\\n([^\\n]*)\\n')
    redis.call('HDEL', KEYS[5], id)
    redis.call('ZREM', KEYS[6], id)
    redis.call('HDEL', KEYS[7], identity)
    count(fingerprint, -1)
    if waiting ~= '' then add(place, name, position, waiting, '0', '0', '', rest) end
    if hold(at, held, -1) <= 0 and held ~= '' then unpark(at, held) end
    removed[#removed + 1] = id
  end
end
return removed
`,
)
