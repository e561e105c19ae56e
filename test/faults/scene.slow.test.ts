import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { createScene } from './scene.ts'

it(
  'a scene without a fault has nothing to report, and all of its events went through',
  { timeout: 60_000 },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-scene-'))
    try {
      await using scene = createScene({ name: 'scene', url: `sqlite:${join(folder, 'scene.db')}` })
      await scene.join()
      const second = await scene.join()
      scene.load()
      await scene.progress(200)
      await scene.leave(second)
      const { violations, counts } = await scene.finish()
      expect(violations).toEqual([])
      expect(counts.acknowledged).toBe(counts.stored)
      expect(counts.stored).toBeGreaterThanOrEqual(200)
      expect([counts.unknown, counts.rejected]).toEqual([0, 0])
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
)
