// Moves a queue, and kills itself at a step (a command to Redis, or a delivery to the engine) if one is given:
// node bridge-process.ts REDIS_URL QUEUE SQLITE_FILE [STEP before|during|after]
import type { Engine } from '@millrace/core/driver'
import { sqlite } from '@millrace/sqlite'
import { Redis } from 'ioredis'
import { importBullmq } from '../src/index.ts'
import { delivering } from './delivering.ts'

const [url = '', queue = '', file = '', lastStep = '0', when = ''] = process.argv.slice(2)
const redis = new Redis(url)
let steps = 0

async function step<Value>(run: () => Promise<Value>): Promise<Value> {
  steps += 1
  const isLast = steps === Number(lastStep)
  if (isLast && when === 'before') die()
  const running = run()
  if (isLast && when === 'during') process.nextTick(die)
  const value = await running
  if (isLast) die()
  return value
}

function die(): void {
  process.kill(process.pid, 'SIGKILL')
}

const engine: Engine = delivering(sqlite(file), step)
const client = { call: (command: string, ...args: string[]) => step(() => redis.call(command, ...args)) }
const report = await importBullmq({ redis: client, queue, engine, toQueue: 'emails', batch: 50 })
redis.disconnect()
process.stdout.write(`${JSON.stringify(report)}\n`)
