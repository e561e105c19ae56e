import { dueAtOf, readJob, type WaitingJob } from '../jobs/job.ts'
import { LOOK } from '../redis/scripts.ts'
import type { Refusal, RefusalReason } from '../jobs/task-of-job.ts'
import { REFUSALS } from '../jobs/task-of-job.ts'
import type { Commands } from '../redis/connect.ts'
import { fieldsOf } from '../redis/fields.ts'
import type { QueueKeys, Source } from '../redis/keys.ts'

/** A job that was found waiting. */
export interface Found {
  readonly id: string
  /** Undefined when it cannot be read. */
  readonly waiting: WaitingJob | undefined
  /** Why it must stay. */
  readonly refusal: Refusal | undefined
}

/** A part of what waits in one place, next to run first. */
export interface Page {
  readonly source: Source
  readonly found: readonly Found[]
  /** How many come before this part. */
  readonly passed: number
}

/** Where in a queue is looked. */
interface Look {
  readonly commands: Commands
  readonly keys: QueueKeys
  readonly source: Source
}

/** Reads what waits in one place, part by part. `visit` says how many of the part are still there afterwards. */
export async function walk(
  look: Look,
  { size, visit }: { readonly size: number; readonly visit: (page: Page) => Promise<number> },
): Promise<void> {
  for (let passed = 0; ;) {
    const places = await placesIn(look, passed, size)
    if (places.length === 0) return
    const found = await jobsAt(look, places)
    passed += await visit({ source: look.source, found, passed })
  }
}

interface Place {
  readonly id: string
  readonly score: string
}

async function placesIn({ commands, keys, source }: Look, passed: number, size: number): Promise<readonly Place[]> {
  if (source === 'wait' || source === 'paused') {
    const ids = await commands.call('LRANGE', keys[source], String(-passed - size), String(-passed - 1))
    return (ids as readonly string[]).map((id) => ({ id, score: '' })).toReversed()
  }
  const flat = await commands.pairs('ZRANGE', keys[source], String(passed), String(passed + size - 1), 'WITHSCORES')
  return flat.flatMap((id, at) => (at % 2 === 0 ? [{ id, score: flat[at + 1] ?? '' }] : []))
}

async function jobsAt({ commands, keys, source }: Look, places: readonly Place[]): Promise<readonly Found[]> {
  const ids = places.map(({ id }) => id)
  const seen = (await commands.run(LOOK, [keys.meta], [keys.base, ...ids])) as readonly (readonly [
    readonly string[],
    string,
    string,
  ])[]
  return places.map(({ id, score }, at) => {
    const [flat, tie, deduplicating] = seen[at] ?? [[], '', '']
    if (flat.length === 0) return { id, waiting: undefined, refusal: refusal('gone') }
    const job = readJob(id, fieldsOf(flat), deduplicating)
    if (job === undefined) return { id, waiting: undefined, refusal: refusal('unreadable') }
    const waiting = { job, source, dueAt: dueAtOf(source, score) }
    return { id, waiting, refusal: tie === '' ? undefined : refusal(tie as RefusalReason) }
  })
}

function refusal(reason: RefusalReason): Refusal {
  return { reason, text: REFUSALS[reason] }
}
