import { statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { GROUNDS } from './grounds.ts'
import { createScene } from './scene.ts'
import { canMount, mountSmallDisk } from './small-disk.ts'

const DISK_MB = 160

describe.skipIf(!canMount)('a full disk', () => {
  it.each(GROUNDS)(
    'loses nothing of $name, which goes on when there is room again',
    { timeout: 360_000 },
    async (ground) => {
      using disk = mountSmallDisk(DISK_MB)
      await using server = await ground.start({ inside: disk.folder })
      await using scene = createScene({ name: `disk-full-${ground.name}`, url: server.url, publishTimeoutMs: 2_000 })
      await scene.join()
      await scene.join()
      scene.load()
      await scene.progress(100)
      fill(disk.folder)
      await scene.failure()
      scene.nemesis('crash')
      disk.resize(DISK_MB * 2)
      // PostgreSQL ends itself when its log cannot grow and recovers; Redis refuses writes until the next one succeeds.
      if (server.pid === undefined) await server.restart()
      scene.nemesis('restart')
      await scene.progress()
      const { violations } = await scene.finish()
      expect(violations).toEqual([])
    },
  )
})

/** Takes all the room that is left. */
function fill(folder: string): void {
  const { bavail, bsize } = statfsSync(folder)
  writeFileSync(join(folder, 'ballast'), Buffer.alloc(bavail * bsize - 64 * 1_024))
}
