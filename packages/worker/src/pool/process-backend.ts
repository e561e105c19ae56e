import { Tinypool } from 'tinypool'
import type { Backend } from './backend.ts'
import type { FromHandler, ToHandler } from './messages.ts'
import type { PoolOptions } from './pool-options.ts'

/** Processes, by tinypool. */
export function processBackend({ size, memoryMb, idleMs, env }: PoolOptions): Backend {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const pool = new Tinypool({
    runtime: 'child_process',
    filename: new URL(`../inside/handler-process.${extension}`, import.meta.url).href,
    minThreads: 0,
    maxThreads: size,
    idleTimeout: idleMs,
    serialization: 'advanced',
    env: definedOf({ ...process.env, ...env }),
    execArgv: [...process.execArgv, ...(memoryMb === undefined ? [] : [`--max-old-space-size=${memoryMb}`])],
  })
  return {
    kind: 'process',
    start(order, { kill, onMessage }) {
      let send: (message: ToHandler) => void = () => {}
      const channel = {
        onMessage: (sender: (message: ToHandler) => void) => void (send = sender),
        postMessage: (message: FromHandler) => message.run === order.run && onMessage(message),
      }
      return { ended: pool.run({ order }, { channel, signal: kill }), post: (message) => send(message) }
    },
    onLost: (listener) => void pool.on('error', listener),
    destroy: () => pool.destroy(),
  }
}

function definedOf(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined))
}
