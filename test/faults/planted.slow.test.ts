import { startFaultProxy } from 'engines'
import type { EngineServer } from 'engines'
import { describe, expect, it } from 'vitest'
import { PLANTED_BUGS, type PlantedBug } from '../crash/planted/bugs.ts'
import { GROUNDS, type Ground } from './grounds.ts'
import { createScene, lasting } from './scene.ts'

/** The source of all events: their publishes have these bytes. */
const IN_A_PUBLISH = '/crash'
/** A bug may need a take-over at the right moment: this many storms are tried until one shows it. */
const STORMS = 4
/** Without progress for this long nothing will come any more: longer than any wait between attempts of a few dozen events. */
const GIVE_UP_MS = 4_000
/** The one that rests most on what a server does: the others are planted in the simulation, and on Redis in a soak. */
const EVERYWHERE: ReadonlySet<string> = new Set(['ignores the token of a settle'])

function bugsOn({ name: ground }: Ground): readonly PlantedBug[] {
  if (process.env['MILLRACE_SOAK'] === '1' && ground === 'redis') return PLANTED_BUGS
  return PLANTED_BUGS.filter(({ name }) => EVERYWHERE.has(name))
}

describe.each(GROUNDS)('the checker of faults on $name', (ground) => {
  it.each(bugsOn(ground))(
    'catches an engine that $name, as $caughtAs',
    { timeout: 720_000, concurrent: true },
    async (bug) => {
      await using server = await ground.start()
      const seen = new Set<string>()
      for (let storm = 1; storm <= STORMS && !seen.has(bug.caughtAs); storm += 1) {
        for (const property of await weather(bug, { ground, server, storm })) seen.add(property)
      }
      expect([...seen]).toContain(bug.caughtAs)
    },
  )
})

/** A bit of everything: lost answers, resets, a member that is cut off for longer than its lease, one that dies, one that comes and goes. */
async function weather(
  { name, plant, caughtAs }: PlantedBug,
  { ground, server, storm }: { readonly ground: Ground; readonly server: EngineServer; readonly storm: number },
): Promise<readonly string[]> {
  const url = ground.apart(server.url, `storm${storm}`)
  await using first = await startFaultProxy(url)
  await using second = await startFaultProxy(url)
  await using doomed = await startFaultProxy(url)
  await using scene = createScene({ name: `planted-${ground.name}-${name.replaceAll(' ', '-')}`, url, plant })
  await scene.join(first.url)
  const held = await scene.join(second.url)
  const dying = await scene.join(doomed.url)
  scene.load()
  await lasting(3_000)
  first.strike({ at: IN_A_PUBLISH, does: 'reset-reply', times: 2 })
  second.strike({ at: IN_A_PUBLISH, does: 'reset-request' })
  await doomed.set({ hold: 'both' })
  scene.fell(dying)
  await lasting(1_000)
  // Some of the bugs keep everybody from taking over.
  const handedOver = scene.takeover(held, 20_000).catch(() => undefined)
  await second.set({ hold: 'both' })
  await handedOver
  await lasting(1_000)
  await second.heal()
  const guest = await scene.join(first.url)
  await lasting(1_000)
  await scene.leave(guest)
  const { violations } = await scene.finish(
    { bug: name },
    { giveUpAfterMs: GIVE_UP_MS, requeue: caughtAs !== 'dead-letter' },
  )
  return violations.map(({ property }) => property)
}
