// A worker process as a supervisor sees it: what it says of its load comes from a file, what it is told goes into another.
import { appendFileSync, readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { supervised, type SupervisedWorker } from '../../src/index.ts'

const folder = process.env['TEST_FOLDER'] ?? ''
const note = (line: string): void => appendFileSync(`${folder}/notes`, `${process.pid} ${line}\n`)

let concurrency = 1
const worker: SupervisedWorker = {
  get status() {
    const said = JSON.parse(readFileSync(`${folder}/load`, 'utf8')) as {
      utilisation: number
      queueWaitMs: number
      buffered: number
    }
    return { ...said, concurrency, done: 0, failed: 0, tookMs: 0 }
  },
  setConcurrency(wanted) {
    concurrency = wanted
    note(`concurrency ${wanted}`)
  },
  async stop() {
    note('stopping')
    await pause(50)
    note('stopped')
  },
}

if (process.argv.includes('deaf')) process.on('SIGTERM', () => note('does not listen'))
else supervised([worker], { everyMs: 20, close: () => note('closed') })
note('started')
if (process.argv.includes('dies')) process.exit(7)
setInterval(() => {}, 1_000)
