import { createMillrace } from '@millrace/core'
import { postgres } from '@millrace/postgres'
import type { Work } from '../work.ts'
import { type Figures, measureMillrace } from './millrace-work.ts'

/** Millrace on a real PostgreSQL with the product's defaults: envelope, validation, dedupe, order by key, fenced settle. */
export async function run(work: Work): Promise<Figures> {
  const engine = postgres({ url: work.url ?? '', schema: work.space ?? 'millrace' })
  const millrace = createMillrace({ name: 'bench', engine })
  await millrace.start()
  return measureMillrace(millrace, work)
}
