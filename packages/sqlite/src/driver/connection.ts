import {
  type Capabilities,
  createTopicChanges,
  MillraceError,
  type Runtime,
  type TopicChanges,
} from '@millrace/core/driver'
import { DatabaseSync } from 'node:sqlite'
import { checkFile } from '../file/check-file.ts'
import { sqliteVersion } from '../file/open-database.ts'
import { startInline } from '../loop/inline-link.ts'
import type { Link, ReaderCalls, WriterCalls } from '../loop/link.ts'
import { createReader } from '../loop/reader.ts'
import { startReaderThread, startWriterThread } from '../loop/thread-link.ts'
import { createWriter } from '../loop/writer.ts'
import type { Settings } from '../settings.ts'
import type { Touched } from '../write/tasks/task-cache.ts'
import { capabilitiesOf } from './capabilities.ts'
import { createQueueNews, type QueueNews } from './queue-news.ts'

/** The open file: a writer, a reader, and who is told of what. */
export interface Connection {
  readonly capabilities: Capabilities
  readonly writer: Link<WriterCalls>
  readonly reader: Link<ReaderCalls>
  readonly changes: TopicChanges
  readonly news: QueueNews
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
  const news = createQueueNews()
  const onChanged = (topics: readonly string[]): void => changes.announce(topics)
  const onQueues = (queues: Touched): void => news.seen(queues)
  const capabilities = capabilitiesOf(settings, libraryVersion())
  if (!settings.threads) {
    const writer = startInline<WriterCalls>(createWriter, { settings, runtime, onChanged, onQueues })
    const reader = startInline<ReaderCalls>(createReader, { settings, runtime, onChanged, onQueues })
    return { capabilities, writer, reader, changes, news, closing: false }
  }
  const starting = startWriterThread({ settings, onChanged, onQueues })
  const [writer, reader] = await Promise.allSettled([
    starting,
    startReaderThread({ settings, onChanged, onQueues, after: starting }),
  ])
  if (writer.status === 'rejected') throw writer.reason
  if (reader.status === 'fulfilled') {
    return { capabilities, writer: writer.value, reader: reader.value, changes, news, closing: false }
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
