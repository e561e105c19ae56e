import { loadOf, type LoadMessage, type SlotsMessage, type SupervisedWorker } from './load.ts'

export interface SupervisedOptions {
  /** Closes what the process has open, after its workers have stopped. */
  readonly close?: () => unknown
  /** Milliseconds that handlers have to finish. Default 20,000; stay below the `stopTimeoutMs` of the supervisor. */
  readonly stopTimeoutMs?: number
  /** Milliseconds between reports. Default 250. */
  readonly everyMs?: number
  /** Ends the process on SIGTERM, SIGINT and the end of its supervisor. Default true; false where the program sees to that. */
  readonly signals?: boolean
}

const SLOTS_VARIABLE = 'MILLRACE_WORKER_SLOTS'

/**
 * Makes this process one that a supervisor leads: reports the load of its workers, changes their concurrency as it is told, and on SIGTERM, SIGINT or the end of its
 * supervisor lets the workers finish, closes and exits with 0. Without a supervisor it does only the last of these.
 *
 * @example
 * const worker = await millrace.work(BuildReport, build)
 * supervised([worker], { close: () => millrace.close() })
 */
export function supervised(
  workers: readonly SupervisedWorker[],
  { close, stopTimeoutMs = 20_000, everyMs = 250, signals = true }: SupervisedOptions = {},
): void {
  let isStopping = false

  function spread(slots: number): void {
    // Where it does not divide, the first ones get one more; each has room for one at least.
    const each = Math.floor(slots / workers.length)
    for (const [index, worker] of workers.entries()) {
      worker.setConcurrency(Math.max(1, each + (index < slots % workers.length ? 1 : 0)))
    }
  }

  function report(): void {
    if (process.send === undefined || !process.connected) return
    const message: LoadMessage = { millrace: 'load', load: loadOf(workers) }
    process.send(message, () => {})
  }

  async function stop(): Promise<void> {
    if (isStopping) return
    isStopping = true
    clearInterval(timer)
    try {
      await Promise.all(workers.map((worker) => worker.stop({ timeoutMs: stopTimeoutMs })))
      await close?.()
    } catch (error) {
      process.exitCode = 1
      process.emitWarning(error instanceof Error ? error : String(error))
    }
    process.exit()
  }

  const timer = setInterval(report, everyMs)
  const slots = Number(process.env[SLOTS_VARIABLE])
  if (Number.isSafeInteger(slots) && slots > 0) spread(slots)
  process.on('message', (message) => {
    if (isSlots(message) && !isStopping) spread(message.slots)
  })
  if (signals) for (const end of ['SIGTERM', 'SIGINT', 'disconnect']) process.once(end, () => void stop())
  else timer.unref()
  report()
}

function isSlots(message: unknown): message is SlotsMessage {
  return typeof message === 'object' && message !== null && 'millrace' in message && message.millrace === 'slots'
}
