import type { Capabilities, Runtime } from '@millrace/core/driver'
import { closedError, createDatabase, type Database, openPool } from '../database/database.ts'
import { migrate } from '../database/migrate.ts'
import { probeServer, type ServerFacts } from '../database/probe.ts'
import type { Settings } from '../settings.ts'
import { capabilitiesOf } from './capabilities.ts'
import { createNotices, type Notices } from './notices.ts'
import { createPulse, type Pulse } from './pulse.ts'
import { createTopicChanges, type TopicChanges } from './topic-changes.ts'
import { createUpkeep, type Upkeep } from './upkeep.ts'

/** The open engine: its pool, and who is told of what. */
export interface Connection {
  readonly settings: Settings
  readonly runtime: Runtime
  readonly capabilities: Capabilities
  readonly facts: ServerFacts
  readonly database: Database
  readonly changes: TopicChanges
  readonly pulse: Pulse
  readonly notices: Notices
  readonly upkeep: Upkeep
  /** Whether closing has begun: whoever waits gives up. */
  readonly closing: boolean
}

/** The life of a connection. */
export interface Lifecycle {
  /** Idempotent. Throws `engine_*`, and `closed` after `close`. */
  connect(): Promise<void>
  /** Idempotent, safe before `connect`. */
  close(): Promise<void>
  /** The open connection. Throws `closed`. */
  current(): Connection
}

type Open = Connection & { closing: boolean }

export function createLifecycle(settings: Settings, runtime: Runtime, name: string): Lifecycle {
  let opening: Promise<Open> | undefined
  let open: Open | undefined
  let closing: Promise<void> | undefined

  async function shut(): Promise<void> {
    const connection = await opening?.catch(() => undefined)
    if (connection === undefined) return
    connection.closing = true
    connection.changes.close()
    connection.pulse.close()
    connection.upkeep.close()
    await connection.notices.close()
    await connection.database.close()
  }

  return {
    async connect() {
      if (closing !== undefined) throw closedError(name)
      opening ??= openConnection(settings, runtime)
      try {
        open = await opening
      } catch (error) {
        opening = undefined
        throw error
      }
    },
    close: () => (closing ??= shut()),
    current() {
      if (open === undefined || closing !== undefined) throw closedError(name)
      return open
    },
  }
}

async function openConnection(settings: Settings, runtime: Runtime): Promise<Open> {
  const database = createDatabase(settings, await openPool(settings, {}), runtime)
  try {
    const facts = await probeServer(database, database.where)
    await migrate(database, settings.migrate)
    const changes = createTopicChanges()
    const base = { settings, runtime, database, changes }
    const notices = createNotices(base)
    const pulse = createPulse({ ...base, notices })
    const upkeep = createUpkeep(base)
    const capabilities = capabilitiesOf(settings, facts)
    return { ...base, facts, capabilities, notices, pulse, upkeep, closing: false }
  } catch (error) {
    await database.close()
    throw error
  }
}
