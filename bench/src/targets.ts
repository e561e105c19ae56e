import type { Line } from './report.ts'

/** What a scenario is to reach on an engine. */
export interface Target {
  readonly atLeast?: number
  readonly atMost?: number
  readonly p99AtMost?: number
  /** Least ratio by the peer's name, as it begins. */
  readonly ratios?: Readonly<Record<string, number>>
  readonly ofLimit?: number
}

/** The targets by `engine/scenario`, as the design of the product's performance gives them. */
export const targets: Readonly<Record<string, Target>> = {
  'sqlite/publish': { atLeast: 70_000, ratios: { 'bullmq@': 3.5 } },
  'redis/publish': { atLeast: 75_000, ratios: { 'bullmq@': 3.5 }, ofLimit: 0.7 },
  'postgres/publish': { atLeast: 25_000, ratios: { 'graphile-worker@': 15, 'pg-boss@': 8 }, ofLimit: 0.7 },
  'sqlite/consume': { atLeast: 100_000, ratios: { 'bullmq@': 4 } },
  'redis/consume': { atLeast: 70_000, ratios: { 'bullmq@': 4 }, ofLimit: 0.7 },
  'postgres/consume': { atLeast: 80_000, ratios: { 'graphile-worker@': 2.5, 'bullmq@': 4 }, ofLimit: 0.7 },
  'sqlite/tasks-process': { atLeast: 40_000, ratios: { 'bullmq@': 3 } },
  'redis/tasks-enqueue': { ratios: { 'bullmq@': 2.5 } },
  'redis/tasks-process': { ratios: { 'bullmq@': 2.5 } },
  'postgres/tasks-enqueue': { ratios: { 'graphile-worker@': 10 } },
  'postgres/tasks-process': { ratios: { 'graphile-worker@': 1.3 } },
  'sqlite/tasks-delayed': { atLeast: 0.9 },
  'redis/tasks-delayed': { atLeast: 0.9 },
  'postgres/tasks-delayed': { atLeast: 0.9 },
  'sqlite/tasks-schedules': { atMost: 1 },
  'redis/tasks-schedules': { atMost: 1 },
  'postgres/tasks-schedules': { atMost: 1 },
  'sqlite/tasks-supervisor': { atMost: 15 },
  'redis/tasks-supervisor': { atMost: 15 },
  'postgres/tasks-supervisor': { atMost: 15 },
  'sqlite/tasks-supervisor-busy': { atLeast: 80 },
  'redis/tasks-supervisor-busy': { atLeast: 80 },
  'postgres/tasks-supervisor-busy': { atLeast: 80 },
  'sqlite/tasks-supervisor-kill': { atMost: 10 },
  'redis/tasks-supervisor-kill': { atMost: 10 },
  'postgres/tasks-supervisor-kill': { atMost: 10 },
  'sqlite/roundtrip': { atLeast: 45_000 },
  'redis/roundtrip': { atLeast: 35_000 },
  'postgres/roundtrip': { atLeast: 25_000 },
  'sqlite/latency': { atMost: 1, p99AtMost: 5 },
  'redis/latency': { atMost: 1, p99AtMost: 5, ratios: { 'bullmq@': 1 / 3 } },
  'postgres/latency': { atMost: 2, p99AtMost: 10 },
  'sqlite/ingest': { atLeast: 20_000, p99AtMost: 100 },
  'redis/ingest': { atLeast: 20_000, p99AtMost: 100 },
  'postgres/ingest': { p99AtMost: 100 },
  'sqlite/memory': { atMost: 128 },
  'redis/memory': { atMost: 128 },
  'postgres/memory': { atMost: 128 },
  'sqlite/growth-publish': { atLeast: 0.7 },
  'sqlite/growth-consume': { atLeast: 0.9 },
  'redis/idle': { atMost: 60 },
  'postgres/idle': { atMost: 60 },
}

/** What is missing from a scenario's lines, in words; empty where the target is reached. */
export function missing(target: Target, lines: readonly Line[]): readonly string[] {
  const [first] = lines
  if (first === undefined) return []
  const { ours, p99, ofLimit } = first
  const peers = Object.entries(target.ratios ?? {}).flatMap(([name, least]) => {
    const leastOfPeer = lines.filter(({ peer }) => peer?.startsWith(name)).map(({ ratio }) => ratio ?? 0)
    const worst = Math.min(...leastOfPeer)
    return worst < least ? [`ratio to ${name.slice(0, -1)} ${worst.toFixed(1)} of ${least.toFixed(1)}`] : []
  })
  return [
    ...(target.atLeast !== undefined && ours < target.atLeast ? [`${percent(1 - ours / target.atLeast)} short`] : []),
    ...(target.atMost !== undefined && ours > target.atMost ? [`${percent(ours / target.atMost - 1)} over`] : []),
    ...(target.p99AtMost !== undefined && p99 !== undefined && p99 > target.p99AtMost ? ['p99 too high'] : []),
    ...peers,
    ...(target.ofLimit !== undefined && (ofLimit ?? 1) < target.ofLimit
      ? [`${(ofLimit ?? 0).toFixed(2)} of the bare client instead of ${target.ofLimit}`]
      : []),
  ]
}

function percent(share: number): string {
  return `${Math.ceil(share * 100)} %`
}
