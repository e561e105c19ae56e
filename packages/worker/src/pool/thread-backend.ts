import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads'
import { Piscina } from 'piscina'
import type { Backend } from './backend.ts'
import type { FromHandler } from './messages.ts'
import type { PoolOptions } from './pool-options.ts'

/** Threads, by piscina. */
export function threadBackend({ size, memoryMb, idleMs, env }: PoolOptions): Backend {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const pool = new Piscina({
    filename: new URL(`../inside/handler-thread.${extension}`, import.meta.url).href,
    minThreads: 0,
    maxThreads: size,
    idleTimeout: idleMs,
    // A thread whose loop stands still between tasks could not say what an earlier task left behind.
    atomics: 'disabled',
    recordTiming: false,
    ...(memoryMb !== undefined && { resourceLimits: { maxOldGenerationSizeMb: memoryMb } }),
    ...(env !== undefined && { env: { ...process.env, ...env } }),
  })
  return {
    kind: 'thread',
    start(order, { kill, onMessage }) {
      const { port1, port2 } = new MessageChannel()
      port1.on('message', (message: FromHandler) => onMessage(message))
      const ended = pool.run({ order, port: port2 }, { transferList: [port2], signal: kill })
      const close = (): void => {
        // The end came over another port and may have passed what was said before.
        for (let left = receiveMessageOnPort(port1); left !== undefined; left = receiveMessageOnPort(port1)) {
          onMessage(left.message as FromHandler)
        }
        port1.close()
      }
      return { ended: ended.finally(close), post: (message) => port1.postMessage(message) }
    },
    onLost: (listener) => void pool.on('error', listener),
    destroy: () => pool.destroy(),
  }
}
