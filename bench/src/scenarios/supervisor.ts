import { inPlace } from '../measure.ts'
import { formatted, standalone, type Line } from '../report.ts'
import type { Scenario } from '../scenario.ts'

const RATE = 100
const SECONDS = 90
const LEAST_SECONDS = 30

/**
 * How soon the supervisor of worker processes follows a tenfold step of the load, how busy its slots are then, and how soon the tasks of
 * a worker run again that is killed.
 */
export const supervisor: Scenario = async (engine, { scale }) => {
  const seconds = Math.max(LEAST_SECONDS, Math.ceil(SECONDS * scale))
  return inPlace(engine.place, async (run) => {
    const result = await run('millrace-supervisor', {
      what: 'supervise',
      asTasks: true,
      count: seconds,
      inFlight: RATE,
    })
    const figure = (name: string): string => formatted(result.more?.[name] ?? Number.NaN)
    const count = (name: string): string => String(result.more?.[name] ?? '?')
    const line = (scenario: string, unit: string, name: string, note: string): Line =>
      standalone(scenario, result, { unit, ours: result.more?.[name] ?? Number.NaN, runs: 1, note })
    return [
      line(
        'tasks-supervisor',
        's',
        'followedS',
        `from ${RATE} to ${RATE * 10} tasks/s of 25 to 75 ms, until none waits for more than a second; as many end as come after ${figure('paceS')} s, the longest wait is ${figure('longestWaitS')} s; processes from source, up in ${figure('startS')} s; ${result.note ?? ''}`,
      ),
      line(
        'tasks-supervisor-busy',
        '% of the slots',
        'busy',
        `from 15 s after the step on for ${seconds - 15} s, ${figure('busyAtRest')} % in the last ${seconds / 3} s; ${count('changes')} changes of the scale, ${count('changesAtRest')} of them in these, and ${count('changesBack')} in ${Math.round((seconds * 2) / 3)} s after the step back`,
      ),
      line(
        'tasks-supervisor-kill',
        's',
        'againS',
        `from the kill of one of the processes until the last task that was there has begun; ${count('ranTwice')} ran twice; ${count('refused')} calls of enqueue failed in all`,
      ),
    ]
  })
}
