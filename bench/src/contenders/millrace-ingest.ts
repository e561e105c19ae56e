import { createMillrace } from '@millrace/core'
import { createServer } from '@millrace/server'
import { sqlite } from '@millrace/sqlite'
import { once } from 'node:events'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Measured, Work } from '../work.ts'

/** The HTTP server on a SQLite file in this thread; keep-alive clients and one SSE client in another. */
export async function run(
  work: Work,
): Promise<Omit<Measured, 'engine' | 'engineVersion' | 'durability'> & Partial<Measured>> {
  const millrace = createMillrace({ name: 'bench', engine: sqlite(join(work.folder, 'bench.db')) })
  await millrace.start()
  const server = createServer({ millrace, port: 0 })
  const { url } = await server.listen()
  const clients = new Worker(new URL('./ingest-clients.ts', import.meta.url), { workerData: { url, ...work } })
  const [result] = (await once(clients, 'message')) as [{ readonly value: number; readonly p99: number }]
  await clients.terminate()
  const { engine, engineVersion, durability } = millrace.capabilities
  await server.close({ timeoutMs: 1_000 })
  await millrace.close()
  return { ...result, engine, engineVersion, durability }
}
