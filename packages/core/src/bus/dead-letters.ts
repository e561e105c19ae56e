import type { Definitions } from '../contract/catalog.ts'
import { encodeEvent, decodeEvent } from '../contract/cloud-events.ts'
import { checkEvent } from '../contract/check-event.ts'
import type { EventMessage } from '../contract/event.ts'
import type { DeadLetter, DeadLetterCount, DeadLetterQuery, DeadLetterStore } from '../driver/dead-letter-store.ts'
import { isMillraceError, MillraceError } from '../runtime/error.ts'
import type { Runtime } from '../runtime/runtime.ts'

/** Which dead letters. Several conditions must all hold. */
export interface DeadLetterFilter {
  readonly group?: string
  readonly fingerprint?: string
  readonly topic?: string
  readonly type?: string
  readonly eventId?: string
  /** Bounds of the last failure. */
  readonly since?: Date
  readonly until?: Date
  /** The id of the last one seen. */
  readonly after?: string
  /** Default 100, at most 1,000. */
  readonly limit?: number
}

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
  counts(filter?: { readonly group?: string }): Promise<readonly DeadLetterCount[]>
  /** Throws `dead_letter_unknown`. */
  get(id: string): Promise<DeadLetterView>
  /** Hands letters back to their group, attempts reset; a filter takes all that match. Idempotent. */
  requeue(
    what: readonly string[] | DeadLetterFilter,
    options?: { readonly dryRun?: boolean },
  ): Promise<DeadLetterAction>
  /**
   * Requeues with other data, under a new id; `metadata.extensions.editedfrom` names the original. Validated by the definition
   * if this process knows one. Throws `dead_letter_unknown`, `dead_letter_changed`, `event_schema_violation`, ...
   */
  edit(
    id: string,
    data: unknown,
    options?: { readonly by?: string },
  ): Promise<{ readonly id: string; readonly eventId: string }>
  discard(
    what: readonly string[] | DeadLetterFilter,
    options?: { readonly dryRun?: boolean },
  ): Promise<DeadLetterAction>
}

export interface DeadLettersOptions {
  readonly store: DeadLetterStore
  readonly runtime: Runtime
  readonly definitions: Definitions
  /** The lane of the group has got something. */
  readonly hint: (group: string) => void
}

const PAGE = 1_000
const DEFAULT_PAGE = 100

export function createDeadLetters({ store, runtime, definitions, hint }: DeadLettersOptions): DeadLetters {
  /** Works through all that match, page by page, so that a million letters fit in memory. */
  async function act(
    what: readonly string[] | DeadLetterFilter,
    dryRun: boolean,
    action: (ids: readonly string[]) => Promise<readonly string[]>,
  ): Promise<DeadLetterAction> {
    if (isIdList(what)) {
      const known = await lettersOf(what)
      const ids = dryRun ? known.map((letter) => letter.id) : await action(known.map((letter) => letter.id))
      hintAll(known)
      return { ids, dryRun }
    }
    checkFilter(what)
    const ids: string[] = []
    const limit = what.limit ?? Number.POSITIVE_INFINITY
    let after = what.after
    while (ids.length < limit) {
      const page = await store.list({
        ...queryOf(what),
        limit: Math.min(PAGE, limit - ids.length),
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
      checkFilter(filter)
      const limit = filter.limit ?? DEFAULT_PAGE
      const letters = await store.list({
        ...queryOf(filter),
        limit,
        ...(filter.after === undefined ? {} : { after: filter.after }),
      })
      return letters.map(viewOf)
    },
    counts: (filter) => store.counts(filter),
    get: async (id) => viewOf(await need(id)),
    requeue: (what, { dryRun = false } = {}) => act(what, dryRun, (ids) => store.requeue(ids)),
    discard: (what, { dryRun = false } = {}) => act(what, dryRun, (ids) => store.discard(ids)),
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

/** Throws `request_invalid` with the path of what cannot be meant. */
function checkFilter(filter: DeadLetterFilter): void {
  if (typeof filter !== 'object' || filter === null) {
    throw new MillraceError('request_invalid', 'Say which dead letters: a list of ids, or a filter.', {
      path: 'filter',
    })
  }
  const { limit, since, until } = filter
  if (limit !== undefined && !(Number.isInteger(limit) && limit >= 1 && limit <= PAGE)) {
    throw new MillraceError(
      'request_invalid',
      `The limit is ${String(limit)}; it must be a whole number from 1 to ${PAGE}.`,
      { path: 'limit' },
    )
  }
  for (const [path, date] of Object.entries({ since, until })) {
    if (date !== undefined && Number.isNaN(date.getTime())) {
      throw new MillraceError('request_invalid', `The time "${path}" does not exist.`, { path })
    }
  }
}

function isIdList(what: readonly string[] | DeadLetterFilter): what is readonly string[] {
  return Array.isArray(what)
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
