import { createMillrace } from '@millrace/core'
import type { Engine, OutboxStore, Transport } from '@millrace/core/driver'
import { writeSync } from 'node:fs'
import { postgres } from '../../src/index.ts'

/**
 * Forwards the outbox until it is killed: from outside, or by itself, `before-publish:n` or `before-settle:n`, the n-th time that it comes
 * by with rows.
 */
const [url = '', schema = '', point = ''] = process.argv.slice(2)
const [name, count = '0'] = point.split(':')
let left = Number(count)

function pass(here: string): void {
  if (here !== name) return
  left -= 1
  if (left === 0) process.kill(process.pid, 'SIGKILL')
}

function mortal(engine: Engine): Engine {
  return {
    name: engine.name,
    open(runtime) {
      const driver = engine.open(runtime)
      const publish: Transport['publish'] = (records, options) => {
        pass('before-publish')
        return driver.transport.publish(records, options)
      }
      const settle: OutboxStore['settle'] = async (changes) => {
        pass('before-settle')
        return (driver.stores.outbox as OutboxStore).settle(changes)
      }
      const outbox = { ...(driver.stores.outbox as OutboxStore), settle }
      const transport = Object.create(driver.transport, { publish: { value: publish } }) as Transport
      return { ...driver, transport, stores: { ...driver.stores, outbox } }
    },
  }
}

const millrace = createMillrace({
  engine: mortal(postgres({ url, schema })),
  topics: { step: { partitions: 4 } },
  leaseMs: 1_500,
  onError: () => {},
})
await millrace.start()
writeSync(1, 'ready\n')
setInterval(() => {}, 60_000)
