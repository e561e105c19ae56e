import { defineTask, type Millrace, type TaskDefinition } from '@millrace/core'
import { z } from 'zod'
import { extrasOf, type JobExtras } from '../job-extras.ts'
import { orderOf, type Order } from '../order.ts'
import { callsPerSecond, countdown, idleCommands, latencies, percentile, type Work } from '../work.ts'

const SETTLING_MS = 3_000

/** An order as a task: checked; nothing is kept of what is done, as with the peers. */
const ProcessOrder: TaskDefinition<'order.process', Order, Order, unknown, unknown> = defineTask('order.process', {
  input: z.object({
    orderId: z.string(),
    customer: z.string(),
    total: z.number(),
    currency: z.string(),
    placedAt: z.string(),
    items: z.array(z.object({ sku: z.string(), quantity: z.number(), price: z.number() })),
  }),
  keep: { count: 0 },
})

const CONCURRENCY = 100
const PRIORITIES = ['high', 'normal', 'low'] as const

/** Does the work with tasks on a backbone that has started. */
export async function measureTasks(
  millrace: Millrace,
  work: Work,
): Promise<{ readonly value: number; readonly p99?: number; readonly note?: string }> {
  if (work.what === 'publish') return { value: await enqueue(millrace, work) }
  if (work.what === 'fill' || work.what === 'fill-later') return { value: await fill(millrace, work) }
  if (work.what === 'consume') return { value: await consume(millrace, work.count) }
  if (work.what === 'schedules') return schedules(millrace, work)
  if (work.what === 'idle') {
    await millrace.work(ProcessOrder, async () => undefined)
    return idleCommands(work)
  }
  return latency(millrace, work.count)
}

function enqueue(millrace: Millrace, { count, inFlight }: Work): Promise<number> {
  return callsPerSecond(count, inFlight, (n) =>
    millrace.enqueue(ProcessOrder, orderOf(n), optionsOf(extrasOf(n, true))),
  )
}

/** Single calls that go together: each has options of its own. */
async function fill(millrace: Millrace, { what, count }: Work): Promise<number> {
  const delay = what === 'fill-later' ? { delay: 24 * 3_600_000 } : {}
  return callsPerSecond(count, 2_000, (n) =>
    millrace.enqueue(ProcessOrder, orderOf(n), { ...optionsOf(extrasOf(n, false)), ...delay }),
  )
}

async function consume(millrace: Millrace, count: number): Promise<number> {
  const counter = countdown(count)
  let first = 0
  await millrace.work(
    ProcessOrder,
    async () => {
      if (first === 0) first = performance.now()
      await undefined
      counter.tick()
    },
    { concurrency: CONCURRENCY },
  )
  await counter.done
  return (count / (performance.now() - first)) * 1_000
}

async function latency(millrace: Millrace, count: number): Promise<{ readonly value: number; readonly p99: number }> {
  let arrived: () => void = () => {}
  await millrace.work(ProcessOrder, async () => {
    await undefined
    arrived()
  })
  const values = await latencies(count, async (n) => {
    const arrival = new Promise<void>((resolve) => (arrived = resolve))
    await millrace.enqueue(ProcessOrder, orderOf(n), optionsOf(extrasOf(n, false)))
    await arrival
  })
  return { value: percentile(values, 0.5), p99: percentile(values, 0.99) }
}

/** `inFlight` schedules that are due tomorrow, and the share of a core that the process spends while nothing is. */
async function schedules(millrace: Millrace, { count, inFlight }: Work): Promise<{ readonly value: number }> {
  const from = new Date(Date.now() + 24 * 3_600_000)
  await callsPerSecond(inFlight, 100, (n) =>
    millrace.schedules.put(
      `schedule-${n}`,
      { cron: `${n % 60} ${n % 24} * * *`, timeZone: 'Europe/Berlin' },
      { task: ProcessOrder, input: orderOf(n), starts: from },
    ),
  )
  await millrace.work(ProcessOrder, async () => undefined)
  await new Promise((resolve) => setTimeout(resolve, SETTLING_MS))
  const before = process.cpuUsage()
  await new Promise((resolve) => setTimeout(resolve, count * 1_000))
  const { user, system } = process.cpuUsage(before)
  return { value: ((user + system) / 1_000_000 / count) * 100 }
}

function optionsOf({ urgency, dedupe, delayMs }: JobExtras): {
  readonly priority: 'high' | 'normal' | 'low'
  readonly dedupe: string
  readonly delay: number
} {
  return { priority: PRIORITIES[urgency], dedupe, delay: delayMs }
}
