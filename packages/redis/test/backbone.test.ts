import { createMillrace, defineEvent, type Millrace } from '@millrace/core'
import { available, askRedis, type EngineServer, startRedis } from 'engines'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '../../conformance/src/eventually.ts'
import { redis } from '../src/index.ts'

const anything = {
  '~standard': { version: 1, vendor: 'test', validate: (value: unknown) => ({ value }) },
} as const
const Noted = defineEvent('note.taken', { schema: anything })

describe.runIf(await available('redis-server'))('a backbone on Redis', () => {
  let server: EngineServer
  const open: Millrace[] = []
  let made = 0

  beforeAll(async () => {
    server = await startRedis()
  })
  afterEach(async () => {
    for (const millrace of open.splice(0)) await millrace.close()
  })
  afterAll(() => server.stop())

  function backbone(prefix = `backbone-${process.pid}-${(made += 1)}:`, leaseMs = 5_000): Millrace {
    const millrace = createMillrace({ name: 'test', engine: redis({ url: server.url, prefix }), leaseMs })
    open.push(millrace)
    return millrace
  }

  test('an event without a key that is sent again is stored once', async () => {
    const millrace = backbone()
    const event = millrace.create(Noted, { text: 'once' })
    const first = await millrace.publish(event)
    for (let times = 0; times < 5; times += 1) {
      const again = await millrace.publish(event)
      expect([again.outcome, again.position]).toEqual(['stored', first.position])
    }
    expect((await millrace.read({ limit: 10 })).events).toHaveLength(1)
  })

  test('a handler that blocks the event loop for longer than the lease keeps its partitions', async () => {
    const prefix = `backbone-${process.pid}-blocked:`
    const worker = backbone(prefix, 500)
    let handled = 0
    await worker.subscribe(
      Noted,
      () => {
        // Longer than six leases: only a thread can count up meanwhile.
        const until = performance.now() + 3_000
        while (performance.now() < until);
        handled += 1
      },
      { group: 'g', from: 'earliest' },
    )
    // For commands, for announcements, for beats; and the one that asks.
    const connections = async (): Promise<number> =>
      String(await askRedis(server.url, 'CLIENT', 'LIST'))
        .trim()
        .split('\n').length
    await eventually('the thread is connected', async () => (await connections()) >= 4)
    await worker.publish(Noted, {})
    await eventually('it is handled', () => handled === 1)
    const [count] = Object.values((await askRedis(server.url, 'HVALS', `${prefix}{group g}:counts`)) as object)
    // Every 100 ms, after half a lease without a look, or as often as a busy machine lets it; the looks before and after it count two or three.
    expect(Number(count)).toBeGreaterThanOrEqual(8)
    await worker.publish(Noted, {})
    await eventually('the next one too', () => handled === 2)
  })

  test('an idle subscription sends less than one command a second', async () => {
    const watched = await startRedis({ own: true })
    const millrace = createMillrace({ name: 'idle', engine: redis(watched.url) })
    try {
      let seen = 0
      await millrace.subscribe(Noted, () => void (seen += 1), { group: 'idle', from: 'earliest' })
      await millrace.publish(Noted, {})
      await eventually('it is handled', () => seen === 1)
      const calls = async (): Promise<{ readonly sent: number; readonly looks: number }> => {
        const stats = String(await askRedis(watched.url, 'INFO', 'commandstats'))
        const of = (name: string): number => Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(stats)?.[1] ?? 0)
        return { sent: of('evalsha') + of('xrange'), looks: of('hexists') }
      }
      const settled = await calls()
      // Each look at the group counts its member up once; two seconds lie between two of them.
      const after = await eventually('it has looked at its group five times', async () => {
        const now = await calls()
        return now.looks - settled.looks >= 5 ? now : undefined
      })
      expect(after.sent - settled.sent).toBeLessThanOrEqual(12)
    } finally {
      await millrace.close()
      await watched.stop()
    }
  })
})
