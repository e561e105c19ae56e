import { writeSync } from 'node:fs'
import { sqlite } from '../../../sqlite/src/index.ts'
import { createMillrace } from '../../src/index.ts'
import { until } from '../until.ts'
import { OrderPlaced } from './order-placed.ts'

// Handles what is in the file and ends; one event ends it in the way that is named.
const [file = '', how = ''] = process.argv.slice(2)
const deaths: Readonly<Record<string, () => unknown>> = {
  exits: () => process.exit(7),
  'throws in a timer': () =>
    setTimeout(() => {
      throw new Error('from a timer')
    }),
  'rejects without await': () => void Promise.reject(new Error('nobody waits')),
}

const millrace = createMillrace({ engine: sqlite(file), leaseMs: 300, onError: () => {} })
await millrace.subscribe(
  OrderPlaced,
  ({ data }) => {
    if (data.n === 2) {
      deaths[how]?.()
      return new Promise(() => {})
    }
    writeSync(1, `${data.n}\n`)
    return undefined
  },
  { group: 'deadly', from: 'earliest' },
)
await until(async () => (await millrace.groups())[0]?.lag === 0)
await millrace.close()
