import { writeSync } from 'node:fs'
import { systemRuntime } from '../../../core/src/runtime/system-runtime.ts'
import { sqlite } from '../../src/index.ts'
import { record } from './plain-record.ts'

/** Publishes a few events one after the other and says so at once, by a system call that a trace shows. */
const [path = '', synchronous = 'full'] = process.argv.slice(2)
const driver = sqlite({ path, synchronous: synchronous === 'full' ? 'full' : 'normal' }).open(systemRuntime())
await driver.transport.connect()
await driver.transport.ensureTopic('order', { partitions: 4 })
writeSync(1, 'MARK begin\n')
for (let n = 0; n < 5; n++) {
  const [outcome] = await driver.transport.publish([record(n)])
  writeSync(1, `MARK ${outcome?.outcome}\n`)
}
await driver.transport.close()
