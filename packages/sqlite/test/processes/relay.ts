import { createMillrace } from '@millrace/core'
import { writeSync } from 'node:fs'
import { sqlite } from '../../src/index.ts'

/** Forwards the outbox of one file into the log of another until it is killed. */
const [store = '', broker = ''] = process.argv.slice(2)
const millrace = createMillrace({
  transport: sqlite(broker),
  store: sqlite(store),
  topics: { step: { partitions: 4 } },
  leaseMs: 1_500,
  onError: () => {},
})
await millrace.start()
writeSync(1, 'ready\n')
setInterval(() => {}, 60_000)
