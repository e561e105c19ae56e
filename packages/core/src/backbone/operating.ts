import type { Definitions } from '../contract/catalog.ts'
import type { StoredEvent } from '../contract/event.ts'
import { createDeadLetters } from '../bus/dead-letters.ts'
import { follow } from '../bus/following.ts'
import { groupStatus, topicStatus, type GroupStatus } from '../bus/inspection.ts'
import { joinDeadLetters } from '../bus/joined-dead-letters.ts'
import { readPage } from '../bus/reading.ts'
import { replay } from '../bus/replay.ts'
import { browsableEvent } from '../bus/stored-event.ts'
import type { Driver } from '../driver/driver.ts'
import type { StoredRecord } from '../driver/record.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { Engines } from './engines.ts'
import type { Millrace } from './millrace.ts'

/** What operating is made of. */
export interface OperatingOptions {
  readonly engines: Engines
  readonly definitions: Definitions
  readonly runtime: Runtime
  /** The lane of the group has got something. */
  readonly hint: (group: string) => void
  /** Opens the engine. */
  readonly start: () => Promise<void>
}

type Operating = Pick<
  Millrace,
  'read' | 'follow' | 'find' | 'trace' | 'topics' | 'groups' | 'deadLetters' | 'replay' | 'diagnose'
>

const MOST_OF_A_FLOW = 1_000

/** Looking into the log and at the groups, and putting right what went wrong. Every call opens the engine first. */
export function createOperating({ engines, definitions, runtime, hint, start }: OperatingOptions): Operating {
  const { main, distribution } = engines
  const { transport, stores } = main
  const letters =
    distribution === undefined
      ? stores.deadLetters
      : joinDeadLetters(stores.deadLetters, distribution.stores.deadLetters)
  const deadLetters = createDeadLetters({ store: letters, runtime, definitions, hint })

  async function opened<Result>(call: () => Promise<Result>): Promise<Result> {
    await start()
    return call()
  }

  /** As `opened`, with the transport that the log feeds. */
  async function openedBoth<Result>(call: () => Promise<Result>): Promise<Result> {
    await Promise.all([start(), engines.startDistribution()])
    return call()
  }

  async function groups(): Promise<readonly GroupStatus[]> {
    const ofMain = await groupStatus(main, runtime)
    if (distribution === undefined) return ofMain
    const fed = await groupStatus(distribution, runtime)
    return [...ofMain.map((group) => ({ ...group, via: 'log' as const })), ...fed]
  }

  /** A group is shown again what its own engine holds, for its places are there. */
  async function sideOf(group: string): Promise<Driver> {
    if (distribution === undefined) return main
    const fed = await distribution.transport.list()
    return fed.groups.some((each) => each.group === group) ? distribution : main
  }

  function browsable(records: readonly StoredRecord[]): readonly StoredEvent[] {
    return records.map((record) => browsableEvent(record, definitions)).filter((event) => event !== undefined)
  }

  return {
    read: (options) => opened(() => readPage({ transport, definitions }, options)),
    async *follow(options = {}) {
      await start()
      yield* follow({ transport, definitions, runtime }, options)
    },
    find: (id, source) => opened(async () => browsable(await stores.index.byId(id, source))),
    trace: (correlationId) =>
      opened(async () => browsable(await stores.index.byCorrelation(correlationId, MOST_OF_A_FLOW))),
    topics: () => opened(() => topicStatus(main)),
    groups: () => openedBoth(groups),
    deadLetters: {
      list: (filter) => openedBoth(() => deadLetters.list(filter)),
      counts: (filter) => openedBoth(() => deadLetters.counts(filter)),
      get: (id) => openedBoth(() => deadLetters.get(id)),
      requeue: (what, options) => openedBoth(() => deadLetters.requeue(what, options)),
      edit: (id, data, options) => openedBoth(() => deadLetters.edit(id, data, options)),
      discard: (what, options) => openedBoth(() => deadLetters.discard(what, options)),
    },
    replay: (options) => openedBoth(async () => replay({ ...(await sideOf(options.group)), runtime, hint }, options)),
    diagnose: (options) =>
      openedBoth(async () => (await Promise.all(engines.all.map((each) => each.diagnose(options)))).flat()),
  }
}
