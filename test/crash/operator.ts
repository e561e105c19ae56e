import { createMillrace, isMillraceError, systemRuntime, type Millrace } from '@millrace/core'
import { recordingEngine } from '@millrace/core/testing'
import { complaintsOf } from './complaints.ts'
import { crashEngine } from './crash-engine.ts'
import { backlogOf } from './backlog.ts'
import { GROUPS, LEASE_MS, TOPICS } from './events.ts'
import { machineNow, openHistory, type HistoryFile } from './history-file.ts'

/** Sends dead letters around again, as a person would who has repaired what failed; writes down what it does. */
export interface Operator {
  /** To be called again and again once somebody has joined the groups; fails when it has failed for a reason that an outage is not. */
  tend(kills: number): void
  /** Whether more waits than a while of handling takes away: then nothing more should be published for now. */
  readonly isBehind: boolean
  /** Waits for what is under way. Idempotent. */
  leave(): Promise<void>
}

type Record = HistoryFile['record']

const EVERY_KILLS = 25
const LOOK_EVERY_MS = 1_000
/** Events of all groups together that wait, above which nothing more is published, and below which it goes on. */
const BEHIND = { from: 8_000, until: 2_000 }
const PAGE = 500
const TRIES = 5

export async function createOperator(place: {
  readonly engine: string
  readonly histories: string
}): Promise<Operator> {
  const history = openHistory(place.histories, 'early-operator')
  const millrace = await operating(place.engine, history.record)
  const driver = (await crashEngine(place.engine)).open(systemRuntime())
  await driver.transport.connect()
  let turns = 0
  let lookedAt = 0
  let isBehind = false
  let underWay: Promise<void> | undefined
  let left: Promise<void> | undefined
  let failure: unknown

  async function look(): Promise<void> {
    const backlog = await backlogOf(driver)
    isBehind = backlog > (isBehind ? BEHIND.until : BEHIND.from)
  }

  async function requeue(): Promise<void> {
    for (const { group } of GROUPS) await requeueOnce(millrace, group, history.record)
  }

  async function patient(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      // A server that is away comes back before the next time or the one after.
      if (!isMillraceError(error) || !error.retriable) failure = error
    }
    underWay = undefined
  }

  async function end(): Promise<void> {
    await underWay
    await millrace.close()
    await driver.transport.close()
    history.close()
  }

  return {
    get isBehind() {
      return isBehind
    },
    tend(kills) {
      if (failure !== undefined) throw failure
      if (underWay !== undefined) return
      if (kills >= (turns + 1) * EVERY_KILLS) {
        turns += 1
        underWay = patient(requeue)
      } else if (machineNow() - lookedAt > LOOK_EVERY_MS) {
        lookedAt = machineNow()
        underWay = patient(look)
      }
    },
    leave: () => (left ??= end()),
  }
}

/** Sends all dead letters around again, until there are none. */
export async function requeueAll(engine: string, record: Record): Promise<void> {
  await using millrace = await operating(engine, record)
  for (const { group } of GROUPS) while ((await requeueOnce(millrace, group, record)) > 0);
}

async function operating(engine: string, record: Record): Promise<Millrace> {
  return createMillrace({
    name: 'operator',
    engine: recordingEngine(await crashEngine(engine), { record, now: machineNow }),
    leaseMs: LEASE_MS,
    topics: TOPICS,
    onError: complaintsOf('operator'),
  })
}

/** Sends each letter around that a group has now, page by page; returns how many there were. */
async function requeueOnce(millrace: Millrace, group: string, record: Record): Promise<number> {
  let count = 0
  for (let after: string | undefined; ;) {
    const page = await millrace.deadLetters.list({ group, limit: PAGE, ...(after === undefined ? {} : { after }) })
    if (page.length === 0) return count
    const ids = page.map(({ eventId }) => eventId)
    record({ kind: 'requeue', phase: 'invoke', group, ids })
    await patiently(() => millrace.deadLetters.requeue(page.map(({ id }) => id)))
    record({ kind: 'requeue', phase: 'ok', group, ids })
    count += page.length
    after = page.at(-1)?.id
  }
}

/** What may be repeated is tried again, since a member that was cut off may still hold its locks for a while. */
async function patiently(action: () => Promise<unknown>): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await action()
      return
    } catch (error) {
      if (tries === TRIES || !isMillraceError(error) || !error.retriable) throw error
    }
  }
}
