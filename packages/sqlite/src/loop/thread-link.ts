import { MillraceError } from '@millrace/core/driver'
import type { Settings } from '../settings.ts'
import type { Touched } from '../write/tasks/task-cache.ts'
import { decodeError, type EncodedError } from './error-codec.ts'
import type { Reply } from './host.ts'
import type { Link, ReaderCalls, WriterCalls } from './link.ts'
import { createPendingCalls } from './pending-calls.ts'
import { joinReply, type ReplyPart } from './reply-parts.ts'
import type { OpenInput, ThreadMessage, ThreadRole } from './thread-host.ts'
import { giveBackThread, takeThread } from './thread-pool.ts'

interface LinkOptions {
  readonly settings: Settings
  readonly onChanged: (topics: readonly string[]) => void
  readonly onQueues: (queues: Touched) => void
  /** The file is opened when this has resolved; if it rejects, it is not opened. */
  readonly after?: Promise<unknown>
}

/** Takes a thread to write; resolves when the file is open. Throws `engine_*`. */
export function startWriterThread(options: LinkOptions): Promise<Link<WriterCalls>> {
  return startThread<WriterCalls>('writer', options)
}

/** Takes a thread to read, to open the file after the writer, which prepares it. Throws `engine_*`. */
export function startReaderThread(options: LinkOptions): Promise<Link<ReaderCalls>> {
  return startThread<ReaderCalls>('reader', options)
}

async function startThread<Calls extends Record<keyof Calls, { input: unknown; output: unknown }>>(
  role: ThreadRole,
  { settings, onChanged, onQueues, after = Promise.resolve() }: LinkOptions,
): Promise<Link<Calls>> {
  const worker = takeThread()
  const pending = createPendingCalls()
  const opened = Promise.withResolvers<void>()
  let holds = 0
  let closing: Promise<void> | undefined
  let gone: MillraceError | undefined

  const hold = (): (() => void) => {
    if (holds++ === 0 && gone === undefined) worker.ref()
    let held = true
    return () => {
      if (held && --holds === 0 && gone === undefined) worker.unref()
      held = false
    }
  }
  const parts = new Map<number, ReplyPart[]>()
  const keepPart = (id: number, part: ReplyPart): void => {
    const known = parts.get(id)
    if (known === undefined) parts.set(id, [part])
    else known.push(part)
  }
  const withParts = (reply: Reply): Reply => {
    const known = parts.get(reply.id)
    if (known === undefined) return reply
    parts.delete(reply.id)
    return joinReply(reply, known)
  }
  const onReply = (reply: Reply): void => {
    settle(reply.error === undefined ? reply : { ...reply, error: decodeError(reply.error as EncodedError) })
  }
  const settle = (reply: Reply): void => {
    pending.settle(reply)
    if (pending.size === 0) releaseCalls?.()
    if (pending.size === 0) releaseCalls = undefined
  }
  let releaseCalls: (() => void) | undefined

  function send(name: string, input: unknown): Promise<unknown> {
    if (gone !== undefined) return Promise.reject(gone)
    const { id, promise } = pending.add()
    releaseCalls ??= hold()
    try {
      worker.postMessage({ id, name, input })
    } catch (error) {
      // What cannot be copied to the thread fails this call alone.
      settle({ id, error })
    }
    return promise
  }

  const onMessage = (message: ThreadMessage): void => {
    if (message.kind === 'replies') for (const reply of message.replies) onReply(withParts(reply))
    else if (message.kind === 'part') keepPart(message.id, message.part)
    else if (message.kind === 'changed') onChanged(message.topics)
    else if (message.kind === 'queues') onQueues(message.queues)
    else if (message.kind === 'ready') opened.resolve()
    else opened.reject(decodeError(message.error))
  }
  const onError = (cause: unknown): void => {
    gone = new MillraceError('internal', `The ${role} thread of ${settings.path} has failed.`, { cause })
    opened.reject(gone)
  }
  const onExit = (): void => {
    gone ??= new MillraceError('closed', `The ${role} thread of ${settings.path} has ended.`)
    opened.reject(gone)
    pending.failAll(gone)
  }
  /** Unless the thread has ended, somebody else may use it. */
  const leave = (): void => {
    worker.off('message', onMessage).off('error', onError).off('exit', onExit)
    if (gone !== undefined) return
    gone = new MillraceError('closed', `${settings.path} is closed.`)
    pending.failAll(gone)
    giveBackThread(worker)
  }
  worker.on('message', onMessage).on('error', onError).on('exit', onExit)
  const open: OpenInput = { role, settings }
  after.then(() => worker.postMessage({ id: 0, name: 'open', input: open }), opened.reject)
  await opened.promise.catch((error: unknown) => {
    leave()
    throw error
  })
  worker.unref()
  return {
    call: (name, input) => send(name, input) as Promise<never>,
    hold,
    close() {
      closing ??= send('close', undefined)
        .catch(() => undefined)
        .then(leave)
      return closing
    },
  }
}
