// A publisher and subscriber of the crash proof: writes down what it does before and after, until somebody kills it.
import { createInterface } from 'node:readline'
import { createMillrace, isMillraceError, reject, retry, type Delivery, type HandlerResult } from '@millrace/core'
import { recordingEngine } from '@millrace/core/testing'
import { sqlite } from '@millrace/sqlite'
import { GROUPS, KEYS, LEASE_MS, OrderPlaced, StockMoved, TOPICS, treatmentOf } from './events.ts'
import { machineNow, openHistory } from './history-file.ts'
import { createPoints, withPoints } from './points.ts'

export interface WorkerSetup {
  readonly name: string
  readonly file: string
  readonly histories: string
  readonly seed: number
  readonly point: string | undefined
  readonly pointCount: number
  /** Milliseconds between two publishes; 0 for a worker that only subscribes. */
  readonly publishEveryMs: number
  /** The groups that it joins. */
  readonly groups: readonly string[]
  /** `n` of the event that ends the process which handles it, if there is one. */
  readonly poison: number | undefined
}

const setup = JSON.parse(process.env['CRASH_WORKER'] ?? '') as WorkerSetup
const history = openHistory(setup.histories, setup.name)
const points = createPoints(setup.point, setup.pointCount)
let healed = false
let publishing = setup.publishEveryMs > 0
let runs = 0
let published = setup.seed

history.record({ kind: 'process', phase: 'start' })
const millrace = createMillrace({
  name: 'crash',
  engine: recordingEngine(withPoints(sqlite({ path: setup.file, checkpointPages: 200 }), points), {
    record: history.record,
    now: machineNow,
  }),
  leaseMs: LEASE_MS,
  topics: TOPICS,
  onError: (error) => process.stderr.write(`${setup.name}: ${error instanceof Error ? error.stack : String(error)}\n`),
})

for (const { group, events, ordering, attempts, onDeadLetter } of GROUPS) {
  if (!setup.groups.includes(group)) continue
  await millrace.subscribe(events, (event, delivery) => handle(event, delivery), {
    group,
    from: 'earliest',
    ordering,
    onDeadLetter,
    concurrency: 16,
    retry: { attempts, backoff: { first: 20, factor: 3, ceiling: 2_000 } },
  })
}
process.stdout.write('ready\n')
createInterface({ input: process.stdin }).on('line', (line) => {
  if (line === 'quiet') publishing = false
  else if (line === 'healed') healed = true
})
process.once('SIGTERM', () => {
  publishing = false
  history.record({ kind: 'process', phase: 'stop' })
  millrace.close({ timeoutMs: 3_000 }).then(
    () => process.exit(0),
    () => process.exit(3),
  )
})
publishNext()

function publishNext(): void {
  setTimeout(() => {
    if (!publishing) return
    for (let burst = published % 10 === 0 ? 5 : 1; burst > 0; burst -= 1) void publish((published += 1))
    publishNext()
  }, setup.publishEveryMs)
}

async function publish(n: number): Promise<void> {
  const definition = n % 4 === 0 ? StockMoved : OrderPlaced
  const event = definition.create({ n, key: `k${(n * 31) % KEYS}` })
  const { id, type } = event
  history.record({ kind: 'publish', phase: 'invoke', id, type })
  try {
    await millrace.publish(event)
    history.record({ kind: 'publish', phase: 'ok', id })
  } catch (error) {
    const code = isMillraceError(error) ? error.code : 'internal'
    history.record({ kind: 'publish', phase: code === 'publish_unknown' ? 'info' : 'fail', id, code })
  }
}

async function handle(
  event: { readonly id: string; readonly key?: string | undefined; readonly data: { readonly n: number } },
  delivery: Delivery,
): Promise<HandlerResult> {
  const { group, attempt, generation, position: place } = delivery
  const { topic, partition, position } = place
  const run = (runs += 1)
  history.record({
    kind: 'handle',
    phase: 'start',
    run,
    group,
    topic,
    partition,
    position,
    id: event.id,
    key: event.key,
    attempt,
    generation,
  })
  const { n } = event.data
  if (n === setup.poison && !healed) process.kill(process.pid, 'SIGKILL')
  points.pass('inside-handler')
  const { does, ms } = healed ? { does: 'work', ms: 0 } : treatmentOf(n, attempt)
  if (ms > 0 && does === 'work') await new Promise((resolve) => setTimeout(resolve, ms))
  const { signal } = delivery
  const isOver = signal.aborted && isMillraceError(signal.reason, 'handler_timeout')
  const outcome = isOver
    ? 'timeout'
    : does === 'work'
      ? 'done'
      : does === 'later'
        ? 'retry'
        : does === 'fail'
          ? 'throw'
          : 'reject'
  history.record({ kind: 'handle', phase: 'end', run, outcome })
  points.pass('after-handler')
  if (does === 'later') return retry({ after: ms })
  if (does === 'reject') return reject('The crash proof rejects it.')
  if (does === 'fail') throw new Error('The crash proof fails it.')
  return undefined
}
