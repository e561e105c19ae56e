export type { RedisClient } from './client/link.ts'
export { redis, redisFromUrl } from './redis.ts'
export type { RedisOptions } from './settings.ts'
