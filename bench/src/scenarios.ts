import type { BenchEngine } from './engine.ts'
import type { Extent } from './extent.ts'
import { measureIn } from './measure.ts'
import { median, standalone, type Line } from './report.ts'
import type { Scenario } from './scenario.ts'
import { growth } from './scenarios/growth.ts'
import { idle, idleTasks } from './scenarios/idle.ts'
import { memory } from './scenarios/memory.ts'
import { supervisor } from './scenarios/supervisor.ts'
import { taskScenarios } from './scenarios/tasks.ts'
import { versus } from './versus.ts'

const BACKLOG = 100_000

/** The scenarios by name, in the order of `all`. */
export const scenarios: Readonly<Record<string, Scenario>> = {
  publish: (engine, { runs, scale }) =>
    versus(engine, {
      scenario: 'publish',
      unit: 'events/s',
      better: 'higher',
      task: { what: 'publish', ...engine.publish, count: Math.ceil(engine.publish.count * scale) },
      runs,
      note: `${engine.publish.inFlight} single publishes in flight`,
    }),
  'publish-batch': (engine, { runs, scale }) =>
    versus(engine, {
      scenario: 'publish-batch',
      unit: 'events/s',
      better: 'higher',
      task: { what: 'fill', count: Math.ceil(engine.publish.count * scale), inFlight: 4 },
      runs: Math.min(runs, 3),
      note: 'batches of 500, four in flight',
    }),
  consume: (engine, { runs, scale }) =>
    versus(engine, {
      scenario: 'consume',
      unit: 'events/s',
      better: 'higher',
      task: { what: 'consume', count: Math.ceil(BACKLOG * scale), inFlight: 0 },
      fill: Math.ceil(BACKLOG * scale),
      runs,
      note: 'a backlog of 100 k, product defaults',
    }),
  roundtrip: (engine, { runs, scale }) =>
    versus(engine, {
      scenario: 'roundtrip',
      unit: 'events/s',
      better: 'higher',
      task: { what: 'roundtrip', count: Math.ceil(BACKLOG * scale), inFlight: engine.publish.inFlight },
      runs,
      note: 'publish and handle at once',
    }),
  latency: (engine, { runs, scale }) =>
    versus(engine, {
      scenario: 'latency',
      unit: 'ms p50',
      better: 'lower',
      task: { what: 'latency', count: Math.ceil(300 * scale), inFlight: 1 },
      runs,
      note: 'publish to handler, idle, one process',
    }),
  ...taskScenarios,
  'tasks-idle': idleTasks,
  'tasks-supervisor': supervisor,
  memory,
  growth,
  ingest,
  idle,
}

async function ingest(engine: BenchEngine, { runs, scale }: Extent): Promise<readonly Line[]> {
  const times = Math.min(runs, 3)
  const results = []
  for (let round = 0; round < times; round += 1) {
    const task = { what: 'ingest', count: Math.ceil(100_000 * scale), inFlight: 32 } as const
    results.push(await measureIn(engine.place, 'millrace-ingest', [task]))
  }
  const line = standalone('ingest', results[0] ?? {}, {
    unit: 'events/s',
    ours: median(results.map(({ value }) => value)),
    runs,
    note: '32 HTTP clients, batches of 10; p99 is event to an SSE client, ms',
  })
  return [{ ...line, p99: median(results.map(({ p99 = Number.NaN }) => p99)) }]
}
