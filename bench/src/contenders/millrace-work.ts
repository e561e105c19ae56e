import type { Millrace } from '@millrace/core'
import { orderOf } from '../order.ts'
import { OrderPlaced } from '../payload.ts'
import { measureTasks } from './millrace-tasks.ts'
import { callsPerSecond, countdown, idleCommands, latencies, percentile, type Measured, type Work } from '../work.ts'

/** What a contender gives beside the engine's name. */
export type Figures = Omit<Measured, 'engine' | 'engineVersion' | 'durability'> & Partial<Measured>

/** Does the work on a backbone that has started, closes it, and tells the engine with the figures. */
export async function measureMillrace(millrace: Millrace, work: Work): Promise<Figures> {
  const { engine, engineVersion, durability } = millrace.capabilities
  const result = await (work.asTasks === true ? measureTasks(millrace, work) : measure(millrace, work))
  await millrace.close()
  return { ...result, engine, engineVersion, durability }
}

async function measure(
  millrace: Millrace,
  work: Work,
): Promise<{ readonly value: number; readonly p99?: number; readonly note?: string }> {
  if (work.what === 'publish') return { value: await publish(millrace, work) }
  if (work.what === 'fill') return { value: await fill(millrace, work.count) }
  if (work.what === 'consume') return { value: await consume(millrace, work.count) }
  if (work.what === 'drain') return { value: await drain(millrace, work.count) }
  if (work.what === 'roundtrip') return { value: await roundtrip(millrace, work) }
  if (work.what === 'idle') return idle(millrace, work)
  return latency(millrace, work.count)
}

function publish(millrace: Millrace, { count, inFlight }: Work): Promise<number> {
  return callsPerSecond(count, inFlight, (n) => millrace.publish(OrderPlaced, orderOf(n)))
}

async function fill(millrace: Millrace, count: number): Promise<number> {
  const batches = Math.ceil(count / 500)
  const batchesPerSecond = await callsPerSecond(batches, 4, (batch) => {
    const size = Math.min(500, count - batch * 500)
    return millrace.publishBatch(Array.from({ length: size }, (_, at) => OrderPlaced.create(orderOf(batch * 500 + at))))
  })
  return (batchesPerSecond / batches) * count
}

async function consume(millrace: Millrace, count: number): Promise<number> {
  const counter = countdown(count)
  // From the first event on, for the peers too: what a start takes would count the more, the fewer events there are.
  let first = 0
  await millrace.subscribe(
    OrderPlaced,
    async () => {
      if (first === 0) first = performance.now()
      await undefined
      counter.tick()
    },
    { group: `consume-${process.pid}`, from: 'earliest' },
  )
  await counter.done
  return (count / (performance.now() - first)) * 1_000
}

/** The most memory that a worker has while it works off a backlog, in MiB. */
async function drain(millrace: Millrace, count: number): Promise<number> {
  await consume(millrace, count)
  return process.resourceUsage().maxRSS / 1_024
}

async function roundtrip(millrace: Millrace, work: Work): Promise<number> {
  const counter = countdown(work.count)
  await millrace.subscribe(
    OrderPlaced,
    async () => {
      await undefined
      counter.tick()
    },
    { group: 'roundtrip' },
  )
  const started = performance.now()
  await publish(millrace, work)
  await counter.done
  return (work.count / (performance.now() - started)) * 1_000
}

/** One subscription to which nothing comes. */
async function idle(millrace: Millrace, work: Work): ReturnType<typeof idleCommands> {
  await millrace.subscribe(OrderPlaced, async () => undefined, { group: 'idle' })
  return idleCommands(work)
}

async function latency(millrace: Millrace, count: number): Promise<{ readonly value: number; readonly p99: number }> {
  let arrived: () => void = () => {}
  await millrace.subscribe(
    OrderPlaced,
    async () => {
      await undefined
      arrived()
    },
    { group: 'latency' },
  )
  const values = await latencies(count, async (n) => {
    const arrival = new Promise<void>((resolve) => (arrived = resolve))
    await millrace.publish(OrderPlaced, orderOf(n))
    await arrival
  })
  return { value: percentile(values, 0.5), p99: percentile(values, 0.99) }
}
