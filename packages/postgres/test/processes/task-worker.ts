import { writeSync } from 'node:fs'
import { taskStoresOf } from '@millrace/core/testing'
import { postgres } from '../../src/index.ts'
import { loggingRuntime } from '../driver.ts'
import { workAll } from '../new-tasks.ts'

/** Works on the queue `q` from when there is a queue `go` until nothing is left, and says which tasks it has finished. */
const [url = '', schema = '', worker = ''] = process.argv.slice(2)
const driver = postgres({ url, schema }).open(loggingRuntime())
await driver.transport.connect()
writeSync(1, 'ready\n')
const stores = taskStoresOf(driver)
while (!(await stores.taskAdmin.queues()).some(({ name }) => name === 'go'));
const finished = await workAll(stores, { worker, limit: 7 })
writeSync(1, `${finished.join('\n')}\n`)
await driver.transport.close()
