import { parentPort } from 'node:worker_threads'
import { faultPointOf } from '../file/fault-point.ts'
import type { Settings } from '../settings.ts'
import type { Touched } from '../write/tasks/task-cache.ts'
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
  | { readonly kind: 'queues'; readonly queues: Touched }

/** What a thread does for the file it is told to open. */
export type ThreadRole = 'writer' | 'reader'

/** What a thread is told to open. */
export interface OpenInput {
  readonly role: ThreadRole
  readonly settings: Settings
}

/**
 * The body of a thread: opens a server when a message says so (threads start side by side, while the file is prepared
 * by one of them), with the host's own clocks and timers, serves calls until it is closed, and waits for the next file.
 */
export function serveThread(servers: { readonly [Role in ThreadRole]: (host: Host) => Server }): void {
  const port = parentPort
  if (port === null) throw new Error('This file runs in a thread only.')
  const post = (message: ThreadMessage): void => port.postMessage(message)
  let server: Server | undefined
  let mute = (): void => undefined

  function open({ role, settings }: OpenInput): void {
    let open = true
    mute = () => void (open = false)
    // What a closed file still had to say is not for whoever has the thread next.
    const host = threadHost(settings, (message) => open && post(message))
    try {
      server = servers[role](host)
      post({ kind: 'ready' })
    } catch (error) {
      mute()
      post({ kind: 'failed', error: encodeError(error) })
    }
  }

  function close(id: number): void {
    let failure: EncodedError | undefined
    try {
      server?.close()
    } catch (error) {
      failure = encodeError(error)
    }
    server = undefined
    mute()
    post({ kind: 'replies', replies: [{ id, error: failure }] })
  }

  port.on('message', (call: Call) => {
    if (call.name === 'open') open(call.input as OpenInput)
    else if (call.name === 'close') close(call.id)
    else server?.accept(call)
  })
}

/** The thread's own clocks and timers, for here no simulation reaches. */
function threadHost(settings: Settings, post: (message: ThreadMessage) => void): Host {
  return {
    settings,
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
    queuesChanged: (queues) => post({ kind: 'queues', queues }),
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
