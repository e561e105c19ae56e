import { createHash } from 'node:crypto'
import type { BullJob } from './job.ts'

const LONGEST_BYTES = 256

/**
 * The id of the task that a job becomes: the same whenever the job is looked at, so that it is added once. The digest tells jobs
 * apart that had the same id one after the other, or on two servers.
 */
export function taskIdOf(queue: string, { id, name, data, timestamp }: BullJob): string {
  const digest = createHash('sha256')
    .update(JSON.stringify([timestamp, name, data]))
    .digest('hex')
    .slice(0, 12)
  const readable = `bullmq:${queue}:${id}:${digest}`
  if (Buffer.byteLength(readable) <= LONGEST_BYTES) return readable
  return `bullmq:${createHash('sha256').update(readable).digest('hex')}`
}
