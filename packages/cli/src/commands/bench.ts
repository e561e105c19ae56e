import { randomBytes } from 'node:crypto'
import type { Command } from 'commander'
import { MillraceError, systemRuntime, type Millrace } from '@millrace/core'
import type { Engine } from '@millrace/core/driver'
import { adHocDefinition } from '../ad-hoc-definition.ts'
import type { Host } from '../host.ts'
import { wholeNumber } from '../input/whole-number.ts'
import { bytes } from '../output/amount.ts'
import { printTable } from '../output/table.ts'
import { createProgress } from '../output/progress.ts'
import { withMillrace } from '../session.ts'

interface BenchFlags {
  readonly events: number
  readonly size: number
  readonly concurrency: number
}

interface Measured {
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
}

const TYPE = 'millrace-bench.measured'
const KEYS = 100
const MOST_WAITING_MS = 60_000

/** `millrace bench`: the engine that you have, measured. */
export function addBench(program: Command, host: Host): void {
  program
    .command('bench')
    .description('Measure publishing and handling on your own engine, on a topic that is removed afterwards.')
    .option('--events <count>', 'how many events', wholeNumber(1, 1_000_000), 5_000)
    .option('--size <bytes>', 'bytes of data in each', wholeNumber(1, 200_000), 256)
    .option('--concurrency <count>', 'publishes that wait at once', wholeNumber(1, 10_000), 256)
    .addHelpText('after', '\nExamples:\n  millrace bench\n  millrace bench --events 20000 --size 1024 --json')
    .action((flags: BenchFlags, command: Command) => {
      const name = `millrace-bench-${randomBytes(4).toString('hex')}`
      return withMillrace(
        host,
        command,
        { creates: true, makeDefault: true, endsOnSignal: true, events: () => [adHocDefinition(TYPE, name)] },
        async ({ millrace, settings, output }) => {
          try {
            const published = await measurePublishing(host, millrace, flags)
            const handled = await measureHandling(host, millrace, { group: name, events: flags.events })
            const { engine, engineVersion, durability } = millrace.capabilities
            const { events, size } = flags
            if (output.isJson)
              return await output.json({
                engine,
                engineVersion,
                durability,
                events,
                bytes: size,
                publish: published,
                handle: handled,
              })
            output.note(`${engine} ${engineVersion}, stored means ${durability}; ${events} events of ${bytes(size)}`)
            const rows = [
              { what: 'publish', ...published },
              { what: 'handle', ...handled },
            ]
            await printTable(output, rows, [
              { title: '', value: (row) => row.what },
              { title: 'events/s', value: (row) => Math.round(row.perSecond), align: 'right' },
              { title: 'p50', value: (row) => milliseconds(row.p50Ms), align: 'right' },
              { title: 'p99', value: (row) => milliseconds(row.p99Ms), align: 'right' },
            ])
            output.note(
              'publish: from the call to stored. handle: from the subscription to the handler, through the backlog.',
            )
          } finally {
            await removeAll(settings.engine, name)
          }
        },
      )
    })
}

async function measurePublishing(
  host: Host,
  millrace: Millrace,
  { events, size, concurrency }: BenchFlags,
): Promise<Measured> {
  const definition = millrace.catalog.find(({ type }) => type === TYPE)
  if (definition === undefined) throw new MillraceError('internal', 'The definition of the measurement is missing.')
  const progress = createProgress(host, 'events published')
  const data = { filling: 'x'.repeat(size) }
  const latencies: number[] = []
  let next = 0
  const started = performance.now()
  const publishInTurn = async (): Promise<void> => {
    while (next < events) {
      throwIfInterrupted(host)
      const number = next++
      const began = performance.now()
      await millrace.publish(definition, data, { key: `key-${number % KEYS}` })
      latencies.push(performance.now() - began)
      progress.update(latencies.length, events)
    }
  }
  try {
    await Promise.all(Array.from({ length: Math.min(concurrency, events) }, publishInTurn))
  } finally {
    progress.end()
  }
  return measured(latencies, performance.now() - started)
}

async function measureHandling(
  host: Host,
  millrace: Millrace,
  { group, events }: { readonly group: string; readonly events: number },
): Promise<Measured> {
  const progress = createProgress(host, 'events handled')
  const latencies: number[] = []
  const started = performance.now()
  const done = Promise.withResolvers<void>()
  const stop = (): void => done.reject(interrupted())
  const timer = setTimeout(
    () =>
      done.reject(
        new MillraceError(
          'wait_timeout',
          `Only ${latencies.length} of ${events} events were handled within ${MOST_WAITING_MS} ms.`,
        ),
      ),
    MOST_WAITING_MS,
  )
  host.signal.addEventListener('abort', stop, { once: true })
  try {
    throwIfInterrupted(host)
    const subscription = await millrace.subscribe(
      TYPE,
      () => {
        latencies.push(performance.now() - started)
        progress.update(latencies.length, events)
        if (latencies.length === events) done.resolve()
      },
      { group, from: 'earliest', concurrency: 64 },
    )
    await done.promise
    const tookMs = performance.now() - started
    await subscription.stop()
    return measured(latencies, tookMs)
  } finally {
    clearTimeout(timer)
    host.signal.removeEventListener('abort', stop)
    progress.end()
  }
}

/** The backbone has no way to remove a topic, on purpose; the measurement opens the engine by itself for that. */
async function removeAll(engine: Engine, name: string): Promise<void> {
  const { transport } = engine.open(systemRuntime())
  await transport.connect()
  try {
    const { topics, groups } = await transport.list()
    if (groups.some(({ group }) => group === name)) await transport.remove({ group: name })
    if (topics.some(({ topic }) => topic === name)) await transport.remove({ topic: name })
  } finally {
    await transport.close()
  }
}

function measured(latencies: readonly number[], tookMs: number): Measured {
  const sorted = latencies.toSorted((left, right) => left - right)
  const at = (share: number): number =>
    round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0)
  return {
    perSecond: Math.round((latencies.length / Math.max(0.001, tookMs)) * 1_000),
    p50Ms: at(0.5),
    p99Ms: at(0.99),
  }
}

function round(ms: number): number {
  return Math.round(ms * 100) / 100
}

function milliseconds(ms: number): string {
  return `${ms.toFixed(ms < 10 ? 2 : 0)} ms`
}

function throwIfInterrupted(host: Host): void {
  if (host.signal.aborted) throw interrupted()
}

function interrupted(): MillraceError {
  return new MillraceError('aborted', 'Interrupted; the topic of the measurement is removed.')
}
