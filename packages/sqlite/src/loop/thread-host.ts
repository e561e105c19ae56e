import { parentPort, workerData } from 'node:worker_threads'
import { faultPointOf } from '../file/fault-point.ts'
import type { Settings } from '../settings.ts'
import { encodeError, type EncodedError } from './error-codec.ts'
import type { Call, Host, Reply, Server } from './host.ts'
import { type ReplyPart, splitReply } from './reply-parts.ts'

/** From the thread to the main thread. */
export type ThreadMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly error: EncodedError }
  | { readonly kind: 'replies'; readonly replies: readonly Reply[] }
  | { readonly kind: 'part'; readonly id: number; readonly part: ReplyPart }
  | { readonly kind: 'changed'; readonly topics: readonly string[] }

/**
 * The body of a thread: opens a server when the first message says so (threads start side by side, while the file is
 * prepared by one of them), with the host's own clocks and timers, and serves calls until it is closed.
 */
export function serveThread(create: (host: Host) => Server): void {
  const port = parentPort
  if (port === null) throw new Error('This file runs in a thread only.')
  const post = (message: ThreadMessage): void => port.postMessage(message)
  let server: Server | undefined

  function open(): void {
    try {
      server = create(threadHost(post))
      post({ kind: 'ready' })
    } catch (error) {
      post({ kind: 'failed', error: encodeError(error) })
      port?.close()
    }
  }

  function close(id: number): void {
    let failure: EncodedError | undefined
    try {
      server?.close()
    } catch (error) {
      failure = encodeError(error)
    }
    post({ kind: 'replies', replies: [{ id, error: failure }] })
    port?.close()
  }

  port.on('message', (call: Call) => {
    if (call.name === 'open') open()
    else if (call.name === 'close') close(call.id)
    else server?.accept(call)
  })
}

/** The thread's own clocks and timers, for here no simulation reaches. */
function threadHost(post: (message: ThreadMessage) => void): Host {
  return {
    settings: workerData as Settings,
    now: () => Date.now(),
    monotonic: () => performance.now(),
    setTimer(run, ms) {
      const handle = setTimeout(run, ms).unref()
      return { cancel: () => clearTimeout(handle) }
    },
    defer: (run) => void setImmediate(run),
    fault: faultPointOf(process.env['MILLRACE_FAULT_POINT']),
    reply: (replies) => post({ kind: 'replies', replies: replies.map((reply) => sendParts(encodeReply(reply), post)) }),
    changed: (topics) => post({ kind: 'changed', topics }),
  }
}

/** What is large goes ahead in parts. */
function sendParts(reply: Reply, post: (message: ThreadMessage) => void): Reply {
  const { parts, rest } = splitReply(reply)
  for (const part of parts) post({ kind: 'part', id: reply.id, part })
  return rest
}

function encodeReply(reply: Reply): Reply {
  return reply.error === undefined ? reply : { ...reply, error: encodeError(reply.error) }
}
