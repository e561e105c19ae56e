import { memory } from '@millrace/core/memory'
import { expect, test, vi } from 'vitest'
import { PROPERTIES, runProperty, seedOfRun, type ConformanceOptions } from '../src/index.ts'
import { GROUP_MUTATIONS } from './mutations/group-mutations.ts'
import { LANE_MUTATIONS } from './mutations/lane-mutations.ts'
import { LOG_MUTATIONS } from './mutations/log-mutations.ts'
import { RARE_TASK_MUTATIONS, TASK_MUTATIONS } from './mutations/task-mutations.ts'
import { mutantEngine, type Mutation } from './mutations/mutation.ts'

const MUTATIONS: readonly Mutation[] = [
  ...LOG_MUTATIONS,
  ...GROUP_MUTATIONS,
  ...LANE_MUTATIONS,
  ...TASK_MUTATIONS,
  ...RARE_TASK_MUTATIONS,
]
const seed = seedOfRun()

// One run of the model against random operations misses a rare defect about once in forty.
const SEEDS_FOR_RARE = [seed, seed + 1, seed + 2, seed + 3, seed + 4]

test.each(MUTATIONS)('a driver is caught in which $defect', async (mutation) => {
  const failure = await firstFailure(mutation)
  expect(failure, `"${mutation.caughtBy}" must not pass (seed ${seed})`).toBeDefined()
  expect(failure).toContain(`${mutation.caughtBy}: `)
  expect(await failureOf(mutation.caughtBy, SOUND)).toBeUndefined()
})

const seenByBus = MUTATIONS.filter(({ caughtByBus }) => caughtByBus !== undefined)

test.each(seenByBus)('the bus shows that $defect', async (mutation) => {
  const id = mutation.caughtByBus ?? ''
  expect(await failureOf(id, optionsOf(mutation)), `"${id}" must not pass (seed ${seed})`).toContain(`${id}: `)
})

const SOUND: ConformanceOptions = {
  name: 'sound',
  makeEngine: () => memory(),
  restart: (engine) => engine,
  secondProcess: (engine) => engine,
}

function optionsOf(mutation: Mutation): ConformanceOptions {
  return { ...SOUND, name: 'mutant', makeEngine: () => mutantEngine(mutation) }
}

async function firstFailure(mutation: Mutation): Promise<string | undefined> {
  const seeds = RARE_TASK_MUTATIONS.includes(mutation) ? SEEDS_FOR_RARE : [seed]
  for (const each of seeds) {
    const failure = await failureOf(mutation.caughtBy, optionsOf(mutation), each)
    if (failure !== undefined) return failure
  }
  return undefined
}

async function failureOf(id: string, options: ConformanceOptions, withSeed = seed): Promise<string | undefined> {
  const property = PROPERTIES.find((each) => each.id === id)
  if (property === undefined) throw new Error(`No property has the id "${id}".`)
  // What a mutant has lost never comes.
  vi.stubEnv('MILLRACE_PATIENCE_MS', options === SOUND ? '60000' : '3000')
  try {
    await runProperty(property, options, withSeed)
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
