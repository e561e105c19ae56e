import { script, type Script } from '../client/script.ts'

/** Removes everything of a group. KEYS all its named keys, the leases first. ARGV what the keys of the lane's places begin with. */
export const REMOVE_GROUP: Script = script(
  'remove-group',
  `
for _, place in ipairs(redis.call('HKEYS', KEYS[1])) do
  for _, kind in ipairs({ 'queues:', 'sizes:', 'parked:', 'heads:' }) do redis.call('UNLINK', ARGV[1] .. kind .. place) end
end
redis.call('UNLINK', ARGV[1] .. 'resting')
for index = 1, #KEYS do redis.call('UNLINK', KEYS[index]) end
return 1
`,
)

/** Forgets places with their entries in the lane. KEYS leases, progress, lane, lane ids, marks. ARGV the lane's prefix, then places. */
export const FORGET_PLACES: Script = script(
  'forget-places',
  `
for index = 2, #ARGV do
  local place = ARGV[index]
  for _, member in ipairs(redis.call('ZRANGE', ARGV[1] .. 'queues:' .. place, 0, -1)) do
    local entry = string.match(member, '%z([^%z]*)$')
    local stored = redis.call('HGET', KEYS[3], entry)
    if stored then redis.call('HDEL', KEYS[4], string.match(stored, '^[^\\n]*\\n([^\\n]*)\\n')) end
    redis.call('HDEL', KEYS[3], entry)
  end
  for _, kind in ipairs({ 'queues:', 'sizes:', 'parked:', 'heads:' }) do redis.call('UNLINK', ARGV[1] .. kind .. place) end
  redis.call('HDEL', ARGV[1] .. 'resting', place)
  redis.call('HDEL', KEYS[1], place)
  redis.call('HDEL', KEYS[2], place)
  redis.call('HDEL', KEYS[5], place)
end
return 1
`,
)
