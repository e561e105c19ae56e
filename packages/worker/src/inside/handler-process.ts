import { Worker } from 'node:worker_threads'
import type { HandlerOrder, ToHandler } from '../pool/messages.ts'
import { runHandler } from './run-handler.ts'

// Ctrl-C reaches every process of the terminal: the worker decides, and lets tasks finish.
process.on('SIGINT', () => {})
process.on('disconnect', () => process.exit())

/** Young objects, code and stacks, beside the heap that is limited. */
const ROOM_MB = 64
let guard: Worker | undefined

/** The entry of a process of a pool: runs one handler at a time, and speaks over the channel of the process. */
export default async function inProcess({ order }: { readonly order: HandlerOrder }): Promise<void> {
  if (order.memoryMb !== undefined) guard ??= guardMemory(order.memoryMb)
  await runHandler(order, {
    post: (message) => void process.send?.(message),
    listen(listener) {
      const hear = (message: unknown): void => listener(message as ToHandler)
      process.on('message', hear)
      return () => void process.off('message', hear)
    },
  })
}

/** Counted from what the process takes before it has loaded a handler. */
function guardMemory(memoryMb: number): Worker {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const mostBytes = process.memoryUsage.rss() + (memoryMb + ROOM_MB) * 1024 * 1024
  const made = new Worker(new URL(`./memory-guard.${extension}`, import.meta.url), { workerData: { mostBytes } })
  made.unref()
  return made
}
