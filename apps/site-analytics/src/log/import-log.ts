import { MillraceError, type EventMessage, type Millrace, type Runtime } from '@millrace/core'
import { deterministicId } from '../deterministic-id.ts'
import { rejectedEvent } from '../ingest/rejected.ts'
import { readCombinedLine } from './combined-line.ts'
import { guessSite } from './guess-site.ts'
import { LOG_SOURCE, logEvent } from './log-event.ts'
import { readLines, type Line } from './read-lines.ts'
import { recentRepeats } from './recent-repeats.ts'

/** What an import did. Every line is in exactly one of the three counts. */
export interface ImportReport {
  readonly lines: number
  /** Stored by this import. */
  readonly events: number
  /** Lines that cannot be used, kept as `analytics.rejected`. */
  readonly rejected: number
  /** Lines that had been imported before. */
  readonly duplicates: number
  readonly seconds: number
}

export interface ImportOptions {
  readonly millrace: Millrace
  readonly runtime: Runtime
  /** A visitor of one day of the log. */
  readonly visitorOf: (day: string, address: string, userAgent: string) => string
  /** The site's own host, to tell its own pages from other referrers; found out from the log when absent. */
  readonly site?: string
  readonly signal?: AbortSignal
  readonly onProgress?: (lines: number) => void
}

const BATCH = 500
const ATTEMPTS = 6

interface PreparedLine {
  readonly event: EventMessage
  readonly bad: boolean
}

/**
 * Reads a log file into events, with the time of each line and an id made of the line, so that importing it again
 * stores nothing. Holds two batches at most: lines are read as fast as the engine stores them. Throws
 * `publish_unknown` when the engine does not take them, `aborted`; importing again then goes on where it ended.
 */
export async function importLog(path: string, options: ImportOptions): Promise<ImportReport> {
  const { runtime, signal } = options
  const startedAt = runtime.monotonic()
  const site = options.site ?? (await guessSite(path, runtime.now()))
  const repeats = recentRepeats()
  const counts = { lines: 0, events: 0, rejected: 0, duplicates: 0 }
  let batch: PreparedLine[] = []
  let storing: Promise<void> = Promise.resolve()
  const storeBatch = async (lines: readonly PreparedLine[]): Promise<void> => {
    const duplicates = await store(
      options,
      lines.map(({ event }) => event),
    )
    for (const [index, { bad }] of lines.entries()) {
      counts[duplicates.has(index) ? 'duplicates' : bad ? 'rejected' : 'events'] += 1
    }
    options.onProgress?.(counts.lines)
  }
  // One batch is stored while the next is prepared; their order is kept.
  const flush = async (): Promise<void> => {
    await storing
    storing = storeBatch(batch)
    // It is awaited before the next one and at the end; until then a failure is nobody's yet.
    storing.catch(() => {})
    batch = []
  }
  for await (const lines of readLines(path)) {
    for (const line of lines) {
      if (signal?.aborted) throw new MillraceError('aborted', `The import was stopped after ${counts.lines} lines.`)
      batch.push(eventOfLine(line, { ...options, site, repeats }))
      counts.lines += 1
      if (batch.length >= BATCH) await flush()
    }
  }
  await flush()
  await storing
  return { ...counts, seconds: Math.round(runtime.monotonic() - startedAt) / 1_000 }
}

function eventOfLine(
  { number, text, tooLong }: Line,
  {
    runtime,
    visitorOf,
    site,
    repeats,
  }: Pick<ImportOptions, 'runtime' | 'visitorOf'> & {
    readonly site: string | undefined
    readonly repeats: (id: string) => number
  },
): PreparedLine {
  const request = tooLong ? { reason: 'The line is longer than 64 KiB' } : readCombinedLine(text, runtime.now())
  if ('reason' in request) {
    const id = deterministicId(0, 'bad', String(number), text)
    const bad = { from: 'log', origin: 'log', reason: request.reason, raw: text, cut: tooLong, line: number } as const
    return { bad: true, event: rejectedEvent(bad, { id, source: LOG_SOURCE }) }
  }
  const first = deterministicId(request.time, text)
  const before = repeats(first)
  const id = before === 0 ? first : deterministicId(request.time, text, String(before))
  const day = new Date(request.time).toISOString().slice(0, 10)
  const visitor = visitorOf(day, request.address, request.userAgent ?? '')
  return { bad: false, event: logEvent(request, { id, visitor, site }) }
}

/** Stores a batch, the doubtful ones again with the same ids; says which of them had been there before. */
async function store(
  { millrace, runtime, signal }: ImportOptions,
  events: readonly EventMessage[],
): Promise<ReadonlySet<number>> {
  const duplicates = new Set<number>()
  if (events.length === 0) return duplicates
  let open = events.map((event, index) => ({ event, index }))
  for (let attempt = 1; ; attempt += 1) {
    const results = await millrace.publishBatch(
      open.map(({ event }) => event),
      signal === undefined ? {} : { signal },
    )
    const again: typeof open = []
    let failure: MillraceError | undefined
    for (const [at, entry] of open.entries()) {
      const result = results[at]
      if (result?.outcome === 'stored') {
        if (result.duplicate) duplicates.add(entry.index)
        // The same line under another salt or another guess of the site: it is there already.
      } else if (result?.error.code === 'event_conflict') duplicates.add(entry.index)
      else {
        again.push(entry)
        failure = result?.error
      }
    }
    if (again.length === 0) return duplicates
    if (attempt >= ATTEMPTS || failure?.code === 'closed') {
      throw new MillraceError(
        'publish_unknown',
        `The engine did not take ${again.length} events: ${failure?.message ?? ''}`,
        {
          retriable: true,
          cause: failure,
        },
      )
    }
    open = again
    await new Promise<void>((resolve) => runtime.setTimer(resolve, 100 * 2 ** attempt))
  }
}
