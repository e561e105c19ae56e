import type { EventMessage, PublishResult } from '@millrace/core'
import { codeOf, messageOf, wrongUse } from './failure.ts'
import { linesOf, type InputLine } from './input/lines.ts'
import { count, duration } from './output/amount.ts'
import { createProgress } from './output/progress.ts'
import type { Session } from './session.ts'

/** How lines become events. */
export interface PublishLinesOptions {
  /** Throws for a line that holds no event. */
  readonly toEvent: (text: string) => EventMessage
  readonly strict: boolean
}

const BATCH_EVENTS = 500
const BATCH_CHARACTERS = 2 * 1024 * 1024
/** While one batch is being stored the next is read; more would only wait in memory. */
const BATCHES_AT_ONCE = 2

interface Numbered {
  readonly line: number
  readonly event: EventMessage
}

/**
 * Publishes a stream of lines in batches, in their order. A bad line is reported with its number and the rest goes on,
 * unless `strict`. With `--json` each line's outcome is printed as an object, in the order of their completion.
 */
export async function publishLines(
  { host, millrace, output }: Session,
  input: AsyncIterable<Uint8Array | string>,
  { toEvent, strict }: PublishLinesOptions,
): Promise<void> {
  const progress = createProgress(host, 'events')
  const started = performance.now()
  let stored = 0
  let duplicates = 0
  let failed = 0
  let isStopped = false
  let batch: Numbered[] = []
  let characters = 0
  const underWay = new Set<Promise<void>>()

  async function fail(line: number, outcome: 'rejected' | 'unknown', error: unknown): Promise<void> {
    failed += 1
    isStopped ||= strict
    progress.end()
    if (output.isJson)
      await output.jsonLine({ line, outcome, error: { code: codeOf(error), message: messageOf(error) } })
    else
      output.warn(
        `line ${line}: ${outcome === 'unknown' ? 'whether it is stored is not known: ' : ''}${messageOf(error)}`,
      )
  }

  async function settle({ line }: Numbered, result: PublishResult): Promise<void> {
    if (result.outcome !== 'stored') return await fail(line, result.outcome, result.error)
    stored += 1
    if (result.duplicate) duplicates += 1
    if (output.isJson) await output.jsonLine({ line, ...result })
  }

  async function send(events: readonly Numbered[]): Promise<void> {
    const results = await millrace.publishBatch(events.map(({ event }) => event))
    for (const [at, result] of results.entries()) {
      const numbered = events[at]
      if (numbered !== undefined) await settle(numbered, result)
    }
    progress.update(stored + failed)
  }

  async function flush(): Promise<void> {
    if (batch.length === 0) return
    const sending = send(batch).finally(() => underWay.delete(sending))
    underWay.add(sending)
    batch = []
    characters = 0
    if (underWay.size >= BATCHES_AT_ONCE) await Promise.race(underWay)
  }

  async function take({ number, text, fault }: InputLine): Promise<void> {
    if (fault !== undefined) return await fail(number, 'rejected', wrongUse(fault))
    try {
      batch.push({ line: number, event: toEvent(text) })
      characters += text.length
    } catch (error) {
      await fail(
        number,
        'rejected',
        error instanceof SyntaxError ? wrongUse('it is not JSON; one line holds one event') : error,
      )
    }
    if (batch.length >= BATCH_EVENTS || characters >= BATCH_CHARACTERS) await flush()
  }

  for await (const line of untilAborted(linesOf(input), host.signal)) {
    await take(line)
    if (isStopped) break
  }
  await flush()
  await Promise.all(underWay)
  progress.end()
  const seconds = Math.max(0.001, (performance.now() - started) / 1_000)
  const summary =
    `stored ${count(stored, 'event')}${duplicates > 0 ? ` (${duplicates} were there before)` : ''}` +
    `${failed > 0 ? `, ${failed} failed` : ''} in ${duration(seconds * 1_000)} (${Math.round(stored / seconds)}/s)`
  if (output.isJson) output.note(summary)
  else await output.line(summary)
  if (failed > 0) host.fail()
  if (isStopped) output.note('stopped at the first failure, because of --strict')
  else if (host.signal.aborted) {
    output.note('interrupted: what comes after was not read')
    host.fail(130)
  }
}

/** The items until the signal fires, even while the source is silent. */
async function* untilAborted<Item>(
  source: AsyncIterator<Item>,
  signal: AbortSignal,
): AsyncGenerator<Item, void, undefined> {
  const aborted = new Promise<IteratorReturnResult<undefined>>((resolve) => {
    if (signal.aborted) resolve({ done: true, value: undefined })
    signal.addEventListener('abort', () => resolve({ done: true, value: undefined }), { once: true })
  })
  for (;;) {
    const next = await Promise.race([source.next(), aborted])
    if (next.done) return
    yield next.value
  }
}
