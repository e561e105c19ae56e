import { createMillrace } from '@millrace/core'
import { createServer } from '@millrace/server'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Measured, Work } from '../work.ts'
import { engineOf } from './engine-of.ts'

/** The HTTP server in this thread, on the engine that the URL names or on a SQLite file; keep-alive clients and one SSE client in another. */
export async function run(
  work: Work,
): Promise<Omit<Measured, 'engine' | 'engineVersion' | 'durability'> & Partial<Measured>> {
  const millrace = createMillrace({ name: 'bench', engine: await engineOf(work) })
  await millrace.start()
  const server = createServer({ millrace, port: 0 })
  const { url } = await server.listen()
  const clients = new Worker(new URL('./ingest-clients.ts', import.meta.url), { workerData: { ...work, url } })
  const [result] = (await once(clients, 'message')) as [{ readonly value: number; readonly p99: number }]
  await clients.terminate()
  const { engine, engineVersion, durability } = millrace.capabilities
  await server.close({ timeoutMs: 1_000 })
  await millrace.close()
  return { ...result, engine, engineVersion, durability }
}
