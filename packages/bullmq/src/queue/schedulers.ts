import { createHash } from 'node:crypto'
import type { Scheduler } from '../jobs/schedule-of-scheduler.ts'
import type { Commands } from '../redis/connect.ts'
import { fieldsOf } from '../redis/fields.ts'
import type { QueueKeys } from '../redis/keys.ts'
import { RETURN_SCHEDULER, TAKE_SCHEDULER } from '../redis/scheduler-scripts.ts'

/** A scheduler that was found, as it was read. */
export interface FoundScheduler {
  readonly scheduler: Scheduler
  readonly score: string
  /** Its hash: field, value, field, value. */
  readonly fields: readonly string[]
}

/** The schedulers of a queue, and those of it that the bridge holds. */
export interface Schedulers {
  list(): Promise<readonly FoundScheduler[]>
  /** False when it has changed since it was read. */
  take(found: FoundScheduler): Promise<boolean>
  held(): Promise<readonly FoundScheduler[]>
  /** Removes a held one that is at home. */
  settle(id: string): Promise<void>
  giveBack(found: FoundScheduler): Promise<void>
}

/** The schedulers of the queue of these keys. */
export function createSchedulers(commands: Commands, keys: QueueKeys): Schedulers {
  async function find(id: string, score: string): Promise<FoundScheduler> {
    const fields = await hash(`${keys.repeat}:${id}`)
    const own = fieldsOf(fields)
    // A job scheduler keeps its template; of a repeatable job that is only in its pending run.
    const isScheduler = own.has('ic')
    const pending = isScheduler ? new Map<string, string>() : await pendingRun(id, score)
    const legacy = legacyRule(id)
    const options = isScheduler ? (own.get('opts') ?? '{}') : (pending.get('opts') ?? '{}')
    const repeat = repeatOf(options)
    const isKnown = isScheduler || pending.size > 0
    return {
      score,
      fields,
      scheduler: {
        id,
        nextAt: Number(score),
        name: isKnown ? (own.get('name') ?? pending.get('name')) : undefined,
        pattern: own.get('pattern') ?? legacy?.pattern ?? repeat.pattern,
        every: number(own.get('every')) ?? repeat.every,
        timeZone: own.get('tz') ?? legacy?.timeZone ?? repeat.timeZone,
        endsAt: number(own.get('endDate')) ?? legacy?.endsAt,
        limit: number(own.get('limit')) ?? repeat.limit,
        made: number(own.get('ic')) ?? repeat.count ?? 0,
        data: (isScheduler ? own.get('data') : pending.get('data')) ?? '{}',
        options,
      },
    }
  }

  async function pendingRun(id: string, score: string): Promise<ReadonlyMap<string, string>> {
    const name = id.split(':')[0] ?? ''
    // Before BullMQ 5 the id of the run was made of a digest of name, job id and key.
    const jobId = id.split(':')[1] ?? ''
    for (const part of [id, md5(`${name}${jobId}${md5(id)}`), md5(`${name}${md5(id)}`)]) {
      const fields = fieldsOf(await hash(`${keys.base}repeat:${part}:${score}`))
      if (fields.size > 0) return fields
    }
    return new Map()
  }

  const hash = (key: string): Promise<readonly string[]> => commands.pairs('HGETALL', key)

  return {
    async list() {
      const flat = await commands.pairs('ZRANGE', keys.repeat, '0', '-1', 'WITHSCORES')
      const found: FoundScheduler[] = []
      for (let at = 0; at < flat.length; at += 2) found.push(await find(flat[at] ?? '', flat[at + 1] ?? '0'))
      return found
    },
    async take(found) {
      const { scheduler, score, fields } = found
      const taken = await commands.run(
        TAKE_SCHEDULER,
        [keys.repeat, keys.heldSchedulers],
        [scheduler.id, score, JSON.stringify(found), ...fields],
      )
      return taken === 1
    },
    async held() {
      const flat = await hash(keys.heldSchedulers)
      return flat.flatMap((text, at) => (at % 2 === 1 ? [JSON.parse(text) as FoundScheduler] : []))
    },
    async settle(id) {
      await commands.call('HDEL', keys.heldSchedulers, id)
    },
    async giveBack({ scheduler, score, fields }) {
      await commands.run(RETURN_SCHEDULER, [keys.repeat, keys.heldSchedulers], [scheduler.id, score, ...fields])
    },
  }
}

/** What the key of an old repeatable job says: name:id:endDate:zone:pattern. */
function legacyRule(
  id: string,
): { readonly pattern?: string; readonly timeZone?: string; readonly endsAt?: number } | undefined {
  const [, , ends, timeZone, ...pattern] = id.split(':')
  const text = pattern.join(':')
  if (!text.includes(' ')) return undefined
  const endsAt = number(ends)
  return { pattern: text, ...(timeZone ? { timeZone } : {}), ...(endsAt === undefined ? {} : { endsAt }) }
}

interface RepeatOptions {
  readonly pattern?: string
  readonly every?: number
  readonly timeZone?: string
  readonly limit?: number
  readonly count?: number
}

/** The rule as the pending run of a repeatable job carries it. */
function repeatOf(options: string): RepeatOptions {
  const repeat = (JSON.parse(options) as { readonly repeat?: Readonly<Record<string, unknown>> }).repeat ?? {}
  const { pattern, every, tz, limit, count } = repeat
  return {
    ...(typeof pattern === 'string' ? { pattern } : {}),
    ...(typeof every === 'number' ? { every } : {}),
    ...(typeof tz === 'string' ? { timeZone: tz } : {}),
    ...(typeof limit === 'number' ? { limit } : {}),
    ...(typeof count === 'number' ? { count } : {}),
  }
}

function number(text: string | undefined): number | undefined {
  const value = text === undefined || text === '' ? Number.NaN : Number(text)
  return Number.isFinite(value) ? value : undefined
}

function md5(text: string): string {
  return createHash('md5').update(text).digest('hex')
}
