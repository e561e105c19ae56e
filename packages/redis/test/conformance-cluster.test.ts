import { available, type RedisCluster, startRedisCluster } from 'engines'
import { afterAll, beforeAll, describe } from 'vitest'
import { suite } from './suite.ts'

describe.runIf(await available('redis-server'))('a cluster of three masters', () => {
  let cluster: RedisCluster
  beforeAll(async () => {
    cluster = await startRedisCluster()
  })
  afterAll(() => cluster.stop())
  suite('redis cluster', () => ({ url: cluster.url }))
})
