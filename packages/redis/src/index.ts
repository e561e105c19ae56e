export type { RedisOptions } from './settings.ts'
export type { RedisClient } from './client/link.ts'
export { redis } from './redis.ts'
