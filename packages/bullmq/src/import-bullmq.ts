import { isMillraceError, systemRuntime } from '@millrace/core'
import { MillraceError, wait, type Runtime } from '@millrace/core/driver'
import { createLedger } from './home/ledger.ts'
import { openHome, type Home } from './home/open-home.ts'
import { createNames, legalName } from './jobs/names.ts'
import { createPrepare } from './jobs/prepare.ts'
import type { MappingRules } from './jobs/task-of-job.ts'
import type { ImportOptions } from './options.ts'
import { createHeld } from './queue/held.ts'
import { createMapper, type Mapper } from './queue/mapper.ts'
import { movePass, resume, type Moving } from './queue/move-jobs.ts'
import { moveSchedulers, surveySchedulers } from './queue/move-schedulers.ts'
import { createSchedulers } from './queue/schedulers.ts'
import { survey, type Survey } from './queue/survey.ts'
import { walk } from './queue/walk.ts'
import { connect, type Commands } from './redis/connect.ts'
import { keysOf, SOURCES, type QueueKeys } from './redis/keys.ts'
import type { ImportReport } from './report.ts'
import { createTally, type Tally } from './tally.ts'

const MOST_AT_ONCE = 500
/** Producers that are still running would keep a run going for ever. */
const MOST_PASSES = 20
const FOLLOW_EVERY_MS = 1_000

/** What both ways, to look and to move, begin with. */
interface Import {
  readonly options: ImportOptions
  readonly runtime: Runtime
  readonly commands: Commands
  readonly keys: QueueKeys
  readonly rules: MappingRules
  readonly mapper: Mapper
  readonly tally: Tally
  readonly timeZone: string
  readonly size: number
}

/**
 * Moves a queue of BullMQ 5 or 6 into Millrace: schedulers, then all jobs that wait, in the order in which they would run. Workers of
 * BullMQ may go on meanwhile: each job is run by them or by ours, never by both. Jobs that run are left to them. Killed anywhere, the next run goes
 * on where this one stopped. Throws `engine_*`, `not_found`, `capability_missing`, `config_invalid`, `aborted`.
 *
 * @example
 * await importBullmq({ redis: 'redis://localhost', queue: 'emails', engine: sqlite('./millrace.db'), dryRun: true })
 */
export async function importBullmq(options: ImportOptions): Promise<ImportReport> {
  const { prefix = 'bull', queue, runtime = systemRuntime(), batch = MOST_AT_ONCE } = options
  if (!Number.isInteger(batch) || batch < 1 || batch > MOST_AT_ONCE) throw badBatch(batch)
  const commands = await connect(options.redis)
  try {
    const keys = keysOf(prefix, queue)
    const before = await survey(commands, keys)
    const rules: MappingRules = {
      queue,
      toQueue: options.toQueue ?? legalName(queue),
      names: createNames(options.names ?? {}),
      keepIds: options.keepIds ?? false,
    }
    const mapper = createMapper(commands, rules, createPrepare(options.tasks ?? [], runtime))
    const tally = createTally()
    const timeZone = options.timeZone ?? Intl.DateTimeFormat().resolvedOptions().timeZone
    const work: Import = { options, runtime, commands, keys, rules, mapper, tally, timeZone, size: batch }
    await (options.dryRun === true ? look(work) : move(work, before, prefix))
    const after = await survey(commands, keys)
    return { queue, dryRun: options.dryRun === true, before, after, ...tally.report() }
  } finally {
    await commands.close()
  }
}

async function look({ commands, keys, mapper, tally, size, rules, timeZone }: Import): Promise<void> {
  const leaving = await surveySchedulers({ schedulers: createSchedulers(commands, keys), rules, timeZone, tally })
  await mapper.tick()
  for (const source of SOURCES) {
    await walk(
      { commands, keys, source },
      {
        size,
        async visit({ found }) {
          for (const { id, waiting, refusal } of found) {
            const goesToo = refusal?.reason === 'scheduler' && leaving.has(waiting?.job.scheduler ?? '')
            const result = waiting === undefined || (refusal !== undefined && !goesToo) ? refusal : mapper.map(waiting)
            if (result !== undefined && 'reason' in result) tally.refused(id, result)
            else if (waiting !== undefined) tally.moved(waiting, result)
          }
          return found.length
        },
      },
    )
  }
}

async function move(work: Import, before: Survey, prefix: string): Promise<void> {
  const { options, runtime, commands, keys, rules, mapper, tally, timeZone, size } = work
  const home = await openHome(options.engine, runtime)
  try {
    if (before.paused && options.evenIfPaused !== true) await checkPaused(home, rules)
    const moving: Moving = {
      commands,
      keys,
      held: createHeld(commands, keys),
      ledger: createLedger(home.schedules, prefix, rules.queue),
      tasks: home.tasks,
      mapper,
      tally,
      size,
      keepIds: rules.keepIds,
      newBatch: () => runtime.id(),
      signal: options.signal,
      onProgress: options.onProgress,
    }
    const schedulers = createSchedulers(commands, keys)
    await resume(moving)
    await moveSchedulers({ schedulers, schedules: home.millrace.schedules, rules, timeZone, tally })
    await passes(moving)
    while (options.follow === true && options.signal?.aborted !== true) {
      await wait(runtime, FOLLOW_EVERY_MS, options.signal)
      await passes(moving)
    }
  } catch (error) {
    if (options.follow !== true || !isMillraceError(error, 'aborted')) throw error
  } finally {
    await home.close()
  }
}

async function passes(moving: Moving): Promise<void> {
  for (let pass = 0; pass < MOST_PASSES; pass += 1) {
    if ((await movePass(moving)) === 0) return
  }
}

/** What is paused there must not begin to run by being moved. */
async function checkPaused({ millrace }: Home, { toQueue }: MappingRules): Promise<void> {
  try {
    if ((await millrace.queues.get(toQueue)).paused) return
  } catch (error) {
    if (!isMillraceError(error, 'queue_unknown')) throw error
  }
  throw new MillraceError(
    'config_invalid',
    `The queue is paused in BullMQ, and "${toQueue}" is not in Millrace: what is moved could run at once. Pause it there, or stop the workers of its tasks and say evenIfPaused.`,
    { path: 'evenIfPaused' },
  )
}

function badBatch(batch: number): MillraceError {
  return new MillraceError(
    'config_invalid',
    `"batch" is ${batch}; it must be a whole number from 1 to ${MOST_AT_ONCE}.`,
    { path: 'batch' },
  )
}
