// A publisher and subscriber of the crash proof: writes down what it does before and after, until somebody kills it.
import { createInterface } from 'node:readline'
import { complaintsOf } from './complaints.ts'
import { crashEngine } from './crash-engine.ts'
import { openHistory } from './history-file.ts'
import { createMember } from './member.ts'
import { createPoints, withPoints } from './points.ts'

export interface WorkerSetup {
  readonly name: string
  /** The URL of the engine. */
  readonly engine: string
  readonly histories: string
  readonly leaseMs: number
  readonly seed: number
  /** What events with a lower `n` died of is repaired in this worker. */
  readonly repairedBefore: number
  readonly point: string | undefined
  readonly pointCount: number
  /** Milliseconds between two publishes; 0 for a worker that only subscribes. */
  readonly publishEveryMs: number
  /** The groups that it joins. */
  readonly groups: readonly string[]
  /** `n` of the event that ends the process which handles it, if there is one. */
  readonly poison: number | undefined
}

const setup = JSON.parse(process.env['CRASH_WORKER'] ?? '') as WorkerSetup
const history = openHistory(setup.histories, setup.name)
const points = createPoints(setup.point, setup.pointCount)
let healed = false
let publishing = setup.publishEveryMs > 0
let resting = false
let published = setup.seed

history.record({ kind: 'process', phase: 'start' })
const member = createMember({
  engine: withPoints(await crashEngine(setup.engine), points),
  record: history.record,
  leaseMs: setup.leaseMs,
  groups: setup.groups,
  points,
  repairedBefore: setup.repairedBefore,
  onHandle(n) {
    if (n === setup.poison && !healed) process.kill(process.pid, 'SIGKILL')
  },
  onError: complaintsOf(setup.name),
})
await member.join()
process.stdout.write('ready\n')
createInterface({ input: process.stdin }).on('line', (line) => {
  if (line === 'quiet') publishing = false
  else if (line === 'rest' || line === 'go on') resting = line === 'rest'
  else if (line === 'healed') {
    healed = true
    member.heal()
  }
})
process.once('SIGTERM', () => {
  publishing = false
  history.record({ kind: 'process', phase: 'stop' })
  member.close({ timeoutMs: 10_000 }).then(
    () => process.exit(0),
    () => process.exit(3),
  )
})
publishNext()

function publishNext(): void {
  setTimeout(() => {
    if (!publishing) return
    for (let burst = resting ? 0 : published % 10 === 0 ? 5 : 1; burst > 0; burst -= 1)
      void member.publish((published += 1))
    publishNext()
  }, setup.publishEveryMs)
}
