import type { Source } from '../redis/keys.ts'

/** A job as BullMQ keeps it. */
export interface BullJob {
  readonly id: string
  readonly name: string
  /** JSON text. */
  readonly data: string
  readonly options: BullOptions
  /** When it was added, in milliseconds since the epoch by the clock of whoever added it. */
  readonly timestamp: number
  /** 0 is before all others, then 1 to 2,097,152. */
  readonly priority: number
  readonly attemptsMade: number
  /** Of the scheduler that has added it. */
  readonly scheduler: string | undefined
  /** Its deduplication, while it holds the key: milliseconds that are left, or until it has ended. */
  readonly deduplication: { readonly id: string; readonly leftMs: number | undefined } | undefined
}

/** What matters here of the options of a job, as they are stored. */
export interface BullOptions {
  readonly attempts?: unknown
  readonly backoff?: unknown
  readonly prevMillis?: unknown
}

/** A job that waits, and where. */
export interface WaitingJob {
  readonly job: BullJob
  readonly source: Source
  /** When it is due, in milliseconds since the epoch: of what is delayed. */
  readonly dueAt: number | undefined
}

/** BullMQ keeps the time in the upper bits of the score of a delayed job. */
const PER_MILLISECOND = 4_096

/** The job of the fields of its hash. Undefined when it is no job. */
export function readJob(id: string, fields: ReadonlyMap<string, string>, deduplicating: string): BullJob | undefined {
  const name = fields.get('name')
  const options = readOptions(fields.get('opts'))
  if (name === undefined || options === undefined) return undefined
  const deduplicationId = fields.get('deid')
  const leftMs = Number(deduplicating)
  return {
    id,
    name,
    data: fields.get('data') ?? '{}',
    options,
    timestamp: number(fields.get('timestamp')),
    priority: number(fields.get('priority')),
    attemptsMade: number(fields.get('atm') ?? fields.get('attemptsMade')),
    scheduler: fields.get('rjk'),
    deduplication:
      deduplicationId === undefined || deduplicating === ''
        ? undefined
        : { id: deduplicationId, leftMs: leftMs > 0 ? leftMs : undefined },
  }
}

/** When a job in the set of the delayed is due. */
export function dueAtOf(source: Source, score: string): number | undefined {
  return source === 'delayed' ? Math.floor(Number(score) / PER_MILLISECOND) : undefined
}

function readOptions(text = '{}'): BullOptions | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

function number(text: string | undefined): number {
  const value = Number(text ?? 0)
  return Number.isFinite(value) ? value : 0
}
