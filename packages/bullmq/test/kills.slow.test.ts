import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { createMillrace, defineTask } from '@millrace/core'
import { createRandom, type Random, waitFor } from '@millrace/core/testing'
import { sqlite } from '@millrace/sqlite'
import type { BulkJobOptions, Queue } from 'bullmq'
import { available, type EngineServer, startRedis } from 'engines'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { ImportReport } from '../src/index.ts'
import { atEnd, LIBRARIES, newName, openQueue, openRedis, openWorker, type Library } from './queues.ts'

const JOBS = 5_000
const KILLS = 8
const SCRIPT = fileURLToPath(new URL('bridge-process.ts', import.meta.url))

const Count = defineTask('count', { input: z.object({ n: z.number() }), queue: 'emails' })

describe.runIf(await available('redis-server')).each(LIBRARIES)('%s', (label, library) => {
  let server: EngineServer
  beforeAll(async () => {
    server = await startRedis({ own: true })
  })
  afterAll(() => server.stop())

  test(`${JOBS} jobs, a worker there, a worker here, the bridge killed again and again: each is run once`, async () => {
    const seed = Math.floor(Math.random() * 2 ** 31)
    const random = createRandom(seed)
    const folder = await mkdtemp(join(tmpdir(), 'millrace-bridge-'))
    atEnd(() => rm(folder, { recursive: true, force: true }))
    const file = join(folder, 'tasks.db')
    const name = newName()
    await fill(openQueue(library, server.url, name), random)
    const there = runThere(library, server.url, name)
    const here = await runHere(server.url, name, file)
    const bridge = (...kill: readonly string[]): ChildProcess =>
      spawn(process.execPath, ['--conditions=millrace-source', SCRIPT, server.url, name, file, ...kill], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })

    let killed = 0
    for (let at = 0; at < KILLS; at += 1) {
      const step = random.between(8, 40)
      const dying = bridge(String(step), random.pick(['before', 'during', 'after']))
      await once(dying, 'exit')
      if (dying.signalCode === 'SIGKILL') killed += 1
    }
    const last = await outcomeOf(bridge())
    const ran = openRedis(server.url)
    await waitFor(async () => (await ran.llen(`ran:${name}`)) >= JOBS, {
      timeoutMs: 700_000,
      what: 'all jobs to be run',
    })
    await Promise.all([there.close(), here.close()])

    const runs = await ran.lrange(`ran:${name}`, 0, -1)
    const sides = Object.groupBy(runs, (run) => run.split(' ')[0] ?? '')
    const story = `seed ${seed}, ${killed} kills, ${sides['there']?.length} run there, ${sides['here']?.length} here, ${last.resumed} resumed at last`
    process.stdout.write(`${label}: ${story}\n`)
    const numbers = runs.map((run) => Number(run.split(' ')[1])).toSorted((a, b) => a - b)
    const all = Array.from({ length: JOBS }, (_, n) => n)
    expect({ story, numbers }).toEqual({ story, numbers: all })
    expect(killed).toBeGreaterThan(KILLS / 2)
    expect(sides['there']?.length).toBeGreaterThan(0)
    expect(sides['here']?.length).toBeGreaterThan(0)
    expect(last.refused).toEqual([])
  }, 900_000)
})

/** Jobs of every kind that can be moved. */
async function fill(queue: Queue, random: Random): Promise<void> {
  for (let from = 0; from < JOBS; from += 1_000) {
    const jobs = Array.from({ length: 1_000 }, (_, at) => ({
      name: 'count',
      data: { n: from + at },
      opts: optionsOf(from + at, random),
    }))
    await queue.addBulk(jobs)
  }
}

function optionsOf(n: number, random: Random): BulkJobOptions {
  const base = { removeOnComplete: n % 2 === 0, attempts: 3 }
  switch (n % 8) {
    case 0:
      return { ...base, priority: 1 + Math.floor(random.next() * 20) }
    case 1:
      return { ...base, delay: Math.floor(random.next() * 20_000) }
    case 2:
      return { ...base, jobId: `own-${n}` }
    case 3:
      return { ...base, lifo: true }
    case 4:
      return { ...base, deduplication: { id: `key-${n}` } }
    case 5:
      return { ...base, delay: 5_000, priority: 3 }
    default:
      return base
  }
}

/** A worker of BullMQ that takes its time, so that the bridge has something to move. */
function runThere(library: Library, url: string, name: string): { close(): Promise<void> } {
  const redis = openRedis(url)
  const limiter = { max: 5, duration: 100 }
  const worker = openWorker(library, { url, name, concurrency: 4, limiter }, async (job) => {
    await redis.rpush(`ran:${name}`, `there ${(job.data as { readonly n: number }).n}`)
  })
  worker.on('error', () => undefined)
  return worker
}

async function runHere(url: string, name: string, file: string): Promise<{ close(): Promise<void> }> {
  const redis = openRedis(url)
  const millrace = createMillrace({ engine: sqlite(file) })
  await millrace.work(Count, async ({ n }) => void (await redis.rpush(`ran:${name}`, `here ${n}`)), { concurrency: 50 })
  return millrace
}

async function outcomeOf(bridge: ChildProcess): Promise<ImportReport> {
  let last = ''
  if (bridge.stdout === null) throw new Error('The bridge has no output.')
  for await (const line of createInterface({ input: bridge.stdout })) last = line
  return JSON.parse(last) as ImportReport
}
