import { createMillrace } from '@millrace/core'
import { sqlite } from '@millrace/sqlite'
import { join } from 'node:path'
import type { Work } from '../work.ts'
import { type Figures, measureMillrace } from './millrace-work.ts'

/** Millrace on a SQLite file with the product's defaults: FULL, envelope, validation, order by key, fenced settle. */
export async function run(work: Work): Promise<Figures> {
  const millrace = createMillrace({
    name: 'bench',
    engine: sqlite(join(work.folder, `${work.space ?? 'millrace'}.db`)),
  })
  await millrace.start()
  return measureMillrace(millrace, work)
}
