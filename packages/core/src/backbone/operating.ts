import type { Definitions } from '../contract/catalog.ts'
import type { StoredEvent } from '../contract/event.ts'
import { createDeadLetters, type DeadLetters } from '../bus/dead-letters.ts'
import { follow, type FollowOptions } from '../bus/following.ts'
import { groupStatus, topicStatus, type GroupStatus } from '../bus/inspection.ts'
import { joinDeadLetters } from '../bus/joined-dead-letters.ts'
import { readPage, type ReadOptions } from '../bus/reading.ts'
import { replay } from '../bus/replay.ts'
import { browsableEvent } from '../bus/stored-event.ts'
import type { Driver } from '../driver/driver.ts'
import type { StoredRecord } from '../driver/record.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { WORKERS } from '../tasks/worker-member.ts'
import { checkNames } from './check-names.ts'
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
  /** Dead letters with the dead tasks among them. */
  readonly joinDeadTasks: (letters: DeadLetters) => DeadLetters
}

type Operating = Pick<
  Millrace,
  'read' | 'follow' | 'find' | 'trace' | 'topics' | 'groups' | 'deadLetters' | 'replay' | 'diagnose'
>

const MOST_OF_A_FLOW = 1_000
const READ_OPTIONS: ReadonlySet<string> = new Set<keyof ReadOptions>([
  ...(['topics', 'types', 'key', 'after', 'until', 'limit', 'backwards'] as const),
])
const FOLLOW_OPTIONS: ReadonlySet<string> = new Set<keyof FollowOptions>(['topics', 'types', 'from', 'signal'])

/** Looking into the log and at the groups, and putting right what went wrong. Every call opens the engine first. */
export function createOperating(options: OperatingOptions): Operating {
  const { engines, definitions, runtime, hint, start } = options
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
    // Workers are no subscription, though some engines list every group that has members.
    const ofMain = (await groupStatus(main, runtime)).filter(({ group }) => group !== WORKERS)
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
    read: (options = {}) =>
      opened(async () => {
        checkNames('read', options, READ_OPTIONS)
        return readPage({ transport, definitions }, options)
      }),
    async *follow(options = {}) {
      checkNames('follow', options, FOLLOW_OPTIONS)
      await start()
      yield* follow({ transport, definitions, runtime }, options)
    },
    find: (id, source) => opened(async () => browsable(await stores.index.byId(id, source))),
    trace: (correlationId) =>
      opened(async () => browsable(await stores.index.byCorrelation(correlationId, MOST_OF_A_FLOW))),
    topics: () => opened(() => topicStatus(main)),
    groups: () => openedBoth(groups),
    deadLetters: options.joinDeadTasks({
      list: (filter) => openedBoth(() => deadLetters.list(filter)),
      counts: (filter) => openedBoth(() => deadLetters.counts(filter)),
      get: (id) => openedBoth(() => deadLetters.get(id)),
      requeue: (what, given) => openedBoth(() => deadLetters.requeue(what, given)),
      edit: (id, data, given) => openedBoth(() => deadLetters.edit(id, data, given)),
      discard: (what, given) => openedBoth(() => deadLetters.discard(what, given)),
    }),
    replay: (given) => openedBoth(async () => replay({ ...(await sideOf(given?.group)), runtime, hint }, given)),
    diagnose: (given) =>
      openedBoth(async () => (await Promise.all(engines.all.map((each) => each.diagnose(given)))).flat()),
  }
}
