import { isDryRun } from '../runtime/dry-run.ts'
import type { Definitions } from '../contract/catalog.ts'
import { encodeEvent, decodeEvent } from '../contract/cloud-events.ts'
import { checkEvent } from '../contract/check-event.ts'
import type { EventMessage } from '../contract/event.ts'
import type { DeadLetter, DeadLetterQuery, DeadLetterStore } from '../driver/dead-letter-store.ts'
import { isMillraceError, MillraceError } from '../runtime/error.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { filterOf, idsOf, type Selection } from '../runtime/selection.ts'
import { checkDeadLetterFilter, type DeadLetterFilter, MOST_LETTERS } from './dead-letter-filter.ts'

/** A dead letter as tools see it. */
export interface DeadLetterView {
  readonly id: string
  readonly group: string
  readonly topic: string
  readonly partition: number
  readonly position: string
  /** The event if its envelope can be read. */
  readonly event: EventMessage | undefined
  readonly eventId: string
  readonly eventType: string
  /** The original bytes. */
  readonly body: string
  readonly error: { readonly code: string; readonly message: string; readonly stack: string | undefined }
  readonly attempts: number
  /** RFC 3339. */
  readonly firstFailedAt: string
  readonly lastFailedAt: string
  readonly fingerprint: string
}

/** How many dead letters of one group and fingerprint there are, with the error of the newest. */
export interface DeadLetterCountView {
  readonly group: string
  readonly fingerprint: string
  readonly code: string
  readonly message: string
  readonly count: number
  /** RFC 3339. */
  readonly lastFailedAt: string
}

/** What was done to dead letters, or would be. */
export interface DeadLetterAction {
  readonly ids: readonly string[]
  readonly dryRun: boolean
}

/** Operating dead letters. */
export interface DeadLetters {
  /** Newest first. */
  list(filter?: DeadLetterFilter): Promise<readonly DeadLetterView[]>
  /** By group and fingerprint. */
  counts(filter?: { readonly group?: string }): Promise<readonly DeadLetterCountView[]>
  /** Throws `dead_letter_unknown`. */
  get(id: string): Promise<DeadLetterView>
  /** Hands letters back to their group, attempts reset; a filter takes all that match. Idempotent. Throws `request_invalid`. */
  requeue(what: Selection<DeadLetterFilter>, options?: { readonly dryRun?: boolean }): Promise<DeadLetterAction>
  /**
   * Requeues with other data, under a new id; `metadata.extensions.editedfrom` names the original. Validated by the definition
   * if this process knows one. Throws `dead_letter_unknown`, `dead_letter_changed`, `event_schema_violation`, ...
   */
  edit(
    id: string,
    data: unknown,
    options?: { readonly by?: string },
  ): Promise<{ readonly id: string; readonly eventId: string }>
  discard(what: Selection<DeadLetterFilter>, options?: { readonly dryRun?: boolean }): Promise<DeadLetterAction>
}

export interface DeadLettersOptions {
  readonly store: DeadLetterStore
  readonly runtime: Runtime
  readonly definitions: Definitions
  /** The lane of the group has got something. */
  readonly hint: (group: string) => void
}

const DEFAULT_PAGE = 100

export function createDeadLetters({ store, runtime, definitions, hint }: DeadLettersOptions): DeadLetters {
  /** Works through all that match, page by page, so that a million letters fit in memory. */
  async function act(
    what: Selection<DeadLetterFilter>,
    given: { readonly dryRun?: boolean },
    action: (ids: readonly string[]) => Promise<readonly string[]>,
  ): Promise<DeadLetterAction> {
    const dryRun = isDryRun(given)
    const chosen = idsOf(what)
    if (chosen !== undefined) {
      const known = await lettersOf(chosen)
      const ids = dryRun ? known.map((letter) => letter.id) : await action(known.map((letter) => letter.id))
      hintAll(known)
      return { ids, dryRun }
    }
    const filter = filterOf(what)
    checkDeadLetterFilter(filter)
    const ids: string[] = []
    const limit = filter.limit ?? Number.POSITIVE_INFINITY
    let { after } = filter
    while (ids.length < limit) {
      const page = await store.list({
        ...queryOf(filter),
        limit: Math.min(MOST_LETTERS, limit - ids.length),
        ...(after === undefined ? {} : { after }),
      })
      const last = page.at(-1)
      if (last === undefined) break
      after = last.id
      const pageIds = page.map((letter) => letter.id)
      ids.push(...(dryRun ? pageIds : await action(pageIds)))
      hintAll(page)
    }
    return { ids, dryRun }
  }

  async function lettersOf(ids: readonly string[]): Promise<readonly DeadLetter[]> {
    const letters: DeadLetter[] = []
    for (const id of ids) {
      const letter = await store.get(id)
      if (letter !== undefined) letters.push(letter)
    }
    return letters
  }

  function hintAll(letters: readonly DeadLetter[]): void {
    for (const group of new Set(letters.map((letter) => letter.group))) hint(group)
  }

  async function need(id: string): Promise<DeadLetter> {
    const letter = await store.get(id)
    if (letter !== undefined) return letter
    throw new MillraceError(
      'dead_letter_unknown',
      `There is no dead letter "${id}": it was requeued, discarded, or never there.`,
      { facts: { id } },
    )
  }

  return {
    async list(filter = {}) {
      checkDeadLetterFilter(filter)
      const limit = filter.limit ?? DEFAULT_PAGE
      const letters = await store.list({
        ...queryOf(filter),
        limit,
        ...(filter.after === undefined ? {} : { after: filter.after }),
      })
      return letters.map(viewOf)
    },
    counts: async (filter = {}) => {
      checkDeadLetterFilter(filter)
      return (await store.counts(filter)).map(countViewOf)
    },
    get: async (id) => viewOf(await need(id)),
    requeue: (what, given = {}) => act(what, given, (ids) => store.requeue(ids)),
    discard: (what, given = {}) => act(what, given, (ids) => store.discard(ids)),
    async edit(id, data, { by } = {}) {
      const letter = await need(id)
      const original = decodeEvent(letter.record.body)
      const definition = definitions.get(original.type)
      const checked = definition === undefined ? data : definition.create(data).data
      const event: EventMessage = {
        ...original,
        id: runtime.id(),
        data: checked,
        ...(definition === undefined ? {} : { version: String(definition.version) }),
        metadata: {
          ...original.metadata,
          causationId: original.id,
          extensions: {
            ...original.metadata.extensions,
            editedfrom: original.id,
            ...(by === undefined ? {} : { editedby: by }),
          },
        },
      }
      checkEvent(event)
      const moved = await store.requeue([id], { replace: { ...letter.record, id: event.id, body: encodeEvent(event) } })
      if (!moved.includes(id)) {
        throw new MillraceError(
          'dead_letter_changed',
          `The dead letter "${id}" was requeued or discarded while it was edited.`,
          { facts: { id } },
        )
      }
      runtime.log.info('a dead letter was edited and requeued', { id, eventId: event.id, by })
      hint(letter.group)
      return { id, eventId: event.id }
    },
  }
}

function queryOf({
  since,
  until,
  after: _after,
  limit: _limit,
  ...rest
}: DeadLetterFilter): Omit<DeadLetterQuery, 'limit' | 'after'> {
  return {
    ...rest,
    ...(since === undefined ? {} : { since: since.getTime() }),
    ...(until === undefined ? {} : { until: until.getTime() }),
  }
}

/** Exported for the dead tasks, which are counted in the same way. */
export function countViewOf<Count extends { readonly lastFailedAt: number }>(
  count: Count,
): Omit<Count, 'lastFailedAt'> & { readonly lastFailedAt: string } {
  return { ...count, lastFailedAt: new Date(count.lastFailedAt).toISOString() }
}

function viewOf(letter: DeadLetter): DeadLetterView {
  return {
    id: letter.id,
    group: letter.group,
    topic: letter.topic,
    partition: letter.partition,
    position: letter.position,
    event: readable(letter.record.body),
    eventId: letter.record.id,
    eventType: letter.record.type,
    body: letter.record.body,
    error: { code: letter.code, message: letter.message, stack: letter.stack },
    attempts: letter.attempts,
    firstFailedAt: new Date(letter.firstFailedAt).toISOString(),
    lastFailedAt: new Date(letter.lastFailedAt).toISOString(),
    fingerprint: letter.fingerprint,
  }
}

function readable(body: string): EventMessage | undefined {
  try {
    return decodeEvent(body)
  } catch (error) {
    if (isMillraceError(error)) return undefined
    throw error
  }
}
