import type { TaskExchange, TaskExchanged, TaskNote, TaskSettle } from '@millrace/core/driver'
import { isOutcomeUnknown } from '../client/connection.ts'
import { EXCHANGE_TASKS } from '../scripts/tasks-exchange.ts'
import type { TaskCalls } from './task-calls.ts'
import { type ClaimReply, decodeClaim, decodeName, encodeError, encodeName, wholeMs } from './task-text.ts'

/** What one script settles at most: it holds the server for some milliseconds. */
const MOST_SETTLED = 500

/** The rounds of one worker. */
interface Rounds {
  last: number
  /** Those whose answer was lost: what they have given is nobody's. */
  lost: readonly number[]
}

/**
 * The exchanges of this process. An answer that was lost may have given tasks to a worker that does not know of them and lives on; therefore the rounds of
 * each worker are numbered, and the next one names those that were lost: the server takes back what these gave, and does not do
 * them any more should they still come.
 */
export function createExchanges(calls: TaskCalls): {
  exchange(request: TaskExchange): Promise<TaskExchanged>
} {
  const workers = new Map<string, Rounds>()

  async function round(request: TaskExchange): Promise<TaskExchanged> {
    let rounds = workers.get(request.worker)
    if (rounds === undefined) workers.set(request.worker, (rounds = { last: 0, lost: [] }))
    const { lost } = rounds
    const number = (rounds.last += 1)
    try {
      const reply = await calls.write(EXCHANGE_TASKS, encodeExchange(request, number, lost))
      // A later round has given this one up before it came: it was not done.
      if (reply === 'stale') return await round(request)
      rounds.lost = rounds.lost.filter((each) => !lost.includes(each))
      return decodeExchange(request, reply as ExchangeReply)
    } catch (error) {
      if (isOutcomeUnknown(error)) rounds.lost = [...rounds.lost, number]
      throw error
    }
  }

  return {
    async exchange(request) {
      const { worker, settles } = request
      if (settles.length <= MOST_SETTLED) return round(request)
      const settled: ('settled' | 'fenced')[] = []
      const last = settles.length - (settles.length % MOST_SETTLED || MOST_SETTLED)
      let { notes } = request
      for (let from = 0; from < last; from += MOST_SETTLED) {
        const part = { worker, settles: settles.slice(from, from + MOST_SETTLED), notes, claims: [] }
        settled.push(...(await round(part)).settled)
        notes = []
      }
      const end = await round({ ...request, notes, settles: settles.slice(last) })
      return { ...end, settled: [...settled, ...end.settled] }
    },
  }
}

type ExchangeReply = readonly [fenced: readonly number[], claimed: readonly ClaimReply[], cancel: readonly string[]]

function encodeExchange(
  { worker, settles, notes, claims }: TaskExchange,
  number: number,
  lost: readonly number[],
): string[] {
  const args = [encodeName(worker), String(number), lost.join(','), String(settles.length)]
  for (const settle of settles) args.push(encodeName(settle.id), howOf(settle), givenOf(settle))
  args.push(String(notes.length))
  for (const note of notes) pushNote(args, note)
  for (const { queue, names, limit, suspects } of claims) {
    args.push(encodeName(queue), String(limit), String(suspects), String(names.length), ...names.map(encodeName))
  }
  return args
}

function howOf({ as, starts, delayMs }: TaskSettle): string {
  return `${as} ${starts} ${wholeMs(delayMs)}`
}

function givenOf({ as, output, error }: TaskSettle): string {
  return as === 'done' ? (output ?? '') : encodeError(error)
}

function pushNote(args: string[], { id, starts, progress, log }: TaskNote): void {
  const lines = log.slice(-1_000)
  args.push(encodeName(id), String(starts), progress ?? '', String(lines.length), ...lines)
}

function decodeExchange({ settles, claims }: TaskExchange, [fenced, claimed, cancel]: ExchangeReply): TaskExchanged {
  const settled = settles.map((): 'settled' | 'fenced' => 'settled')
  for (const index of fenced) settled[index] = 'fenced'
  return {
    settled,
    claimed: claims.map(({ queue }, at) => decodeClaim(queue, claimed[at] ?? [[], -1])),
    cancel: cancel.map(decodeName),
  }
}
