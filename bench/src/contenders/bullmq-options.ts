import type { JobsOptions } from 'bullmq'
import type { JobExtras } from '../job-extras.ts'

/** The extras in the words of BullMQ; its priorities begin with 1. */
export function jobOptions(extras: JobExtras | undefined): JobsOptions {
  if (extras === undefined) return {}
  const { urgency, dedupe, delayMs } = extras
  return { priority: urgency + 1, deduplication: { id: dedupe }, ...(delayMs === 0 ? {} : { delay: delayMs }) }
}
