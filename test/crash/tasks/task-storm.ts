import { systemRuntime } from '@millrace/core'
import type { Driver, Engine } from '@millrace/core/driver'
import { memory } from '@millrace/core/memory'
import { checkTaskHistory, waitFor, type HistoryEntry, type TaskHistoryReport } from '@millrace/core/testing'
import { machineNow } from '../history-file.ts'
import { gatedEngine, type GatedEngine } from './gated-engine.ts'
import { drained, readFinalTasks } from './judge.ts'
import { createTaskMember, type TaskMember } from './member.ts'
import { rulesOf, SCHEDULES } from './tasks.ts'

const LEASE_MS = 500
const EVERY_MS = 8
/** Without an end of a task for this long none will come: longer than any delay and two leases. An engine without a bug is given more. */
const STUCK_MS = { planted: 4_000, sound: 60_000 }
/** Some of the bugs keep everybody from taking over. */
const TAKEOVER_MS = 10_000

/** A few members on one engine in memory, of which one dies and one stands still for longer than its lease; and what the checker says. */
export async function taskStorm(plant?: (engine: Engine) => Engine): Promise<TaskHistoryReport> {
  const shared = memory()
  const history: HistoryEntry[] = []
  const planted = plant?.(shared) ?? shared
  const first = await enter('first')
  const second = await enter('second')
  const doomed = await enter('doomed')
  const frozen = await enter('frozen')
  await lasting(700)
  await doomed.atWork()
  doomed.die()
  await frozen.atWork()
  const from = history.length
  frozen.gate.hold()
  const takenOver = (): boolean => isTakenOver(history, from)
  await waitFor(takenOver, { what: 'somebody to take over', timeoutMs: TAKEOVER_MS }).catch(() => undefined)
  await lasting(500)
  frozen.gate.open()
  await lasting(1_000)
  for (const each of [first, second, frozen]) each.rest()
  const { stores, transport } = await connected(shared)
  for (const name of Object.keys(SCHEDULES)) await stores.schedules?.remove(name)
  await drained({ stores, transport } as Driver, plant === undefined ? STUCK_MS.sound : STUCK_MS.planted)
  const final = await readFinalTasks({ stores, transport } as Driver)
  doomed.gate.bury()
  await Promise.all([first, second, doomed, frozen].map(({ member }) => member.close({ timeoutMs: 0 })))
  await transport.close()
  return checkTaskHistory(history, final, rulesOf(0))

  async function enter(name: string): Promise<{
    readonly member: TaskMember
    readonly gate: GatedEngine
    /** Resolves when its handlers have several tasks in hand. */
    atWork(): Promise<unknown>
    rest(): void
    die(): void
  }> {
    let running = 0
    let isDead = false
    let adding = true
    let n = (entered += 1) * 100_000
    const gate = gatedEngine(planted)
    const member = createTaskMember({
      name,
      engine: gate.engine,
      record(entry) {
        if (entry.kind === 'task-run') running += entry.phase === 'start' ? 1 : -1
        if (!isDead) history.push({ at: machineNow(), process: name, ...entry })
      },
      leaseMs: LEASE_MS,
      slower: 4,
      onError: () => undefined,
    })
    await member.join()
    const addNext = (): void => {
      setTimeout(() => {
        if (!adding) return
        void member.add((n += 1))
        addNext()
      }, EVERY_MS)
    }
    addNext()
    return {
      member,
      gate,
      atWork: () => waitFor(() => running > 3, { what: `${name} to have work in hand`, everyMs: 1 }),
      rest: () => void (adding = false),
      die() {
        gate.cut()
        history.push({ at: machineNow(), process: name, kind: 'process', phase: 'kill' })
        isDead = true
        adding = false
      },
    }
  }
}

/** Whether, from this entry on, somebody was given a task that `frozen` had. */
function isTakenOver(history: readonly HistoryEntry[], from: number): boolean {
  const had = new Set(history.slice(0, from).flatMap((entry) => (entry.process === 'frozen' ? claimedIn(entry) : [])))
  return history.slice(from).some((entry) => entry.process !== 'frozen' && claimedIn(entry).some((id) => had.has(id)))
}

function claimedIn(entry: HistoryEntry): readonly string[] {
  return entry.kind === 'exchange' && entry.phase === 'ok' ? entry.claimed.map(({ id }) => id) : []
}

let entered = 0

async function connected(engine: Engine): Promise<Driver> {
  const driver = engine.open(systemRuntime())
  await driver.transport.connect()
  return driver
}

function lasting(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
