import type { Definitions } from '../contract/catalog.ts'
import type { StoredEvent } from '../contract/event.ts'
import { createDeadLetters } from '../bus/dead-letters.ts'
import { follow } from '../bus/following.ts'
import { groupStatus, topicStatus } from '../bus/inspection.ts'
import { readPage } from '../bus/reading.ts'
import { replay } from '../bus/replay.ts'
import { browsableEvent } from '../bus/stored-event.ts'
import type { Driver } from '../driver/driver.ts'
import type { StoredRecord } from '../driver/record.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { Millrace } from './millrace.ts'

/** What operating is made of. */
export interface OperatingOptions {
  readonly driver: Driver
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
export function createOperating({ driver, definitions, runtime, hint, start }: OperatingOptions): Operating {
  const { transport, stores } = driver
  const deadLetters = createDeadLetters({ store: stores.deadLetters, runtime, definitions, hint })

  async function opened<Result>(call: () => Promise<Result>): Promise<Result> {
    await start()
    return call()
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
    topics: () => opened(() => topicStatus(driver)),
    groups: () => opened(() => groupStatus(driver, runtime)),
    deadLetters: {
      list: (filter) => opened(() => deadLetters.list(filter)),
      counts: (filter) => opened(() => deadLetters.counts(filter)),
      get: (id) => opened(() => deadLetters.get(id)),
      requeue: (what, options) => opened(() => deadLetters.requeue(what, options)),
      edit: (id, data, options) => opened(() => deadLetters.edit(id, data, options)),
      discard: (what, options) => opened(() => deadLetters.discard(what, options)),
    },
    replay: (options) => opened(() => replay({ transport, stores, runtime, hint }, options)),
    diagnose: (options) => opened(() => driver.diagnose(options)),
  }
}
