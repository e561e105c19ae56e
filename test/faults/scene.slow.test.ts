import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { GROUNDS } from './grounds.ts'
import { createScene, type Scene } from './scene.ts'

/** On a busy machine too, nobody loses a lease. */
const calm = { leaseMs: 30_000 }

it('without a fault there is nothing to report on SQLite', { timeout: 270_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-scene-'))
  try {
    await using scene = createScene({ ...calm, name: 'scene-sqlite', url: `sqlite:${join(folder, 'scene.db')}` })
    await expectQuiet(scene)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

it.each(GROUNDS)('without a fault there is nothing to report on $name', { timeout: 270_000 }, async (ground) => {
  await using server = await ground.start()
  await using scene = createScene({ ...calm, name: `scene-${ground.name}`, url: server.url })
  await expectQuiet(scene)
})

async function expectQuiet(scene: Scene): Promise<void> {
  const first = await scene.join()
  const second = await scene.join()
  scene.load()
  await scene.progress(200)
  await scene.leave(second)
  const { violations, counts } = await scene.finish()
  expect(violations).toEqual([])
  expect(counts.acknowledged).toBe(counts.stored)
  expect(counts.stored).toBeGreaterThanOrEqual(200)
  expect([counts.unknown, counts.rejected, counts.duplicatesAllowed]).toEqual([0, 0, 0])
  expect([...first.errors, ...second.errors]).toEqual([])
}
