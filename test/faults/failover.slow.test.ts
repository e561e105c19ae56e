import { isAtLeast, type Durability } from '@millrace/core/driver'
import { available, startFaultProxy, startPostgresPair, startRedisSentinel } from 'engines'
import type { EngineServer } from 'engines'
import { describe, expect, it } from 'vitest'
import type { CrashReport } from '../crash/checker.ts'
import { killFamily, pauseServer } from '../crash/paused-server.ts'
import { withDriver } from '../crash/with-driver.ts'
import { createScene, lasting } from './scene.ts'

const hasPostgres = await available('postgres')
const hasRedis = await available('redis-server')

describe('failover', () => {
  it.skipIf(!hasPostgres)('to a synchronous standby loses nothing', { timeout: 360_000 }, async () => {
    const { report, level } = await failOverPostgres({ synchronous: true })
    expect(level).toBe('quorum-fsync')
    expect(report.violations).toEqual([])
  })

  it.skipIf(!hasPostgres)(
    'to an asynchronous standby loses what its level leaves open, and goes on',
    { timeout: 360_000 },
    async () => {
      const { report, level } = await failOverPostgres({ synchronous: false })
      expectDeclaredLoss('postgres with an asynchronous standby', report, level)
    },
  )

  it.skipIf(!hasRedis)(
    'by a Sentinel loses what its level leaves open, and goes on',
    { timeout: 360_000 },
    async () => {
      await using group = await startRedisSentinel({
        appendfsync: 'always',
        settings: { 'maxmemory-policy': 'noeviction' },
      })
      const level = await levelOf(group.url)
      await using scene = createScene({ name: 'failover-redis', url: group.url })
      await scene.join()
      await scene.join()
      scene.load()
      await scene.progress(200)
      const old = await group.primary()
      const copy = group.nodes.find((node) => node.url !== old.url)
      if (copy === undefined) throw new Error('There is no replica.')
      const comeBack = await fallBehind(copy, () => scene.progress())
      await old.kill()
      await comeBack()
      scene.nemesis('crash')
      await group.promoted(old)
      scene.nemesis('restart')
      const recovery = await scene.progress()
      const report = await scene.finish({ level, recovery })
      expectDeclaredLoss('redis with a Sentinel', report, level)
    },
  )
})

async function failOverPostgres({
  synchronous,
}: {
  readonly synchronous: boolean
}): Promise<{ report: CrashReport; level: Durability }> {
  await using pair = await startPostgresPair({ synchronous })
  await using proxy = await startFaultProxy(pair.primary.url)
  const level = await levelOf(pair.primary.url)
  const name = `failover-postgres-${synchronous ? 'synchronous' : 'asynchronous'}`
  await using scene = createScene({ name, url: proxy.url })
  await scene.join()
  await scene.join()
  scene.load()
  await scene.progress(200)
  const comeBack = await fallBehind(pair.standby, () => (synchronous ? lasting(BEHIND_MS) : scene.progress()))
  await pair.primary.kill()
  await comeBack()
  scene.nemesis('crash')
  await pair.promote()
  proxy.pointTo(pair.standby.url)
  proxy.resetAll()
  scene.nemesis('restart')
  const recovery = await scene.progress()
  return { report: await scene.finish({ level, recovery }), level }
}

/**
 * Stops the copy for a while and ends it, so that what was on its way to it is gone: what the primary has acknowledged meanwhile is on it alone,
 * unless it waits for copies. Gives what brings the copy back.
 */
async function fallBehind(copy: EngineServer, meanwhile: () => Promise<unknown>): Promise<() => Promise<void>> {
  pauseServer(copy)
  await meanwhile()
  killFamily(copy)
  return () => copy.restart()
}

/** What was acknowledged and is gone may only be there where the level does not cover the loss of a server. Nothing else may go wrong. */
function expectDeclaredLoss(what: string, report: CrashReport, level: Durability): void {
  const lost = report.violations.filter(({ text }) => text.includes('was acknowledged and is not stored'))
  process.stdout.write(
    `failover of ${what} at the level ${level}: ${lost.length} of ${report.counts.acknowledged} acknowledged events lost\n`,
  )
  if (isAtLeast(level, 'replicated-memory')) expect(lost).toEqual([])
  else expect(lost.length, 'a copy that was behind, and yet nothing is missed').toBeGreaterThan(0)
  // An event that is gone was perhaps handled before; whatever else is found must be about something else than that.
  expect(report.violations.filter(({ property }) => !LEFT_OPEN.has(property))).toEqual([])
}

const BEHIND_MS = 500
const LEFT_OPEN: ReadonlySet<string> = new Set(['lost', 'phantom'])

function levelOf(url: string): Promise<Durability> {
  return withDriver(url, async ({ transport }) => transport.capabilities.durability)
}
