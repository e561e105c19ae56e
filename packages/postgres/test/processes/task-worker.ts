import { writeSync } from 'node:fs'
import { taskStoresOf } from '@millrace/core/testing'
import { postgres } from '../../src/index.ts'
import { loggingRuntime } from '../driver.ts'
import { workAll } from '../new-tasks.ts'

/** Works on the queue `q` until nothing is left, and says which tasks it has finished. */
const [url = '', schema = '', worker = ''] = process.argv.slice(2)
const driver = postgres({ url, schema }).open(loggingRuntime())
await driver.transport.connect()
writeSync(1, 'ready\n')
const finished = await workAll(taskStoresOf(driver), { worker, limit: 7 })
writeSync(1, `${finished.join('\n')}\n`)
await driver.transport.close()
