import { type Capabilities, MillraceError, type Runtime } from '@millrace/core/driver'
import { DatabaseSync } from 'node:sqlite'
import { checkFile } from '../file/check-file.ts'
import { sqliteVersion } from '../file/open-database.ts'
import { startInline } from '../loop/inline-link.ts'
import type { Link, ReaderCalls, WriterCalls } from '../loop/link.ts'
import { createReader } from '../loop/reader.ts'
import { startReaderThread, startWriterThread } from '../loop/thread-link.ts'
import { createWriter } from '../loop/writer.ts'
import type { Settings } from '../settings.ts'
import { capabilitiesOf } from './capabilities.ts'
import { createTopicChanges, type TopicChanges } from './topic-changes.ts'

/** The open file: a writer, a reader, and who is told of what. */
export interface Connection {
  readonly capabilities: Capabilities
  readonly writer: Link<WriterCalls>
  readonly reader: Link<ReaderCalls>
  readonly changes: TopicChanges
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

export function createLifecycle(settings: Settings, runtime: Runtime): Lifecycle {
  let opening: Promise<Connection & { closing: boolean }> | undefined
  let open: (Connection & { closing: boolean }) | undefined
  let closing: Promise<void> | undefined

  async function shut(): Promise<void> {
    const connection = await opening?.catch(() => undefined)
    if (connection === undefined) return
    connection.closing = true
    connection.changes.close()
    // The writer last: whoever closes a file last moves the log into it, and a reader cannot.
    await connection.reader.close()
    await connection.writer.close()
  }

  return {
    async connect() {
      if (closing !== undefined) throw closedError(settings)
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
      if (open === undefined || closing !== undefined) throw closedError(settings)
      return open
    },
  }
}

async function openConnection(settings: Settings, runtime: Runtime): Promise<Connection & { closing: boolean }> {
  checkFile(settings.path)
  const changes = createTopicChanges()
  const onChanged = (topics: readonly string[]): void => changes.announce(topics)
  const capabilities = capabilitiesOf(settings, libraryVersion())
  if (!settings.threads) {
    const writer = startInline<WriterCalls>(createWriter, { settings, runtime, onChanged })
    const reader = startInline<ReaderCalls>(createReader, { settings, runtime, onChanged })
    return { capabilities, writer, reader, changes, closing: false }
  }
  const starting = startWriterThread({ settings, onChanged })
  const [writer, reader] = await Promise.allSettled([
    starting,
    startReaderThread({ settings, onChanged, after: starting }),
  ])
  if (writer.status === 'rejected') throw writer.reason
  if (reader.status === 'fulfilled') {
    return { capabilities, writer: writer.value, reader: reader.value, changes, closing: false }
  }
  await writer.value.close()
  throw reader.reason
}

function libraryVersion(): string {
  const db = new DatabaseSync(':memory:')
  try {
    return sqliteVersion(db)
  } finally {
    db.close()
  }
}

function closedError({ path }: Settings): MillraceError {
  return new MillraceError('closed', `The SQLite engine on ${path} is not connected, or is closed.`)
}
