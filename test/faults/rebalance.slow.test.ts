import { waitFor } from '@millrace/core/testing'
import { describe, expect, it } from 'vitest'
import { GROUNDS } from './grounds.ts'
import { createScene } from './scene.ts'

const WAVES = 3
const MOST = 6

describe.each(GROUNDS)('$name', (ground) => {
  it('keeps order and loses nothing while members come and go', { timeout: 540_000 }, async () => {
    await using server = await ground.start()
    await using scene = createScene({ name: `rebalance-${ground.name}`, url: server.url })
    await scene.join()
    const claims = (): number => scene.history.filter(({ kind }) => kind === 'claim').length
    scene.load()
    await scene.progress(50)
    for (let wave = 0; wave < WAVES; wave += 1) {
      const before = claims()
      const guests = await Promise.all(Array.from({ length: MOST - 1 }, () => scene.join()))
      await waitFor(() => claims() >= before + 4, { timeoutMs: 120_000, what: 'partitions to move' })
      await scene.progress(50)
      await Promise.all(guests.map((guest) => scene.leave(guest)))
      await scene.progress(50)
    }
    const { violations, counts } = await scene.finish()
    expect(violations).toEqual([])
    expect(counts.claims, 'hardly a partition moved').toBeGreaterThan(WAVES * 6)
  })
})
