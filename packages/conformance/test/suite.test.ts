import { memory } from '@millrace/core/memory'
import { expect, test } from 'vitest'
import { probeCapabilities, PROPERTIES, reasonToSkip, runProperty, type Property } from '../src/index.ts'
import { createRandom } from '../src/random.ts'

const engine = { name: 'memory', makeEngine: () => memory() }

test('a failure names the property and the seed that repeats it', async () => {
  const drawn: number[] = []
  const failing: Property = {
    id: '99 always fails',
    async run({ random }) {
      drawn.push(random.integer(1, 1_000_000))
      throw new Error('as planned')
    },
  }
  for (const seed of [7, 7, 8]) {
    const run = runProperty(failing, engine, seed)
    await expect(run).rejects.toThrow(`99 always fails: as planned\nRun it again with MILLRACE_SEED=${seed}.`)
  }
  expect(drawn[0]).toBe(drawn[1])
  expect(drawn[0]).not.toBe(drawn[2])
})

test('what is opened is closed and cleaned up, also after a failure', async () => {
  const cleaned: string[] = []
  const options = { ...engine, cleanUp: () => void cleaned.push('cleaned') }
  let close = (): void => {}
  const closed = new Promise<void>((resolve) => (close = resolve))
  const failing: Property = {
    id: '99 opens and fails',
    async run({ open, onEnd }) {
      const { transport } = await open()
      onEnd(() => expect(transport.capabilities.engine).toBe('memory'))
      void transport.ensureTopic('t', { partitions: 1 })
      void transport.read({ topic: 't', limit: 1, waitMs: 60_000 }).then(close)
      throw new Error('as planned')
    },
  }
  await expect(runProperty(failing, options, 1)).rejects.toThrow('as planned')
  await closed
  expect(cleaned).toEqual(['cleaned'])
})

test('a skip has its reason: a capability, a hook that is missing, or a written one', async () => {
  const probe = await probeCapabilities(engine)
  const without = async (): Promise<typeof probe> => ({ ...probe, dedupe: { level: 'none' } })
  const reasonFor = (needs: Property['needs'], id = 'x'): Promise<string | undefined> =>
    reasonToSkip({ id, ...(needs && { needs }), run: async () => {} }, { ...engine, skip: { y: 'because' } }, without)
  expect(await reasonFor(undefined)).toBeUndefined()
  expect(await reasonFor(['order'])).toBeUndefined()
  expect(await reasonFor(['order', 'dedupe'])).toBe('its capability "dedupe" is none')
  expect(await reasonFor(['restart'])).toBe('its data does not outlive a restart')
  expect(await reasonFor(['secondProcess'])).toBe('it has one process only')
  expect(await reasonFor(undefined, 'y')).toBe('because')
  expect(await reasonFor(['tasks'])).toBeUndefined()
  const keepsNone = { ...engine, tasks: false }
  expect(await reasonToSkip({ id: 'x', needs: ['tasks'], run: async () => {} }, keepsNone, without)).toBe(
    'it keeps no tasks',
  )
})

test('random draws stay in their range, and a shuffle loses nothing', () => {
  const random = createRandom(42)
  const drawn = Array.from({ length: 2_000 }, () => random.integer(3, 7))
  expect(new Set(drawn)).toEqual(new Set([3, 4, 5, 6, 7]))
  const values = Array.from({ length: 50 }, (_, at) => at)
  const mixed = random.shuffled(values)
  expect(mixed).not.toEqual(values)
  expect(mixed.toSorted((a, b) => a - b)).toEqual(values)
})

test('there is a property for each subject', () => {
  expect(PROPERTIES.length).toBeGreaterThan(100)
})
