// A worker process of the scenario `tasks-supervisor`: it obeys its supervisor, and notes what its handlers did.
import { createMillrace } from '@millrace/core'
import { supervised } from '@millrace/worker'
import type { Work } from '../work.ts'
import { engineOf } from './engine-of.ts'
import { tallyOf } from './tally.ts'
import { sharedNow, WaitForOthers } from './wait-task.ts'

const work = JSON.parse(process.argv[2] ?? '{}') as Work
const tally = tallyOf(work.folder)
const millrace = createMillrace({ name: 'bench', engine: await engineOf(work) })
const worker = await millrace.work(WaitForOthers, async ({ n, ms }) => {
  const from = sharedNow()
  tally.begin(n, from)
  await new Promise((resolve) => setTimeout(resolve, ms))
  tally.end(n, from, sharedNow())
})
supervised([worker], { close: () => millrace.close() })
