import { memory } from '@millrace/core/memory'
import { expect, test } from 'vitest'
import { PROPERTIES, runProperty, seedOfRun, type ConformanceOptions } from '../src/index.ts'
import { GROUP_MUTATIONS } from './mutations/group-mutations.ts'
import { LANE_MUTATIONS } from './mutations/lane-mutations.ts'
import { LOG_MUTATIONS } from './mutations/log-mutations.ts'
import { mutantEngine, type Mutation } from './mutations/mutation.ts'

const seed = seedOfRun()

test.each([...LOG_MUTATIONS, ...GROUP_MUTATIONS, ...LANE_MUTATIONS])(
  'a driver is caught in which $defect',
  async (mutation) => {
    const failure = await failureOf(mutation.caughtBy, optionsOf(mutation))
    expect(failure, `"${mutation.caughtBy}" must not pass (seed ${seed})`).toBeDefined()
    expect(failure).toContain(`${mutation.caughtBy}: `)
    expect(await failureOf(mutation.caughtBy, SOUND)).toBeUndefined()
  },
)

const SOUND: ConformanceOptions = {
  name: 'sound',
  makeEngine: () => memory(),
  restart: (engine) => engine,
  secondProcess: (engine) => engine,
}

function optionsOf(mutation: Mutation): ConformanceOptions {
  return { ...SOUND, name: 'mutant', makeEngine: () => mutantEngine(mutation) }
}

async function failureOf(id: string, options: ConformanceOptions): Promise<string | undefined> {
  const property = PROPERTIES.find((each) => each.id === id)
  if (property === undefined) throw new Error(`No property has the id "${id}".`)
  try {
    await runProperty(property, options, seed)
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
