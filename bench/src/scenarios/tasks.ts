import { calm, inPlace } from '../measure.ts'
import { eventCount, median, standalone } from '../report.ts'
import type { Scenario } from '../scenario.ts'
import { versus } from '../versus.ts'

const BACKLOG = 100_000
const DELAYED = 1_000_000
const SCHEDULES = 10_000
const SCHEDULE_SECONDS = 30
const FEATURES = 'three priorities, a dedupe key each'

/** What is measured of tasks: everywhere with priorities and dedupe switched on, and nothing kept of what is done. */
export const taskScenarios: Readonly<Record<string, Scenario>> = {
  'tasks-enqueue': (engine, { runs, scale }) =>
    versus(engine, {
      scenario: 'tasks-enqueue',
      unit: 'tasks/s',
      better: 'higher',
      task: { what: 'publish', asTasks: true, count: Math.ceil(BACKLOG * scale), inFlight: engine.publish.inFlight },
      runs,
      hasLimit: false,
      note: `${engine.publish.inFlight} single calls in flight; ${FEATURES}, one in ten delayed`,
    }),
  'tasks-enqueue-batch': (engine, { runs, scale }) =>
    versus(engine, {
      scenario: 'tasks-enqueue-batch',
      unit: 'tasks/s',
      better: 'higher',
      task: { what: 'fill', asTasks: true, count: Math.ceil(BACKLOG * scale), inFlight: 4 },
      runs: Math.min(runs, 3),
      hasLimit: false,
      note: `calls of 500; ${FEATURES}`,
    }),
  'tasks-process': (engine, { runs, scale }) =>
    versus(engine, {
      scenario: 'tasks-process',
      unit: 'tasks/s',
      better: 'higher',
      task: { what: 'consume', asTasks: true, count: Math.ceil(BACKLOG * scale), inFlight: 0 },
      fill: Math.ceil(BACKLOG * scale),
      runs,
      hasLimit: false,
      note: `a backlog of 100 k, concurrency 100; ${FEATURES}`,
    }),
  'tasks-latency': (engine, { runs, scale }) =>
    versus(engine, {
      scenario: 'tasks-latency',
      unit: 'ms p50',
      better: 'lower',
      task: { what: 'latency', asTasks: true, count: Math.ceil(300 * scale), inFlight: 1 },
      runs,
      hasLimit: false,
      note: 'enqueue to handler, idle, one process',
    }),
  'tasks-delayed': delayed,
  'tasks-schedules': schedules,
}

/**
 * The rate in a queue with a million delayed tasks as a share of the rate in an empty one. The two take turns in spaces of their own in one
 * engine, so that its size and the moment are the same for both; what the load leaves to be done is waited for.
 */
async function delayed(...[engine, { runs, scale }]: Parameters<Scenario>): ReturnType<Scenario> {
  const ours = `millrace-${engine.name}`
  const count = Math.ceil(BACKLOG * scale)
  const waiting = Math.ceil(DELAYED * scale)
  return inPlace(engine.place, async (run) => {
    const rate = async (space: string): Promise<number> => {
      await run(ours, { what: 'fill', asTasks: true, count, inFlight: 4, space })
      await calm(engine.place)
      return (await run(ours, { what: 'consume', asTasks: true, count, inFlight: 0, space })).value
    }
    const first = await rate('empty')
    const filled = await run(ours, { what: 'fill-later', asTasks: true, count: waiting, inFlight: 4, space: 'full' })
    const waitedFor = await calm(engine.place)
    const rates = { full: [] as number[], empty: [] as number[] }
    for (let round = 0; round < runs; round += 1) {
      for (const space of round % 2 === 0 ? (['full', 'empty'] as const) : (['empty', 'full'] as const))
        rates[space].push(await rate(space))
    }
    const [full, empty] = [Math.round(median(rates.full)), Math.round(median(rates.empty))]
    return [
      standalone('tasks-delayed', filled, {
        unit: 'of the rate',
        ours: median(rates.full.map((value, at) => value / (rates.empty[at] ?? Number.NaN))),
        runs,
        note: `processing with ${eventCount(waiting)} delayed tasks in the queue: ${full}/s against ${empty}/s in an empty one beside it, in turn (${Math.round(first)}/s before the load); the load was followed by ${waitedFor}`,
      }),
    ]
  })
}

/** The share of a core that a process spends on schedules of which none is due. */
async function schedules(...[engine, { scale }]: Parameters<Scenario>): ReturnType<Scenario> {
  const count = Math.max(10, Math.ceil(SCHEDULE_SECONDS * scale))
  return inPlace(engine.place, async (run) => {
    const result = await run(`millrace-${engine.name}`, {
      what: 'schedules',
      asTasks: true,
      count,
      inFlight: Math.ceil(SCHEDULES * scale),
    })
    return [
      standalone('tasks-schedules', result, {
        unit: '% of a core',
        ours: result.value,
        runs: 1,
        note: `${SCHEDULES} schedules by cron in one process over ${count} s${result.note === undefined ? '' : `; ${result.note}`}`,
      }),
    ]
  })
}
