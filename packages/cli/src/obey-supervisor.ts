import type { Millrace, Worker } from '@millrace/core'
import { subscriptionsOf } from './application.ts'
import { importPackage } from './config/import-package.ts'
import type { Session } from './session.ts'

/** What is used here of `@millrace/worker`, which only those need who supervise. */
interface WorkerPackage {
  supervised(workers: readonly Worker[], options: { readonly signals: false }): void
}

/** What a supervisor sets for each process that it starts. */
const SLOTS_VARIABLE = 'MILLRACE_WORKER_SLOTS'

/**
 * Runs the `subscriptions` of the configuration. When a supervisor has started this process, reports to it how busy the workers are and
 * changes their concurrency as it says; resolves with whether there is one. Throws `config_invalid`.
 */
export async function obeyingSupervisor({ host, millrace, settings }: Session): Promise<boolean> {
  const isLed = process.send !== undefined && host.environment[SLOTS_VARIABLE] !== undefined
  const workers: Worker[] = []
  await subscriptionsOf(settings)(isLed ? notingWorkers(millrace, workers) : millrace)
  if (!isLed) return false
  const { supervised } = (await importPackage(
    '@millrace/worker',
    host.cwd,
    'A supervised worker',
  )) as unknown as WorkerPackage
  // The command itself hears the signals and closes.
  supervised(workers, { signals: false })
  return true
}

/** The same backbone; the workers that it starts are put into the list. */
function notingWorkers(millrace: Millrace, workers: Worker[]): Millrace {
  const work = async (...given: Parameters<Millrace['work']>): Promise<Worker> => {
    const worker = await millrace.work(...given)
    workers.push(worker)
    return worker
  }
  return Object.create(millrace, { work: { value: work } }) as Millrace
}
