import { addingUnknown, MillraceError } from '@millrace/core/driver'
import { type Connection, isOutcomeUnknown } from '../client/connection.ts'
import type { Script } from '../client/script.ts'

/** Runs scripts of tasks. */
export interface TaskCalls {
  /** Runs one that only reads. */
  read(script: Script, args: readonly string[]): Promise<unknown>
  /**
   * Runs one that writes, and waits for as many replicas as the settings ask for. An error with the fact `sent` leaves open whether
   * it was done. Waits for a lost connection at most `patienceMs` where that is given.
   */
  write(script: Script, args: readonly string[], patienceMs?: number): Promise<unknown>
}

/** The calls over a connection; all keys of tasks are in one slot. */
export function createTaskCalls(redis: Connection): TaskCalls {
  const { base, nothing, channel } = redis.keys.tasks
  const run = (script: Script, args: readonly string[], patienceMs?: number): Promise<unknown> =>
    redis.run(script, [base, nothing], [channel, ...args], patienceMs)

  async function replicated(): Promise<void> {
    const { waitReplicas, callTimeoutMs } = redis.settings
    const wait = redis.call(['WAIT', String(waitReplicas), String(Math.ceil(callTimeoutMs / 2))], base)
    const has = Number(await wait.catch((error: unknown) => Promise.reject(asSent(error))))
    if (has >= waitReplicas) return
    throw new MillraceError(
      'engine_unreachable',
      `${redis.where} has the change, but ${has} replicas of the ${waitReplicas} asked for had it in time.`,
      { retriable: true, facts: { sent: true, replicas: has } },
    )
  }

  return {
    read: (script, args) => run(script, args),
    async write(script, args, patienceMs) {
      const reply = await run(script, args, patienceMs)
      if (redis.settings.waitReplicas > 0) await replicated()
      return reply
    },
  }
}

/** The error of an adding, which says so when its outcome is not known. */
export function addingError(error: unknown): unknown {
  return isOutcomeUnknown(error) ? addingUnknown(error) : error
}

function asSent(error: unknown): unknown {
  if (!(error instanceof MillraceError)) return error
  const { code, message, retriable, cause, facts } = error
  return new MillraceError(code, message, { retriable, cause, facts: { ...facts, sent: true } })
}
