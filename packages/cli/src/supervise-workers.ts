import { MillraceError } from '@millrace/core'
import type { Command } from 'commander'
import { serverOf, subscriptionsOf, untilInterrupted, type ListenFlags } from './application.ts'
import { importPackage } from './config/import-package.ts'
import type { Host } from './host.ts'
import { duration } from './output/amount.ts'
import { withMillrace, type GlobalOptions, type Session } from './session.ts'
import { listenForHealth } from './worker-health.ts'

/** What a supervisor is asked for. */
export interface SuperviseFlags {
  readonly min?: number
  readonly max?: number
  readonly concurrency?: number
  readonly queue?: readonly string[]
  readonly maxWait?: number
}

interface Flags extends ListenFlags, SuperviseFlags {
  readonly drain: number
}

/** What is used here of `@millrace/worker`, which only those need who supervise. */
interface WorkerPackage {
  supervise(options: object): {
    metrics(): string
    stop(): Promise<void>
  }
  queueLoad(millrace: object, queues: readonly string[]): () => Promise<object>
}

/** What a supervisor says that it did. */
type Event =
  | { readonly kind: 'started'; readonly pid?: number }
  | { readonly kind: 'stopped'; readonly pid?: number; readonly code: number | null; readonly signal: string | null }
  | {
      readonly kind: 'crashed'
      readonly pid?: number
      readonly code: number | null
      readonly signal: string | null
      readonly message?: string
      readonly restartInMs: number
    }
  | { readonly kind: 'scaled'; readonly processes: number; readonly concurrency: number; readonly reason: string }
  | { readonly kind: 'queue-unknown'; readonly message: string }

/** Beside the time for handlers: to start, to close the engine, and to say goodbye. */
const STOP_SPARE_MS = 12_000

/** `millrace worker --max N`: as many processes of `millrace worker` as the queues need. Throws `config_invalid`. */
export function superviseWorkers(host: Host, command: Command, flags: Flags): Promise<void> {
  return withMillrace(host, command, { creates: true, endsOnSignal: true }, async (session) => {
    const { output, settings, millrace } = session
    // What each process would fail at, one after the other, is said once.
    subscriptionsOf(settings)
    if (millrace.capabilities.engine === 'memory') {
      throw new MillraceError(
        'config_invalid',
        'Processes share nothing through the memory engine. Name another, such as sqlite:./app.db.',
      )
    }
    const { supervise, queueLoad } = (await importPackage(
      '@millrace/worker',
      host.cwd,
      'Supervising workers',
    )) as unknown as WorkerPackage
    const { min, max, concurrency, maxWait, drain, port, host: address = '127.0.0.1' } = flags
    const queues = queuesOf(session, flags)
    const supervisor = supervise({
      ...recipeOf(command, drain),
      processes: { ...(min === undefined ? {} : { min }), ...(max === undefined ? {} : { max }) },
      ...(concurrency === undefined ? {} : { concurrency: { max: concurrency } }),
      ...(maxWait === undefined ? {} : { scaling: { maxWaitMs: maxWait } }),
      ...(queues === undefined ? {} : { queue: queueLoad(millrace, queues) }),
      stopTimeoutMs: drain + STOP_SPARE_MS,
      signals: false,
      name: millrace.name,
      onEvent: (event: Event) => tell(session, event),
    })
    try {
      await using server = await serverOf(session, {})
      const more = (): string => supervisor.metrics()
      await using health = port === undefined ? undefined : await listenForHealth(server, { port, host: address, more })
      if (output.isJson) await output.jsonLine({ ready: health?.url ?? null })
      else await output.line(health === undefined ? 'ready' : `ready ${health.url}`)
      await untilInterrupted(host.signal)
      output.note('stopping: running handlers may finish')
    } finally {
      await supervisor.stop()
    }
  })
}

/** This very command without the flags of a supervisor. The engine travels in the environment: its URL may hold a password. */
function recipeOf(command: Command, drain: number): object {
  const { engine, config, verbose = false } = command.optsWithGlobals<GlobalOptions>()
  return {
    command: [process.execPath, ...process.execArgv, process.argv[1] ?? '', 'worker'],
    args: ['--drain', `${drain}ms`, ...(verbose ? ['--verbose'] : [])],
    env: {
      ...(engine === undefined ? {} : { MILLRACE_ENGINE: engine }),
      ...(config === undefined ? {} : { MILLRACE_CONFIG: config }),
    },
  }
}

/** The queues to look at; undefined when nobody names any. */
function queuesOf({ settings }: Session, { queue, min }: Flags): readonly string[] | undefined {
  const named = queue ?? settings.config.tasks?.map((task) => task.queue.name) ?? []
  if (named.length > 0) return [...new Set(named)]
  if (min !== 0) return undefined
  throw new MillraceError(
    'config_invalid',
    'With --min 0 nobody sees that a task waits. Name the queues with --queue, or list the tasks in the configuration.',
  )
}

function tell({ output }: Session, event: Event): void {
  if (output.isJson) {
    const { kind, ...facts } = event
    void output.jsonLine({ event: kind, ...facts })
  } else if (event.kind === 'crashed' || event.kind === 'queue-unknown') output.warn(sentenceOf(event))
  else output.note(sentenceOf(event))
}

function sentenceOf(event: Event): string {
  switch (event.kind) {
    case 'started':
      return `process ${event.pid ?? '?'} has started`
    case 'stopped':
      return `process ${event.pid ?? '?'} has stopped (${event.signal ?? event.code})`
    case 'crashed': {
      const how = event.message ?? event.signal ?? `exit code ${event.code}`
      return `process ${event.pid ?? '?'} ended by itself (${how}); another starts in ${duration(event.restartInMs)}`
    }
    case 'scaled': {
      const room = event.concurrency === 1 ? '1 task' : `${event.concurrency} tasks`
      return `wanted (${event.reason}): ${event.processes} × ${room}`
    }
    case 'queue-unknown':
      return `the queues do not answer: ${event.message}`
  }
}
