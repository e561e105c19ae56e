import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { createMillrace } from '@millrace/core'
import type { EventMessage, Millrace, Published, StoreDiagnosis } from '@millrace/core'
import { waitFor } from '@millrace/core/testing'
import { startFaultProxy } from 'engines'
import { describe, expect, it } from 'vitest'
import { crashEngine } from '../crash/crash-engine.ts'
import { OrderPlaced } from '../crash/events.ts'
import { GROUNDS } from './grounds.ts'
import { createScene, lasting } from './scene.ts'

/** The source of all events: their publishes have these bytes. */
const IN_A_PUBLISH = '/crash'

/** The same events published once more; undefined while the server is not back. */
async function storedAgain(
  millrace: Millrace,
  events: readonly EventMessage[],
): Promise<readonly Published[] | undefined> {
  const results = await millrace.publishBatch(events)
  const stored = results.filter((result) => result.outcome === 'stored')
  return stored.length === events.length ? stored : undefined
}

describe.each(GROUNDS)('$name behind a network with faults', (ground) => {
  it('loses nothing by latency, slow lines and small pieces', { timeout: 360_000, concurrent: true }, async () => {
    await using server = await ground.start()
    await using proxy = await startFaultProxy(server.url)
    await using scene = createScene({ name: `network-slow-${ground.name}`, url: server.url })
    await scene.join(proxy.url)
    await scene.join(proxy.url)
    scene.load(20)
    await scene.progress()
    await proxy.set({ latencyMs: { toServer: 20, toClient: 30 } })
    await scene.progress()
    await proxy.set({ pieceBytes: 50, latencyMs: { toClient: 5 } })
    await scene.progress()
    await proxy.set({ bytesPerSecond: 100_000 })
    await scene.progress()
    await proxy.heal()
    expect((await scene.finish()).violations).toEqual([])
  })

  it(
    'hands the partitions of a member over that is cut off, and takes nothing from it afterwards',
    { timeout: 360_000, concurrent: true },
    async () => {
      await using server = await ground.start()
      await using first = await startFaultProxy(server.url)
      await using second = await startFaultProxy(server.url)
      await using scene = createScene({ name: `network-partition-${ground.name}`, url: server.url })
      const [cutOff, other] = [await scene.join(first.url), await scene.join(second.url)]
      scene.load()
      await scene.progress(50, cutOff)
      const handedOver = scene.takeover(cutOff)
      await first.set({ hold: 'both' })
      await handedOver
      await scene.progress(20, other)
      await first.heal()
      await scene.progress(20, cutOff)
      // One way only: requests arrive, answers do not.
      await second.set({ hold: 'toClient' })
      await lasting(2_500)
      await second.heal()
      await scene.progress(20, other)
      const { violations, counts } = await scene.finish()
      expect(violations).toEqual([])
      expect(counts.uncleanClaims, 'nobody took over').toBeGreaterThan(0)
    },
  )

  // Alone: on a busy machine its calls would miss their deadlines for the others' sake.
  it('survives resets at any moment, and requests and answers that get lost', { timeout: 360_000 }, async () => {
    await using server = await ground.start()
    await using proxy = await startFaultProxy(server.url)
    await using scene = createScene({ name: `network-resets-${ground.name}`, url: server.url })
    const member = await scene.join(ground.impatient(proxy.url))
    await scene.join(ground.impatient(proxy.url))
    scene.load()
    await scene.progress(50)
    for (let resets = 0; resets < 5; resets += 1) {
      proxy.resetAll()
      await lasting(100)
    }
    await scene.progress()
    for (const does of ['reset-request', 'reset-reply', 'close-request', 'swallow-reply'] as const) {
      const struck = proxy.next('struck')
      proxy.strike({ at: IN_A_PUBLISH, does })
      await struck
      await scene.progress(20, member)
    }
    for (const direction of ['toServer', 'toClient'] as const) {
      for (const how of ['reset', 'close'] as const) {
        const cut = proxy.next('cut')
        await proxy.set({ cut: { direction, afterBytes: 5_000, how } })
        await cut
        await proxy.heal()
        await scene.progress()
      }
    }
    await proxy.set({ refuse: true })
    proxy.resetAll()
    await lasting(1_000)
    await proxy.heal()
    await scene.progress()
    expect((await scene.finish()).violations).toEqual([])
  })

  it('notices a connection that is dead at the other end', { timeout: 360_000, concurrent: true }, async () => {
    await using server = await ground.start()
    await using proxy = await startFaultProxy(server.url)
    await using scene = createScene({ name: `network-half-open-${ground.name}`, url: server.url })
    const member = await scene.join(ground.impatient(proxy.url))
    await scene.join()
    scene.load()
    await scene.progress(50, member)
    const swallowed = proxy.next('swallowed')
    const handedOver = scene.takeover(member)
    await proxy.set({ swallow: 'both' })
    await swallowed
    await handedOver
    await proxy.heal()
    await scene.progress(20, member)
    const { violations, counts } = await scene.finish()
    expect(violations).toEqual([])
    expect(counts.uncleanClaims, 'nobody took over').toBeGreaterThan(0)
  })

  it(
    'tells in time that it is not known whether an event is stored, while its connection is dead at the other end',
    { timeout: 360_000, concurrent: true },
    async () => {
      await using server = await ground.start()
      await using proxy = await startFaultProxy(server.url)
      const name = `half-open-${ground.name}`
      const engine = await crashEngine(ground.patient(proxy.url))
      await using millrace = createMillrace({ name, engine, publishTimeoutMs: 3_000, onError: () => {} })
      // On a busy machine the first, for which the engine is opened, may be late.
      const first = millrace.create(OrderPlaced, { n: 0, key: 'the topic is known' })
      await waitFor(() => storedAgain(millrace, [first]), { timeoutMs: 120_000, what: 'the topic' })
      const ends: string[] = []
      const listen = (message: unknown): void => {
        const { millrace: of, operation } = message as StoreDiagnosis
        if (of === name && operation === 'publish') ends.push('the call of the engine')
      }
      subscribe('millrace:store', listen)
      try {
        // The server takes what it is sent, and its answers get lost: it stores the events, unless a connection had to be
        // made for them, which never comes about.
        await proxy.set({ swallow: 'toClient' })
        const events = ['a', 'b', 'c'].map((key, n) => millrace.create(OrderPlaced, { n, key }))
        const results = await millrace.publishBatch(events)
        ends.push('the publish')
        expect(results.map((result) => 'error' in result && result.error.code)).toEqual(
          events.map(() => 'publish_unknown'),
        )
        await waitFor(() => ends.length === 2, { timeoutMs: 120_000, what: 'the call of the engine to end' })
        expect(ends).toEqual(['the publish', 'the call of the engine'])
        await proxy.heal()
        const again = await waitFor(() => storedAgain(millrace, events), { timeoutMs: 120_000, what: 'the way back' })
        expect(new Set(again.map(({ duplicate }) => duplicate)).size, 'a batch is stored as one').toBe(1)
        expect((await millrace.read()).events).toHaveLength(4)
      } finally {
        unsubscribe('millrace:store', listen)
      }
    },
  )

  it('lets a member close while its server cannot be reached', { timeout: 270_000, concurrent: true }, async () => {
    await using server = await ground.start()
    await using proxy = await startFaultProxy(server.url)
    await using scene = createScene({ name: `network-close-${ground.name}`, url: server.url })
    const member = await scene.join(ground.impatient(proxy.url))
    scene.load()
    await scene.progress()
    const held = proxy.next('held')
    await proxy.set({ hold: 'both' })
    await held
    scene.fell(member)
    await member.close({ timeoutMs: 0 })
    await scene.join()
    expect((await scene.finish()).violations).toEqual([])
  })
})
