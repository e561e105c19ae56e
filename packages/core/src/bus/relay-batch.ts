import { eventDigest } from '../contract/event-digest.ts'
import type { OutboxRow } from '../driver/outbox-store.ts'
import type { PublishOutcome, PublishRecord } from '../driver/record.ts'
import type { Transport } from '../driver/transport.ts'
import { backoffDelay } from '../runtime/backoff.ts'
import { isMillraceError, MillraceError } from '../runtime/error.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { KnownTopic, TopicRegistry } from './topic-registry.ts'

/** Where rows are forwarded to. */
export interface RelayTarget {
  readonly transport: Transport
  readonly topics: TopicRegistry
  /** Opens the target. */
  readonly ready: () => Promise<void>
}

/** What became of a batch. */
export interface ForwardedBatch {
  readonly done: readonly string[]
  readonly failed: readonly { readonly rowId: string; readonly delayMs: number; readonly error: MillraceError }[]
  /** Why nothing at all went through, when trying all of it again is what helps. */
  readonly away: MillraceError | undefined
}

const ROW_BACKOFF = { first: 200, factor: 2, ceiling: 60_000 }

/**
 * Forwards rows in their order. A row that the target refuses is passed by the later ones of its key that went out with
 * it; from then on they wait for it.
 */
export async function forwardRows(
  rows: readonly OutboxRow[],
  target: RelayTarget,
  runtime: Runtime,
): Promise<ForwardedBatch> {
  try {
    await target.ready()
  } catch (error) {
    return { done: [], failed: [], away: asError(error) }
  }
  const topics = await openTopics(rows, target.topics)
  const records: PublishRecord[] = []
  const sent: OutboxRow[] = []
  const outcomes = new Map<OutboxRow, PublishOutcome>()
  for (const row of rows) {
    const topic = topics.get(row.topic)
    if (topic instanceof MillraceError || topic === undefined) {
      outcomes.set(row, { outcome: 'rejected', error: topic ?? new Error('The topic could not be made.') })
      continue
    }
    const { rowId: _rowId, attempts: _attempts, ...record } = row
    // A row that is forwarded twice must meet itself: without a key the partition follows from the id.
    records.push({ ...record, partition: topic.partition(row.key ?? row.id, row.id) })
    sent.push(row)
  }
  if (records.length > 0) {
    const answers = await publish(target.transport, records)
    sent.forEach((row, at) => outcomes.set(row, answers[at] ?? NO_ANSWER))
  }
  return judge(rows, outcomes, runtime)
}

const NO_ANSWER: PublishOutcome = {
  outcome: 'unknown',
  error: new Error('The driver gave no outcome for a record.'),
}

async function publish(transport: Transport, records: readonly PublishRecord[]): Promise<readonly PublishOutcome[]> {
  try {
    return await transport.publish(records)
  } catch (error) {
    if (isMillraceError(error, 'closed')) throw error
    const failure: PublishOutcome = { outcome: 'unknown', error: asError(error) }
    return records.map(() => failure)
  }
}

async function openTopics(
  rows: readonly OutboxRow[],
  registry: TopicRegistry,
): Promise<ReadonlyMap<string, KnownTopic | MillraceError>> {
  const names = [...new Set(rows.map(({ topic }) => topic))]
  const opened = await Promise.all(names.map((name) => registry.ensure(name).catch(asError)))
  return new Map(names.map((name, at) => [name, opened[at] ?? asError('The topic could not be made.')]))
}

function judge(
  rows: readonly OutboxRow[],
  outcomes: ReadonlyMap<OutboxRow, PublishOutcome>,
  runtime: Runtime,
): ForwardedBatch {
  const done: string[] = []
  const failed: { rowId: string; delayMs: number; error: MillraceError; mayPass: boolean }[] = []
  for (const row of rows) {
    const outcome = outcomes.get(row) ?? NO_ANSWER
    const error = failureOf(row, outcome)
    if (error === undefined) done.push(row.rowId)
    else {
      const delayMs = backoffDelay(ROW_BACKOFF, row.attempts + 1, 0.5 + runtime.random() / 2)
      const mayPass = outcome.outcome === 'unknown' || error.retriable || error.code.startsWith('engine_')
      failed.push({ rowId: row.rowId, delayMs, error, mayPass })
    }
  }
  const isAway = done.length === 0 && failed.every(({ mayPass, error }) => mayPass && error.code !== 'topic_full')
  return { done, failed: isAway ? [] : failed, away: isAway ? failed[0]?.error : undefined }
}

function failureOf(row: OutboxRow, outcome: PublishOutcome): MillraceError | undefined {
  if (outcome.outcome === 'stored') return undefined
  if (outcome.outcome !== 'duplicate') return asError(outcome.error)
  if (outcome.body === row.body || eventDigest(outcome.body) === eventDigest(row.body)) return undefined
  return new MillraceError(
    'event_conflict',
    `An event with the id "${row.id}" of the source "${row.source}" is stored with other content. Discard the row of the outbox, and publish the event again with an id of its own.`,
    { facts: { id: row.id, topic: row.topic } },
  )
}

function asError(error: unknown): MillraceError {
  if (isMillraceError(error)) return error
  const text = error instanceof Error ? error.message : String(error)
  return new MillraceError('publish_unknown', `The event could not be forwarded: ${text}`, {
    retriable: true,
    cause: error,
  })
}
