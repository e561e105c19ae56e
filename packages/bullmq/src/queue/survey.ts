import { MillraceError } from '@millrace/core/driver'
import type { Commands } from '../redis/connect.ts'
import type { QueueKeys } from '../redis/keys.ts'

/** What is in a queue of BullMQ. */
export interface Survey {
  /** The library that has written it: `bullmq:5.81.5`; undefined where it left no mark. */
  readonly library: string | undefined
  readonly paused: boolean
  readonly counts: QueueCounts
  /** Limits that BullMQ keeps for the whole queue. */
  readonly concurrency: number | undefined
  readonly rateLimit: { readonly limit: number; readonly per: number } | undefined
}

export interface QueueCounts {
  readonly wait: number
  readonly paused: number
  readonly prioritized: number
  readonly delayed: number
  readonly waitingChildren: number
  readonly active: number
  readonly completed: number
  readonly failed: number
  readonly schedulers: number
  /** Taken out by a bridge that did not come to its end. */
  readonly held: number
}

/** Counts what is in the queue. Throws `not_found` when there is none of that name, `capability_missing` when it is not one of BullMQ 5 or 6. */
export async function survey(commands: Commands, keys: QueueKeys): Promise<Survey> {
  const size = async (command: string, key: string): Promise<number> => Number(await commands.call(command, key))
  const [wait, paused, prioritized, delayed, waitingChildren, active, completed, failed, schedulers, held] =
    await Promise.all([
      size('LLEN', keys.wait),
      size('LLEN', keys.paused),
      size('ZCARD', keys.prioritized),
      size('ZCARD', keys.delayed),
      size('ZCARD', keys.waitingChildren),
      size('LLEN', keys.active),
      size('ZCARD', keys.completed),
      size('ZCARD', keys.failed),
      size('ZCARD', keys.repeat),
      size('HLEN', keys.held),
    ])
  const counts = { wait, paused, prioritized, delayed, waitingChildren, active, completed, failed, schedulers, held }
  const names = ['version', 'paused', 'concurrency', 'max', 'duration'] as const
  const [version, isPaused, concurrency, max, duration] = (await commands.call(
    'HMGET',
    keys.meta,
    ...names,
  )) as readonly (string | null)[]
  const isEmpty = Object.values(counts).every((count) => count === 0)
  if (isEmpty && (await commands.call('EXISTS', keys.meta)) === 0) throw nothingThere(keys)
  if (typeof version === 'string') checkVersion(version)
  return {
    library: version ?? undefined,
    paused: typeof isPaused === 'string',
    counts,
    concurrency: wholeOf(concurrency),
    rateLimit: rateOf(wholeOf(max), wholeOf(duration)),
  }
}

function checkVersion(version: string): void {
  if (!/^bullmq:[56]\./.test(version)) throw notOurs(version)
}

function nothingThere({ base }: QueueKeys): MillraceError {
  return new MillraceError(
    'not_found',
    `There is no queue of BullMQ whose keys begin with ${JSON.stringify(base.slice(0, 200))}. Check the name of the queue, its prefix and the number of the database.`,
  )
}

function notOurs(version: string): MillraceError {
  return new MillraceError(
    'capability_missing',
    `The queue was made by ${version.slice(0, 80)}; only queues of BullMQ 5 and 6 can be moved. Upgrade an older one first; BullMQ Pro keeps groups that are not read here.`,
  )
}

function wholeOf(text: string | null | undefined): number | undefined {
  const value = Number(text ?? Number.NaN)
  return Number.isInteger(value) ? value : undefined
}

function rateOf(limit: number | undefined, per: number | undefined): Survey['rateLimit'] {
  return limit === undefined || per === undefined ? undefined : { limit, per }
}
