// A process that adds tasks and works on them: writes down what it does before and after, until somebody kills it.
import { createInterface } from 'node:readline'
import { complaintsOf } from '../complaints.ts'
import { crashEngine } from '../crash-engine.ts'
import { openHistory } from '../history-file.ts'
import { createPoints } from '../points.ts'
import type { WorkerSetup } from '../worker.ts'
import { createTaskMember } from './member.ts'
import { withTaskPoints } from './task-points.ts'

const setup = JSON.parse(process.env['CRASH_WORKER'] ?? '') as WorkerSetup
const { name, poison } = setup
const history = openHistory(setup.histories, name)
const points = createPoints(setup.point, setup.pointCount)
let adding = setup.publishEveryMs > 0
let added = setup.seed

history.record({ kind: 'process', phase: 'start' })
const member = createTaskMember({
  name,
  engine: withTaskPoints(await crashEngine(setup.engine), points),
  record: history.record,
  leaseMs: setup.leaseMs,
  points,
  onHandle(n) {
    if (n === poison) process.kill(process.pid, 'SIGKILL')
  },
  onError: complaintsOf(name),
  schedules: adding,
})
await member.join()
process.stdout.write('ready\n')
createInterface({ input: process.stdin }).on('line', (line) => {
  if (line === 'quiet') adding = false
})
process.once('SIGTERM', () => {
  adding = false
  history.record({ kind: 'process', phase: 'stop' })
  member.close({ timeoutMs: 10_000 }).then(
    () => process.exit(0),
    () => process.exit(3),
  )
})
addNext()

function addNext(): void {
  setTimeout(() => {
    if (!adding) return
    void member.add((added += 1))
    addNext()
  }, setup.publishEveryMs)
}
