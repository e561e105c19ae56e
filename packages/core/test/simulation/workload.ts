import {
  defineEvent,
  isMillraceError,
  reject,
  retry,
  type AnyEventDefinition,
  type Delivery,
  type HandlerResult,
} from '../../src/index.ts'
import type { StandardSchema } from '../../src/contract/standard-schema.ts'
import type { Random } from '../../src/testing/random.ts'
import type { HandledEvent, HandleOutcome } from '../../src/testing/history.ts'

/** What every event of the simulation carries: how each group's handler is to behave. */
export interface Work {
  readonly n: number
  readonly key: string
  readonly behaviour: Readonly<Record<string, Behaviour>>
}

/** How a handler treats an event until the world is healed. `times` is how many attempts do it. */
export type Behaviour =
  | { readonly does: 'fail' | 'hang' | 'reject' | 'kill'; readonly times: number }
  | { readonly does: 'later'; readonly times: number; readonly afterMs: number }
  | { readonly does: 'work'; readonly ms: number }

const work: StandardSchema<Work> = {
  '~standard': { version: 1, vendor: 'simulation', validate: (value) => ({ value: value as Work }) },
}

export const OrderPlaced = defineEvent('order.placed', { schema: work, key: (data: Work) => data.key })
export const StockMoved = defineEvent('stock.moved', { schema: work, key: (data: Work) => data.key })
export const NoteAdded = defineEvent('note.added', { schema: work })
export const DEFINITIONS = [OrderPlaced, StockMoved, NoteAdded] as const
export const TOPICS = { order: { partitions: 3 }, stock: { partitions: 2 }, note: { partitions: 2 } }

export interface SimulatedGroup {
  readonly group: string
  readonly events: readonly AnyEventDefinition[]
  readonly ordering: 'key' | 'none'
  readonly attempts: number
  readonly onDeadLetter: 'continue' | 'park-key'
}

export const GROUPS: readonly SimulatedGroup[] = [
  { group: 'billing', events: [OrderPlaced], ordering: 'key', attempts: 3, onDeadLetter: 'continue' },
  { group: 'audit', events: [OrderPlaced, StockMoved], ordering: 'key', attempts: 4, onDeadLetter: 'park-key' },
  { group: 'mail', events: [StockMoved, NoteAdded], ordering: 'none', attempts: 2, onDeadLetter: 'continue' },
]

export const HANDLER_TIMEOUT_MS = 400

/** Draws what the handlers do with an event. Most is quick work. */
export function drawBehaviour(random: Random): Record<string, Behaviour> {
  return Object.fromEntries(GROUPS.map(({ group }) => [group, drawOne(random)]))
}

function drawOne(random: Random): Behaviour {
  const dice = random.next()
  if (dice < 0.04) return { does: 'fail', times: random.between(1, 2) }
  if (dice < 0.055) return { does: 'fail', times: 100 }
  if (dice < 0.07) return { does: 'later', times: 1, afterMs: random.between(5_001, 6_500) }
  if (dice < 0.085) return { does: 'later', times: 2, afterMs: random.between(5, 900) }
  if (dice < 0.1) return { does: 'reject', times: 100 }
  if (dice < 0.105) return { does: 'hang', times: 1 }
  if (dice < 0.5) return { does: 'work', ms: 0 }
  return { does: 'work', ms: random.chance(0.03) ? random.between(50, 250) : random.between(1, 12) }
}

/** What the handler of one process can do to its surroundings. */
export interface HandlerHost {
  start(event: HandledEvent): number
  end(run: number, outcome: HandleOutcome): void
  after(ms: number, run: () => void): void
  killProcess(): void
  readonly healed: boolean
}

/** The handler of a group: behaves as the event says. */
export function createHandler(
  group: string,
  host: HandlerHost,
): (
  event: { readonly data: unknown; readonly id: string; readonly key?: string | undefined },
  delivery: Delivery,
) => HandlerResult | Promise<HandlerResult> {
  return (event, delivery) => {
    const { behaviour } = event.data as Work
    const { attempt, generation, position } = delivery
    const run = host.start({
      group,
      ...position,
      topic: position.topic,
      partition: position.partition,
      position: position.position,
      id: event.id,
      key: event.key,
      attempt,
      generation,
    })
    const end = (outcome: HandleOutcome): void => host.end(run, isTimedOut(delivery) ? 'timeout' : outcome)
    const plan: Behaviour =
      host.healed || generation > 0 ? { does: 'work', ms: 0 } : (behaviour[group] ?? { does: 'work', ms: 0 })
    if (plan.does === 'work') {
      if (plan.ms === 0) return end('done')
      return new Promise((resolve) => host.after(plan.ms, () => resolve(end('done'))))
    }
    if (attempt > plan.times) return end('done')
    if (plan.does === 'kill') {
      host.killProcess()
      return new Promise(() => {})
    }
    if (plan.does === 'reject') {
      end('reject')
      return reject('The simulation rejects it.')
    }
    if (plan.does === 'later') {
      end('retry')
      return retry({ after: plan.afterMs })
    }
    if (plan.does === 'hang') {
      const { signal } = delivery
      return new Promise((resolve) => signal.addEventListener('abort', () => resolve(end('timeout'))))
    }
    end('throw')
    throw new Error('The simulation fails it.')
  }
}

/** A process that stood still may find its handler's time over although the work was short. */
function isTimedOut({ signal }: Delivery): boolean {
  return signal.aborted && isMillraceError(signal.reason, 'handler_timeout')
}
