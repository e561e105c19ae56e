import { type Capabilities, createTopicChanges, type Runtime, type TopicChanges } from '@millrace/core/driver'
import { closedError, openPool } from '../database/client.ts'
import { createDatabase, type Database } from '../database/database.ts'
import { migrate } from '../database/migrate.ts'
import { isStartupRefused } from '../database/postgres-error.ts'
import { probeServer, type ServerFacts } from '../database/probe.ts'
import { engineName } from '../engine-name.ts'
import type { Settings } from '../settings.ts'
import { createTaskHub, type TaskHub } from '../tasks/task-hub.ts'
import { capabilitiesOf } from './capabilities.ts'
import { createNotices, type Notices } from './notices.ts'
import { createPulse, type Pulse } from './pulse.ts'
import { createSettleDesks, type SettleDesks } from './settling.ts'
import { createStanding, type Standing } from './standing.ts'
import { createUpkeep, type Upkeep } from './upkeep.ts'

/** The open engine: its pool, and who is told of what. */
export interface Connection {
  readonly settings: Settings
  readonly runtime: Runtime
  readonly capabilities: Capabilities
  readonly facts: ServerFacts
  /** Whether the server itself ends statements that take too long. */
  readonly limited: boolean
  readonly database: Database
  readonly changes: TopicChanges
  readonly settling: SettleDesks
  readonly standing: Standing
  readonly taskHub: TaskHub
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
  const { database, facts, limited } = await openDatabase(settings, runtime)
  try {
    await migrate(database, settings.migrate)
    const changes = createTopicChanges()
    const settling = createSettleDesks(database, runtime)
    const standing = createStanding()
    const base = { settings, runtime, database, changes, settling, standing, taskHub: createTaskHub() }
    const notices = createNotices(base)
    const pulse = createPulse({ ...base, notices })
    const upkeep = createUpkeep(base)
    const capabilities = capabilitiesOf(settings, facts)
    return { ...base, facts, limited, capabilities, notices, pulse, upkeep, closing: false }
  } catch (error) {
    await database.close()
    throw error
  }
}

/** With the server's own time limits, unless a pooler in between refuses to pass them on. */
async function openDatabase(
  settings: Settings,
  runtime: Runtime,
): Promise<Pick<Open, 'database' | 'facts' | 'limited'>> {
  const limits = {
    statement_timeout: settings.statementTimeoutMs,
    // A process that stands still in a transaction must lose it before those that wait for its locks give up.
    idle_in_transaction_session_timeout: Math.ceil(settings.statementTimeoutMs / 2),
  }
  for (const startup of settings.pool === undefined ? [limits, {}] : [{}]) {
    const limited = startup === limits
    const database = createDatabase(settings, await openPool(settings, startup), runtime)
    try {
      return { database, facts: await probeServer(database, database.where), limited }
    } catch (error) {
      await database.close()
      if (!limited || !isStartupRefused(error)) throw error
    }
  }
  throw closedError(engineName(settings))
}
