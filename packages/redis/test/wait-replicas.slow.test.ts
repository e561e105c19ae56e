import { createMillrace, defineEvent, type Millrace } from '@millrace/core'
import { available, type EngineServer, type RedisSentinel, startRedisSentinel } from 'engines'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { redis } from '../src/index.ts'

const Noted = defineEvent('note.taken', { schema: z.object({ text: z.string() }) })

describe.runIf(await available('redis-server'))('waitReplicas', () => {
  let servers: RedisSentinel
  let replica: EngineServer
  beforeAll(async () => {
    // The sentinels must not promote anybody while a replica stands still.
    servers = await startRedisSentinel({ replicas: 1, downAfterMs: 60_000 })
    const primary = await servers.primary()
    const other = servers.nodes.find(({ url }) => url !== primary.url)
    if (other === undefined) throw new Error('There is no replica.')
    replica = other
  })
  afterAll(() => servers.stop())

  const open = async (publishTimeoutMs: number): Promise<Millrace> =>
    createMillrace({
      engine: redis({ url: (await servers.primary()).url, waitReplicas: 1, callTimeoutMs: 2_000 }),
      durability: { atLeast: 'replicated-memory' },
      publishTimeoutMs,
    })
  const stop = (server: EngineServer, signal: 'SIGSTOP' | 'SIGCONT'): void => void process.kill(server.pid ?? 0, signal)

  test('an event is stored when a replica has it', async () => {
    await using millrace = await open(60_000)
    await millrace.start()
    expect(millrace.capabilities.durability).toBe('replicated-memory')
    expect(await millrace.publish(Noted, { text: 'seen by two' })).toMatchObject({ outcome: 'stored' })
  })

  test('while no replica answers it is unknown, never rejected; sent again it is stored once', async () => {
    await using patient = await open(60_000)
    await using hasty = await open(6_000)
    await Promise.all([patient.start(), hasty.start()])
    stop(replica, 'SIGSTOP')
    const event = patient.create(Noted, { text: 'patient' })
    const published = patient.publish(event)
    await expect(hasty.publish(Noted, { text: 'hasty' })).rejects.toMatchObject({ code: 'publish_unknown' })
    stop(replica, 'SIGCONT')
    expect(await published).toMatchObject({ outcome: 'stored' })
    const found = (await patient.read()).events.filter(({ type }) => type === 'note.taken')
    expect(found.filter(({ id }) => id === event.id)).toHaveLength(1)
  })

  test('more replicas than there are is refused at the start', async () => {
    const engine = redis({ url: (await servers.primary()).url, waitReplicas: 2 })
    await using millrace = createMillrace({ engine })
    await expect(millrace.start()).rejects.toMatchObject({ code: 'durability_too_low' })
  })
})
