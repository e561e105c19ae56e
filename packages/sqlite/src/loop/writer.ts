import { toEngineError } from '../file/sqlite-error.ts'
import { createStatements } from '../file/statements.ts'
import { openForWriting } from '../file/open-database.ts'
import { mayDrop } from '../write/retention.ts'
import { createNameIds } from '../write/name-ids.ts'
import { createTopicCache } from '../write/topic-cache.ts'
import { createTaskCache } from '../write/tasks/task-cache.ts'
import type { WriterState } from '../write/writer-state.ts'
import { createHeartbeats, type JoinInput } from './heartbeats.ts'
import { createCallQueue } from './call-queue.ts'
import { createChangeWatch } from './change-watch.ts'
import type { Call, Host, Server } from './host.ts'
import { createCheckpoints } from './checkpoints.ts'
import { createLogRoom } from './log-room.ts'
import { createStandingFetches } from './standing-fetches.ts'
import { createTransactions } from './transactions.ts'
import { createWatchdog, type Watchdog } from './watchdog.ts'

/** Opens the file and serves the writing calls, as many at once in one transaction as are waiting. Throws `engine_*`. */
export function createWriter(host: Host): Server {
  const { settings } = host
  const db = openForWriting(settings, host.fault)
  const watchdog = openWatchdog()
  const sql = createStatements(db)
  const state: WriterState = {
    sql,
    now: () => host.now(),
    path: settings.path,
    maxBytes: settings.maxBytes,
    fault: host.fault,
    topics: createTopicCache(sql),
    types: createNameIds(sql, 'types'),
    sources: createNameIds(sql, 'sources'),
    tasks: createTaskCache(sql),
    retentionWanted: false,
  }
  const standing = createStandingFetches(state, host.reply)
  const room = createLogRoom(settings)
  const transactions = createTransactions(state, settings, { watchdog, standing, room })
  const checkpoints = createCheckpoints(sql, settings, { fault: host.fault, room })
  const heartbeats = createHeartbeats(host, accept)
  const watch = createChangeWatch(host, sql)
  const queue = createCallQueue()
  let scheduled = false
  let closed = false
  let enforcing = false
  let retention = host.setTimer(lookAtRetention, settings.retentionEveryMs)

  function accept(call: Call): void {
    if (call.name === 'stand') return standing.stand(call)
    if (call.name === 'watch') return watchTopic(call)
    if (call.name === 'applyInbox') enforceForeignKeys()
    if (call.name === 'join') heartbeats.start(call.input as JoinInput)
    if (call.name === 'removeMember') heartbeats.stop(call.input as string)
    queue.push(call.name === 'join' ? { ...call, name: 'addMember', input: (call.input as JoinInput).member } : call)
    schedule()
  }

  function watchTopic({ id, input }: Call): void {
    try {
      watch.count(input as { topic: string; by: 1 | -1 })
      host.reply([{ id }])
    } catch (error) {
      host.reply([{ id, error: toEngineError(error, settings.path) }])
    }
  }

  /** Tables of callers count on them; our own do not need them, and are quicker without. */
  function enforceForeignKeys(): void {
    if (!enforcing) db.exec('PRAGMA foreign_keys = 1')
    enforcing = true
  }

  function schedule(): void {
    if (scheduled || closed) return
    scheduled = true
    host.defer(() => {
      scheduled = false
      if (!closed) turn()
    })
  }

  /** One transaction, its replies, and then the work that nobody waits for. */
  function turn(): void {
    work()
    if (queue.length > 0) return schedule()
    if (!state.retentionWanted) return
    state.retentionWanted = false
    accept({ id: 0, name: 'dropChunk', input: undefined })
  }

  function work(): void {
    const calls = queue.take()
    if (calls.length === 0) return
    const replies = transactions.run(calls)
    host.fault('after-commit-before-reply')
    if (calls.some(({ name }) => name === 'putDeadLetters')) host.fault('after-dead-letter')
    const wanted = replies.filter(({ id }) => id !== 0)
    if (wanted.length > 0) host.reply(wanted)
    const dropped = replies.find((reply, at) => calls[at]?.name === 'dropChunk')
    if (dropped?.value === true) state.retentionWanted = true
    checkpoints.afterCommit()
  }

  function lookAtRetention(): void {
    if (closed) return
    if (mayDrop(sql, host.now())) accept({ id: 0, name: 'dropChunk', input: undefined })
    retention = host.setTimer(lookAtRetention, settings.retentionEveryMs)
  }

  function openWatchdog(): Watchdog {
    try {
      return createWatchdog(host)
    } catch (error) {
      db.close()
      throw error
    }
  }

  return {
    accept,
    close() {
      if (closed) return
      retention.cancel()
      watchdog.stop()
      watch.close()
      heartbeats.stopAll()
      while (queue.length > 0) work()
      closed = true
      try {
        db.close()
      } catch (error) {
        throw toEngineError(error, settings.path)
      }
    },
  }
}
