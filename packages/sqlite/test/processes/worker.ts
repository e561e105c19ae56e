import { createInterface } from 'node:readline'
import { systemRuntime } from '../../../core/src/runtime/system-runtime.ts'
import { sqlite, type SqliteOptions } from '../../src/index.ts'
import { record } from './plain-record.ts'

/**
 * A process with one driver that does what it is told, line by line, and answers each with one line:
 * `publish FROM TO`, `watch` (writes `watching`, then the id of the next event), `try` (the error code of a publish),
 * `list`, `close`.
 */
const options = JSON.parse(process.argv[2] ?? '{}') as SqliteOptions
const uid = Number(process.env['TEST_UID'] ?? 0)
if (uid > 0) process.setuid?.(uid)
const say = (text: string): void => void process.stdout.write(`${text}\n`)
const driver = sqlite(options).open(systemRuntime())
try {
  await driver.transport.connect()
  await driver.transport.ensureTopic('order', { partitions: 4 })
  say('ready')
} catch (error) {
  say(codeOf(error))
}

for await (const line of createInterface({ input: process.stdin })) {
  const [command, first = '0', last = first] = line.split(' ')
  if (command === 'publish') await publish(Number(first), Number(last))
  else if (command === 'watch') await watch()
  else if (command === 'list') say(JSON.stringify(await driver.transport.list()))
  else if (command === 'close') break
}
await driver.transport.close()
say('closed')
process.exit(0)

async function publish(from: number, to: number): Promise<void> {
  const batch = Array.from({ length: to - from + 1 }, (_, index) => record(from + index))
  const outcomes = await driver.transport.publish(batch)
  say(outcomes.map((each) => ('error' in each ? `${each.outcome}:${codeOf(each.error)}` : each.outcome)).join(' '))
}

async function watch(): Promise<void> {
  const heads = await driver.transport.read({ topic: 'order', limit: 1_000 })
  const partitions = [0, 1, 2, 3].map((partition) => ({
    partition,
    token: 0,
    after: heads.findLast((each) => each.partition === partition)?.position,
  }))
  const consumer = driver.transport.consume({ topic: 'order', group: 'none', partitions })
  const fetching = consumer.fetch({ max: 10 })
  await driver.transport.list()
  say('watching')
  say((await fetching).map(({ id }) => id).join(' '))
  await consumer.close()
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}
