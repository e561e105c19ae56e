import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { runContender } from './contender-process.ts'
import type { Place } from './engine.ts'
import type { Measured, Work } from './work.ts'

/** A measurement: the value, and for ours the engine's own words about itself. */
export type Measurement = { readonly value: number } & Partial<Measured>

/** What is to be done, without the place. */
export type Task = Pick<Work, 'what' | 'count' | 'inFlight' | 'asTasks' | 'space'>

/** Does a contender's tasks one after another in one fresh place, each in a process of its own, and gives the last measurement. */
export function measureIn(place: Place, contender: string, tasks: readonly Task[]): Promise<Measurement> {
  return inPlace(place, async (run) => {
    let last: Measurement = { value: Number.NaN }
    for (const task of tasks) last = await run(contender, task)
    return last
  })
}

/** Runs a contender in a place. */
export type RunIn = (contender: string, task: Task) => Promise<Measurement>

const promiseToRun = promisify(execFile)

/** Waits until nobody works any more on what was written to the engine and to the disk; says what was waited for. */
export async function calm({ calm: calmEngine }: Place): Promise<string> {
  const started = performance.now()
  const done = [...(calmEngine === undefined ? [] : [await calmEngine()]), 'a sync of the disk']
  await promiseToRun('sync')
  return `${done.join(' and ')}, ${((performance.now() - started) / 1_000).toFixed(1)} s`
}

/** Gives a fresh, empty place to run contenders in. */
export async function inPlace<Result>(place: Place, use: (run: RunIn) => Promise<Result>): Promise<Result> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  try {
    await place.reset()
    const where = { folder, ...(place.url === undefined ? {} : { url: place.url }) }
    return await use((contender, task) => runContender(contender, { ...task, ...where }))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
