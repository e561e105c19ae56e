import { createMillrace, isMillraceError, reject, retry, type Delivery, type HandlerResult } from '@millrace/core'
import type { Engine } from '@millrace/core/driver'
import { recordingEngine, type Unstamped } from '@millrace/core/testing'
import { GROUPS, KEYS, OrderPlaced, StockMoved, TOPICS, treatmentOf } from './events.ts'
import { machineNow } from './history-file.ts'
import type { Points } from './points.ts'

export interface MemberOptions {
  readonly engine: Engine
  readonly record: (entry: Unstamped) => void
  readonly leaseMs: number
  /** The groups that it joins. */
  readonly groups: readonly string[]
  readonly onError: (error: unknown) => void
  readonly points?: Points
  /** What events with a lower `n` died of is repaired in this member. */
  readonly repairedBefore?: number
  /** Called when a handler begins, with the `n` of its event. */
  readonly onHandle?: (n: number) => void
  /** Milliseconds that a publish may take. */
  readonly publishTimeoutMs?: number
}

/** A publisher and subscriber that writes down what it does before and after. */
export interface Member {
  /** Publishes the event with this number. Never rejects: what became of it is in the history. */
  publish(n: number): Promise<void>
  /** From now on its handlers succeed. */
  heal(): void
  /** From now on it is as dead for its own part: its handlers never end, and it writes nothing down. */
  fall(): void
  /** Opens the engine and joins the groups. */
  join(): Promise<void>
  close(options?: { readonly timeoutMs?: number }): Promise<void>
}

/** Makes a member; it does nothing before `join` or `publish`. */
export function createMember(options: MemberOptions): Member {
  const { engine, leaseMs, groups, onError, points, onHandle, publishTimeoutMs, repairedBefore = 0 } = options
  let isHealed = false
  let hasFallen = false
  let runs = 0
  const record: MemberOptions['record'] = (entry) => {
    if (!hasFallen) options.record(entry)
  }
  const millrace = createMillrace({
    name: 'crash',
    engine: recordingEngine(engine, { record, now: machineNow }),
    leaseMs,
    topics: TOPICS,
    onError,
    ...(publishTimeoutMs === undefined ? {} : { publishTimeoutMs }),
  })
  async function handle(
    event: { readonly id: string; readonly key?: string | undefined; readonly data: { readonly n: number } },
    delivery: Delivery,
  ): Promise<HandlerResult> {
    const { group, attempt, generation, position: place } = delivery
    const { id, key } = event
    const { n } = event.data
    const run = (runs += 1)
    record({ kind: 'handle', phase: 'start', run, group, ...place, id, key, attempt, generation })
    onHandle?.(n)
    points?.pass('inside-handler')
    const { does, ms } = isHealed ? AT_ONCE : treatmentOf(n, attempt, { repaired: n < repairedBefore })
    if (ms > 0 && does === 'work') await new Promise((resolve) => setTimeout(resolve, ms))
    if (hasFallen) await new Promise<never>(() => undefined)
    const { signal } = delivery
    const isOver = signal.aborted && isMillraceError(signal.reason, 'handler_timeout')
    record({ kind: 'handle', phase: 'end', run, outcome: isOver ? 'timeout' : OUTCOMES[does] })
    points?.pass('after-handler')
    if (does === 'later') return retry({ after: ms })
    if (does === 'reject') return reject('The crash proof rejects it.')
    if (does === 'fail') throw new Error('The crash proof fails it.')
    return undefined
  }

  return {
    async publish(n) {
      const definition = n % 4 === 0 ? StockMoved : OrderPlaced
      const event = definition.create({ n, key: `k${(n * 31) % KEYS}` })
      const { id, type } = event
      record({ kind: 'publish', phase: 'invoke', id, type })
      try {
        await millrace.publish(event)
        record({ kind: 'publish', phase: 'ok', id })
      } catch (error) {
        const code = isMillraceError(error) ? error.code : 'internal'
        record({ kind: 'publish', phase: code === 'publish_unknown' ? 'info' : 'fail', id, code })
      }
    },
    heal() {
      isHealed = true
    },
    fall() {
      hasFallen = true
    },
    async join() {
      for (const { group, events, ordering, attempts, onDeadLetter } of GROUPS) {
        if (!groups.includes(group)) continue
        await whenUp(() =>
          millrace.subscribe(events, (event, delivery) => handle(event, delivery), {
            group,
            from: 'earliest',
            ordering,
            onDeadLetter,
            concurrency: 16,
            retry: { attempts, backoff: { first: 20, factor: 3, ceiling: 2_000 } },
          }),
        )
      }
    },
    close: (closing) => millrace.close(closing),
  }
}

/** Tries again while the engine says that it may help, as an application would that starts before its engine. */
async function whenUp<Result>(call: () => Promise<Result>): Promise<Result> {
  for (;;) {
    try {
      return await call()
    } catch (error) {
      if (!isMillraceError(error) || !error.retriable) throw error
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS))
    }
  }
}

const AGAIN_MS = 200
const AT_ONCE: ReturnType<typeof treatmentOf> = { does: 'work', ms: 0 }
const OUTCOMES = { work: 'done', later: 'retry', fail: 'throw', reject: 'reject' } as const
