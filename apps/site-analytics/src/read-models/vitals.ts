import type { Origin } from '../events.ts'
import type { Database } from './database.ts'
import { hourOf } from './time.ts'

/** Largest contentful paint and interaction to next paint in milliseconds, cumulative layout shift as a score. */
export type Vital = 'lcp' | 'cls' | 'inp'

/** A layout shift is a small fraction; counted in thousandths it shares the scale of milliseconds. */
const CLS_SCALE = 1_000
/** Buckets of 10 % each: quantiles are right to within that. */
const GROWTH = Math.log(1.1)

/** Adds a measurement to the histogram of its hour. */
export function countVital(
  database: Database,
  metric: Vital,
  { origin, at, value }: { origin: Origin; at: number; value: number },
): void {
  database
    .prepare(
      `INSERT INTO vitals (origin, hour, metric, bucket, count) VALUES (?, ?, ?, ?, 1)
       ON CONFLICT (origin, hour, metric, bucket) DO UPDATE SET count = count + 1`,
    )
    .run(origin, hourOf(at), metric, bucketOf(metric === 'cls' ? value * CLS_SCALE : value))
}

/** The value below which three of four measurements lie, or undefined when there is none. */
export function thirdQuartile(
  metric: Vital,
  buckets: readonly { readonly bucket: number; readonly count: number }[],
): number | undefined {
  const total = buckets.reduce((sum, { count }) => sum + count, 0)
  let seen = 0
  for (const { bucket, count } of [...buckets].sort((a, b) => a.bucket - b.bucket)) {
    seen += count
    if (seen * 4 >= total * 3) return metric === 'cls' ? valueOf(bucket) / CLS_SCALE : valueOf(bucket)
  }
  return undefined
}

function bucketOf(value: number): number {
  return value < 1 ? 0 : 1 + Math.floor(Math.log(value) / GROWTH)
}

function valueOf(bucket: number): number {
  return bucket === 0 ? 0 : Math.exp((bucket - 0.5) * GROWTH)
}
