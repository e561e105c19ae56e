import type {
  ClaimedTask,
  TaskClaim,
  TaskError,
  TaskExchange,
  TaskExchanged,
  TaskNote,
  TaskSettle,
} from '@millrace/core/driver'
import type { Touched } from './task-cache.ts'

/** An exchange as it travels to the writer thread: the settles side by side, and apart what few of them have. */
export interface ExchangeCall {
  readonly worker: string
  readonly ids: readonly string[]
  readonly starts: readonly number[]
  readonly outputs: readonly (string | undefined)[]
  /** Settles that are not `done`, by their place. */
  readonly others: readonly (readonly [
    index: number,
    as: TaskSettle['as'],
    delayMs: number,
    error: TaskError | undefined,
  ])[]
  readonly notes: readonly TaskNote[]
  readonly claims: readonly TaskClaim[]
}

/** The answer as it travels back. The texts of all claimed tasks come in few pieces, which are cut up on arrival. */
export interface ExchangeReply {
  readonly fenced: readonly number[]
  readonly cancel: readonly string[]
  readonly claimed: readonly ClaimedRows[]
  readonly texts: readonly string[]
  readonly touched: Touched
}

/** The tasks of one claim. */
export interface ClaimedRows {
  readonly queue: string
  readonly names: readonly string[]
  /** `NUMBERS` numbers for each task. */
  readonly numbers: Float64Array
  /** What few tasks have, by their place. */
  readonly rests: readonly (readonly [
    index: number,
    key: string | undefined,
    tenant: string | undefined,
    expiresInMs: number | undefined,
    hasChildren: boolean,
  ])[]
  readonly nextMs: number | undefined
}

/** In order: length of the id, length of the body, place of the name, starts, attempts, crashes, age, wait. */
export const NUMBERS = 8

/** V8 puts texts of larger messages straight into the old generation, see `reply-parts.ts`. */
const TEXT_CHARACTERS = 40_000

/** Lays an exchange side by side. */
export function encodeExchange({ worker, settles, notes, claims }: TaskExchange): ExchangeCall {
  const ids: string[] = []
  const starts: number[] = []
  const outputs: (string | undefined)[] = []
  const others: [number, TaskSettle['as'], number, TaskError | undefined][] = []
  for (const [index, settle] of settles.entries()) {
    ids.push(settle.id)
    starts.push(settle.starts)
    outputs.push(settle.output)
    if (settle.as !== 'done') others.push([index, settle.as, Math.max(0, Math.ceil(settle.delayMs)), settle.error])
  }
  return { worker, ids, starts, outputs, others, notes, claims }
}

/** Gathers texts into pieces of a size that travels well. */
export function createTexts(): { readonly pieces: string[]; add(id: string, body: string): void; end(): string[] } {
  const pieces: string[] = []
  let open: string[] = []
  let characters = 0
  const close = (): void => {
    if (open.length > 0) pieces.push(open.join(''))
    open = []
    characters = 0
  }
  return {
    pieces,
    add(id, body) {
      open.push(id, body)
      characters += id.length + body.length
      if (characters >= TEXT_CHARACTERS) close()
    },
    end() {
      close()
      return pieces
    },
  }
}

/** The answer as the port wants it. */
export function decodeExchange(call: ExchangeCall, { fenced, cancel, claimed, texts }: ExchangeReply): TaskExchanged {
  const settled: ('settled' | 'fenced')[] = call.ids.map(() => 'settled')
  for (const index of fenced) settled[index] = 'fenced'
  let piece = 0
  let at = 0
  const cut = (length: number): string => {
    const text = texts[piece] ?? ''
    return text.slice(at, (at += length))
  }
  return {
    settled,
    cancel,
    claimed: claimed.map(({ queue, names, numbers, rests, nextMs }) => {
      const tasks: { -readonly [Name in keyof ClaimedTask]: ClaimedTask[Name] }[] = []
      for (let place = 0; place < numbers.length; place += NUMBERS) {
        if (at >= (texts[piece]?.length ?? 0)) {
          piece += 1
          at = 0
        }
        tasks.push({
          id: cut(numbers[place] ?? 0),
          queue,
          name: names[numbers[place + 2] ?? 0] ?? '',
          body: cut(numbers[place + 1] ?? 0),
          key: undefined,
          tenant: undefined,
          starts: numbers[place + 3] ?? 0,
          attempts: numbers[place + 4] ?? 0,
          crashes: numbers[place + 5] ?? 0,
          ageMs: numbers[place + 6] ?? 0,
          waitedMs: numbers[place + 7] ?? 0,
          expiresInMs: undefined,
          hasChildren: false,
        })
      }
      for (const [index, key, tenant, expiresInMs, hasChildren] of rests) {
        const task = tasks[index]
        if (task !== undefined) Object.assign(task, { key, tenant, expiresInMs, hasChildren })
      }
      return { tasks, nextMs }
    }),
  }
}
