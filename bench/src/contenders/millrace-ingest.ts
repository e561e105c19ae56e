import { createMillrace } from '@millrace/core'
import { createServer } from '@millrace/server'
import type { Engine } from '@millrace/core/driver'
import { once } from 'node:events'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Measured, Work } from '../work.ts'

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

async function engineOf({ url, folder }: Work): Promise<Engine> {
  if (url === undefined) return (await import('@millrace/sqlite')).sqlite(join(folder, 'bench.db'))
  if (url.startsWith('redis')) return (await import('@millrace/redis')).redis(url)
  return (await import('@millrace/postgres')).postgres(url)
}
