import { createMillrace } from '@millrace/core'
import { redis } from '@millrace/redis'
import type { Work } from '../work.ts'
import { type Figures, measureMillrace } from './millrace-work.ts'

/** Millrace on a real Redis with the product's defaults: envelope, validation, dedupe, order by key, fenced settle. */
export async function run(work: Work): Promise<Figures> {
  const engine = redis({ url: work.url ?? '', prefix: `${work.space ?? 'millrace'}:` })
  const millrace = createMillrace({ name: 'bench', engine })
  await millrace.start()
  return measureMillrace(millrace, work)
}
