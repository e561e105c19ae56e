import { describe, expect, it } from 'vitest'
import { pauseServer } from '../crash/paused-server.ts'
import { GROUNDS } from './grounds.ts'
import { codesOf, createScene, lasting } from './scene.ts'

/** Five seconds after its return are promised; a busy machine gets four times as many. */
const RECOVERY_MS = 20_000
const OUTAGES_MS = [0, 400, 1_500]

describe.each(GROUNDS)('$name', (ground) => {
  it('loses nothing when its server is killed in mid-batch and comes back', { timeout: 540_000 }, async () => {
    await using server = await ground.start()
    await using scene = createScene({ name: `server-killed-${ground.name}`, url: server.url })
    const members = [await scene.join(), await scene.join()]
    scene.load()
    await scene.progress(100)
    const recoveries = []
    for (const outageMs of OUTAGES_MS) {
      await server.kill()
      scene.nemesis('crash')
      await lasting(outageMs)
      await server.restart()
      scene.nemesis('restart')
      recoveries.push(await scene.progress())
    }
    const report = await scene.finish({ recoveries })
    expect(report.violations).toEqual([])
    for (const { storedMs, handledMs } of recoveries) {
      expect(storedMs).toBeLessThan(RECOVERY_MS)
      expect(handledMs).toBeLessThan(RECOVERY_MS)
    }
    process.stdout.write(`recovery of ${ground.name} after its server was back: ${JSON.stringify(recoveries)}\n`)
    for (const member of members) expect(codesOf(member.errors)).not.toContain('internal')
  })

  it('goes on when its server has stood still for longer than the leases', { timeout: 360_000 }, async () => {
    await using server = await ground.start()
    await using scene = createScene({ name: `server-paused-${ground.name}`, url: server.url })
    await scene.join()
    await scene.join()
    scene.load()
    await scene.progress(100)
    scene.nemesis('stall')
    const goOn = pauseServer(server)
    await lasting(5_000)
    goOn()
    const recovery = await scene.progress()
    const report = await scene.finish({ recovery })
    expect(report.violations).toEqual([])
    expect(recovery.handledMs).toBeLessThan(RECOVERY_MS)
  })
})
