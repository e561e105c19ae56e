import { PROPERTIES, runProperty } from '@millrace/conformance'
import type { Driver, InboxStore, OutboxStore } from '@millrace/core/driver'
import { rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { expect, test } from 'vitest'
import { sqlite } from '../src/index.ts'
import { callerDatabase } from './caller-database.ts'
import { scratchFile } from './scratch.ts'

/** A defect of an outbox or an inbox, and the property that must find it. */
interface Mutation {
  readonly defect: string
  readonly caughtBy: string
  readonly outbox?: (sound: OutboxStore) => Partial<OutboxStore>
  readonly inbox?: (sound: InboxStore) => InboxStore
}

const MUTATIONS: readonly Mutation[] = [
  {
    defect: 'adds rows beside the transaction of the caller',
    caughtBy: '46 rows of a transaction that rolls back never come',
    outbox: (sound) => {
      const late: Parameters<OutboxStore['add']>[1][] = []
      return {
        async add(tx, records) {
          if (late.length > 0) await sound.add(tx, late.shift() ?? [])
          else late.push(records)
          await sound.add(tx, records)
        },
      }
    },
  },
  {
    defect: 'takes any object for a transaction',
    caughtBy: '46 what is no open transaction is refused',
    outbox: (sound) => ({ add: (tx, records) => sound.add(tx, records).catch(() => undefined) }),
  },
  {
    defect: 'lets a former holder settle',
    caughtBy: '46 one process forwards, and a former one cannot settle',
    outbox: (sound) => ({
      settle: async (changes) => sound.settle({ ...changes, token: (await sound.observe()).token }),
    }),
  },
  {
    defect: 'gives the lease to everybody who asks',
    caughtBy: '46 one process forwards, and a former one cannot settle',
    outbox: (sound) => ({ claim: async (owner) => sound.claim(owner, await sound.observe()) }),
  },
  {
    defect: 'forgets that a row has failed',
    caughtBy: '46 a row that fails waits with its key, visibly, and others go on',
    outbox: (sound) => ({ settle: (changes) => sound.settle({ ...changes, failed: [] }) }),
  },
  {
    defect: 'lets later rows of a key pass the one that has failed',
    caughtBy: '46 a row that fails waits with its key, visibly, and others go on',
    outbox: (sound) => {
      const taken = new Map<string, Awaited<ReturnType<OutboxStore['take']>>[number]>()
      const failed = new Set<string>()
      return {
        async take(limit) {
          for (const row of await sound.take(limit)) taken.set(row.rowId, row)
          return [...taken.values()].filter(({ rowId }) => !failed.has(rowId))
        },
        async settle(changes) {
          for (const { rowId } of changes.failed) failed.add(rowId)
          return sound.settle(changes)
        },
      }
    },
  },
  {
    defect: 'gives rows newest first',
    caughtBy: '46 rows outlive a restart until they are settled',
    outbox: (sound) => ({ take: async (limit) => (await sound.take(limit)).toReversed() }),
  },
  {
    defect: 'drops a row when it is taken',
    caughtBy: '46 rows outlive a restart until they are settled',
    outbox: (sound) => {
      const gone = new Set<string>()
      return {
        async take(limit) {
          const rows = (await sound.take(limit)).filter(({ rowId }) => !gone.has(rowId))
          for (const { rowId } of rows) gone.add(rowId)
          return rows
        },
      }
    },
  },
  {
    defect: 'appends what conflicts',
    caughtBy: '46 an append inside the transaction comes with its commit',
    outbox: (sound) => ({
      append: async (tx, records, options) => sound.append?.(tx, records, options).catch(() => undefined),
    }),
  },
  {
    defect: 'forgets which events are applied',
    caughtBy: '46 effects and inbox row come together, once',
    inbox: (sound) => {
      let opened = 0
      return { open: (entry) => sound.open({ ...entry, generation: entry.generation + (opened += 1) * 1_000 }) }
    },
  },
  {
    defect: 'takes a replay for the first delivery',
    caughtBy: '46 effects and inbox row come together, once',
    inbox: (sound) => ({ open: (entry) => sound.open({ ...entry, generation: 0 }) }),
  },
  {
    defect: 'applies the effects of a handler that has failed',
    caughtBy: '46 effects of a handler that fails do not come',
    inbox: (sound) => ({
      async open(entry) {
        const work = await sound.open(entry)
        if (typeof work === 'string') return work
        let ended = false
        const commit: typeof work.commit = (statements) => {
          ended = true
          return work.commit(statements)
        }
        return { ...work, commit, rollback: async () => void (ended || (await commit([]))) }
      },
    }),
  },
  {
    defect: 'does not look at the lease',
    caughtBy: '11 who has lost the lease cannot apply effects',
    inbox: (sound) => ({ open: (entry) => sound.open({ ...entry, lease: undefined }) }),
  },
]

test.each(MUTATIONS)(
  'an outbox or inbox is caught that $defect',
  { timeout: 360_000 },
  async ({ caughtBy, outbox, inbox }) => {
    const property = PROPERTIES.find(({ id }) => id === caughtBy)
    if (property === undefined) throw new Error(`There is no property "${caughtBy}".`)
    const mutant = (path: string): ReturnType<typeof sqlite> => {
      const engine = sqlite(path)
      return {
        name: engine.name,
        open(runtime) {
          const driver: Driver = engine.open(runtime)
          const sound = driver.stores
          return {
            ...driver,
            stores: {
              ...sound,
              ...(sound.outbox && outbox ? { outbox: { ...sound.outbox, ...outbox(sound.outbox) } } : {}),
              ...(sound.inbox && inbox ? { inbox: inbox(sound.inbox) } : {}),
            },
          }
        },
      }
    }
    const path = scratchFile()
    const run = runProperty(
      property,
      {
        name: 'a mutant',
        makeEngine: () => mutant(path),
        restart: () => mutant(path),
        secondProcess: () => mutant(path),
        callers: () => callerDatabase(path),
        cleanUp: () => rmSync(dirname(path), { recursive: true, force: true }),
      },
      1,
    )
    await expect(run).rejects.toThrow(caughtBy)
  },
)
