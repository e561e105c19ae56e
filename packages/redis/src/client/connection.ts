import { MillraceError, type Runtime } from '@millrace/core/driver'
import { createKeys, type Keys } from '../keys.ts'
import type { Settings } from '../settings.ts'
import { createDeadlines } from './deadlines.ts'
import type { RedisLink, Word } from './link.ts'
import { isReply, redisError } from './redis-error.ts'
import type { Script } from './script.ts'

/** Sends commands and scripts to the server, each with a deadline, each failure as a typed error. */
export interface Connection {
  readonly keys: Keys
  readonly settings: Settings
  readonly runtime: Runtime
  readonly clustered: boolean
  /** Whether what is sent first is done first. */
  readonly keepsOrder: boolean
  /** Where it is, for messages, without secrets. */
  readonly where: string
  /** Throws `closed` and `engine_*`. Waits for a lost connection to come back, within the deadline. */
  call(args: readonly string[], key: string | undefined): Promise<unknown>
  /** Runs a script; the first key decides the server. Waits for a lost connection at most `patienceMs` where that is given. */
  run(script: Script, keys: readonly string[], args: readonly Word[], patienceMs?: number): Promise<unknown>
  /** What the connection last failed with, until it is back. */
  readonly trouble: MillraceError | undefined
  /** Whether closing has begun: whoever waits gives up. */
  readonly closing: boolean
  /** Called whenever the connection is back after it was lost. */
  onBack(listener: () => void): void
  /** Resolves when nothing is under way, then closes. */
  close(): Promise<void>
}

/** Whether the call that failed with this error may have been done all the same. */
export function isOutcomeUnknown(error: unknown): boolean {
  return error instanceof MillraceError && error.facts['sent'] === true
}

/** The connection over a link that is open. */
export function createConnection(
  link: RedisLink,
  { settings, runtime, where }: { readonly settings: Settings; readonly runtime: Runtime; readonly where: string },
): Connection {
  const backListeners: (() => void)[] = []
  const deadlines = createDeadlines(runtime, settings.callTimeoutMs, () => {
    link.reset()
    return unanswered(where, settings.callTimeoutMs)
  })
  let closing = false
  let wasBack = Promise.withResolvers<void>()
  let lastError: Error | undefined
  let isDown = false

  link.listen({
    onReady() {
      if (isDown) runtime.log.info(`${where} answers again`)
      isDown = false
      lastError = undefined
      wasBack.resolve()
      wasBack = Promise.withResolvers()
      for (const listener of backListeners) listener()
    },
    onError(error) {
      lastError = error
      if (isDown || closing) return
      isDown = true
      // Once for each loss: the client tries again and again, and every attempt fails alike.
      runtime.log.warn(redisError(error, where).message)
    },
  })

  async function untilReady(patienceMs: number): Promise<void> {
    const deadline = Promise.withResolvers<never>()
    const timer = runtime.setTimer(() => deadline.reject(notConnected()), Math.min(patienceMs, settings.callTimeoutMs))
    try {
      while (!link.ready) {
        if (closing) throw closedError(where)
        await Promise.race([wasBack.promise, deadline.promise])
      }
    } finally {
      timer.cancel()
    }
  }

  function notConnected(): MillraceError {
    return lastError === undefined
      ? new MillraceError('engine_unreachable', `${where} cannot be reached.`, { retriable: true })
      : redisError(lastError, where)
  }

  async function send(args: readonly Word[], key: string | undefined, patienceMs = Infinity): Promise<unknown> {
    if (!link.ready) await untilReady(patienceMs)
    try {
      return await deadlines.guard(link.send(args, key))
    } catch (error) {
      throw isReply(error) ? error : sentError(error, where)
    }
  }

  return {
    keys: createKeys(settings.prefix),
    settings,
    runtime,
    clustered: link.clustered,
    keepsOrder: link.keepsOrder,
    where,
    async call(args, key) {
      if (closing) throw closedError(where)
      try {
        return await send(args, key)
      } catch (error) {
        throw redisError(error, where)
      }
    },
    async run({ source, sha, ordered }, keys, args, patienceMs) {
      if (closing) throw closedError(where)
      const rest = [String(keys.length), ...keys, ...args]
      try {
        if (!ordered) return await send(['EVALSHA', sha, ...rest], keys[0], patienceMs)
      } catch (error) {
        if (!isReply(error) || !(error as Error).message.startsWith('NOSCRIPT')) throw redisError(error, where)
      }
      try {
        return await send(['EVAL', source, ...rest], keys[0], patienceMs)
      } catch (error) {
        throw redisError(error, where)
      }
    },
    get trouble() {
      return lastError === undefined ? undefined : redisError(lastError, where)
    },
    get closing() {
      return closing
    },
    onBack: (listener) => void backListeners.push(listener),
    async close() {
      closing = true
      wasBack.resolve()
      await deadlines.idle()
      await link.close()
    },
  }
}

/** The error of a call on what is closed. */
export function closedError(where: string): MillraceError {
  return new MillraceError('closed', `The engine on ${where} is not connected, or is closed.`)
}

function unanswered(where: string, ms: number): MillraceError {
  return new MillraceError('engine_unreachable', `${where} has not answered for ${ms} ms.`, {
    retriable: true,
    facts: { sent: true },
  })
}

/** The connection broke under a call: it may have been done. */
function sentError(error: unknown, where: string): MillraceError {
  const { code, message, retriable, cause, facts } = redisError(error, where)
  const isOffline = error instanceof Error && error.constructor.name === 'ClientOfflineError'
  return new MillraceError(code, message, { retriable, cause, facts: { ...facts, sent: !isOffline } })
}
