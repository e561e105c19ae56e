import type { Definitions } from '../contract/catalog.ts'
import type { Stores } from '../driver/driver.ts'
import type { PartitionLease } from '../driver/lease-store.ts'
import type { StoredRecord } from '../driver/record.ts'
import type { Transport } from '../driver/transport.ts'
import { wait } from '../runtime/abort.ts'
import { isMillraceError } from '../runtime/error.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { compose } from './compose.ts'
import { channels, type IncidentDiagnosis } from './diagnostics.ts'
import { createEventFilter } from './event-filter.ts'
import { createExecution, type Execute } from './execution.ts'
import { createGroupMember, type ClaimedPartition } from './group-member.ts'
import type { Handler } from './handler.ts'
import { applyOnce, type InboxSetup } from './inbox.ts'
import type { InboxHandler } from './inbox-handler.ts'
import { createItemFlow } from './item-flow.ts'
import { createItem, createPartitionRun, type Item, type PartitionRun } from './partition-run.ts'
import { checkConcurrency, type ResolvedSubscription } from './subscription-options.ts'
import type { Subscription } from './subscription.ts'
import { createTopicRun, type TopicRun } from './topic-run.ts'

/** What a subscription is made of. */
export interface SubscriptionRunOptions {
  readonly millrace: string
  readonly member: string
  readonly label: string
  readonly options: ResolvedSubscription
  readonly handler: Handler | InboxHandler
  /** Set when the effects of the handler are to happen once. */
  readonly inbox: Omit<InboxSetup, 'onFenced'> | undefined
  /** Runs the attempts instead of the handler. */
  readonly execute: Execute | undefined
  /** Exact types and patterns, sorted: the filter of the group. */
  readonly types: readonly string[]
  readonly definitions: Definitions
  readonly transport: Transport
  readonly stores: Stores
  readonly runtime: Runtime
  readonly leaseMs: number
  readonly alive: Int32Array
  readonly onError: (error: unknown) => void
  /** Calls the listener when this process put something into the lane of the group; returns how to stop it. */
  readonly onLaneHint: (listener: () => void) => () => void
}

const BUFFERED_CHARACTERS = 64 * 1024 * 1024
/** Items ready to start at which reading rests, and at which it goes on: few enough that events die young in the heap. */
const READY_HIGH = 400
const READY_LOW = 200
/** How long the engine has, in milliseconds, to take the progress and the leases of a subscription that stops. */
const LAST_CALLS_MS = 5_000

/** Starts a member of a group: it claims its share of the partitions, reads them and hands events to the flow. */
export function createSubscriptionRun(setup: SubscriptionRunOptions): Subscription {
  const { options, runtime, stores, transport } = setup
  const { group } = options
  const matches = createEventFilter(setup.types)
  const topicRuns = new Map<string, TopicRun>()
  const leases = new Map<PartitionRun, PartitionLease>()
  let state: Subscription['state'] = 'running'
  let stopped: Promise<void> | undefined

  const flow = createItemFlow({
    millrace: setup.millrace,
    options,
    stores,
    runtime,
    execute:
      setup.execute ??
      createExecution({
        group,
        definitions: setup.definitions,
        handler: compose(options.middleware, handler()),
        now: runtime.now,
      }),
    orderKeyOf,
    partitions: allPartitions,
    isConfirmed,
    touch,
    async commit(run) {
      run.dirty = true
      await topicRuns.get(run.topic)?.committer.flush()
    },
    onRoom(run) {
      if (flow.dispatcher.ready < READY_LOW) topicRuns.get(run.topic)?.resume()
    },
    onFenced: lose,
    onIncident: incident,
    onError: setup.onError,
  })
  const member = createGroupMember({
    member: setup.member,
    group,
    label: setup.label,
    leases: stores.leases,
    runtime,
    leaseMs: setup.leaseMs,
    aliveWithinMs: options.blockedLoopMs,
    alive: setup.alive,
    types: setup.types,
    onClaimed: takeOver,
    drain,
    onLost(lease) {
      const run = runOf(lease)
      if (run !== undefined) lose(run)
    },
    held: () => [...leases.values()],
    onExpelled: () => incident('member-expelled'),
    onError: setup.onError,
  })
  const removeHint = setup.onLaneHint(() => flow.lane.poll())

  function handler(): Handler {
    const { inbox } = setup
    return inbox === undefined
      ? (setup.handler as Handler)
      : applyOnce(setup.handler as InboxHandler, { ...inbox, onFenced: lose })
  }

  async function takeOver(claimed: ClaimedPartition): Promise<void> {
    const keys = await stores.lane.keys({ group, topic: claimed.topic, partition: claimed.partition })
    const run = createPartitionRun(claimed, claimed, keys)
    leases.set(run, { topic: run.topic, partition: run.partition, owner: setup.member, token: run.token })
    topicRun(run.topic).add(run)
    incident('partition-claimed', run)
    flow.lane.poll()
  }

  function topicRun(topic: string): TopicRun {
    let existing = topicRuns.get(topic)
    if (existing === undefined) {
      const { readAhead } = options
      existing = createTopicRun({
        topic,
        group,
        transport,
        runtime,
        mayFetch,
        readAhead,
        onRecords,
        onFenced: lose,
        onError: setup.onError,
      })
      topicRuns.set(topic, existing)
    }
    return existing
  }

  function mayFetch(): boolean {
    if (state !== 'running' || flow.lane.full || flow.dispatcher.ready >= READY_HIGH) return false
    let buffered = 0
    for (const run of allPartitions()) buffered += run.buffered
    return buffered < BUFFERED_CHARACTERS
  }

  async function onRecords(from: TopicRun, records: readonly StoredRecord[]): Promise<void> {
    const items: Item[] = []
    for (const record of records) {
      const run = from.partitions.get(record.partition)
      if (
        run === undefined ||
        run.state !== 'active' ||
        (run.lastFetched !== undefined && record.position <= run.lastFetched)
      )
        continue
      run.lastFetched = record.position
      run.dirty = true
      if (run.tracker.wasSettled(record.position) || !matches(record.type)) {
        run.tracker.skip(record.position)
        continue
      }
      if (run.fetchedHigh === undefined || record.position > run.fetchedHigh) run.fetchedHigh = record.position
      const item = createItem(run, record, orderKeyOf(record))
      item.suspect = run.suspectUntil !== undefined && record.position <= run.suspectUntil
      run.tracker.accept(item)
      items.push(item)
    }
    if (items.length === 0) return from.committer.touch()
    // The mark must be durable before a handler sees any of these: it tells a later owner what to suspect.
    if (!from.areMarked(items)) await from.committer.flush()
    else from.committer.touch()
    flow.add(items)
  }

  function orderKeyOf(record: StoredRecord): string | undefined {
    if (options.ordering === 'key') return record.key
    return options.ordering === 'topic' ? '*' : undefined
  }

  /** After a stop of the whole process this member first asks whether it still owns what it holds. */
  function isConfirmed(): boolean {
    if (runtime.monotonic() - member.confirmedAt < setup.leaseMs) return true
    member.refresh()
    return false
  }

  function touch(run: PartitionRun): void {
    run.dirty = true
    topicRuns.get(run.topic)?.committer.touch()
  }

  function runOf(lease: PartitionLease): PartitionRun | undefined {
    for (const [run, held] of leases) {
      if (held.topic === lease.topic && held.partition === lease.partition && held.token === lease.token) return run
    }
    return undefined
  }

  function lose(run: PartitionRun): void {
    if (run.state === 'lost') return
    forget(run)
    incident('lease-lost', run)
    member.refresh()
  }

  function forget(run: PartitionRun): void {
    run.state = 'lost'
    leases.delete(run)
    topicRuns.get(run.topic)?.remove(run)
    flow.drop(run)
  }

  async function drain(lease: PartitionLease): Promise<'clean' | 'unclean' | 'lost'> {
    const run = runOf(lease)
    if (run === undefined || run.state !== 'active') return 'lost'
    run.state = 'draining'
    await flow.whenIdle(() => [run], options.drainMs)
    run.dirty = true
    await topicRuns.get(run.topic)?.committer.flush()
    if (!leases.has(run)) return 'lost'
    const isClean = isIdle(run)
    forget(run)
    incident('partition-released', run)
    return isClean ? 'clean' : 'unclean'
  }

  function* allPartitions(): Iterable<PartitionRun> {
    for (const { partitions } of topicRuns.values()) yield* partitions.values()
  }

  function incident(kind: IncidentDiagnosis['kind'], run?: PartitionRun): void {
    const place = { topic: run?.topic, partition: run?.partition }
    if (channels.incident.hasSubscribers) channels.incident.publish({ millrace: setup.millrace, kind, group, ...place })
    const level = kind === 'partition-claimed' || kind === 'partition-released' ? 'debug' : 'warn'
    runtime.log[level](`${kind} in group ${group}`, place)
  }

  /**
   * Finish or give back, time-boxed: what is not through by then is delivered again, to whoever owns it next. An engine
   * that does not answer holds up nobody: the leases run out by themselves.
   */
  async function stop(timeoutMs: number): Promise<void> {
    state = 'stopping'
    flow.dispatcher.hold()
    removeHint()
    let deadline = runtime.monotonic() + timeoutMs
    const inTime = async (...calls: readonly Promise<unknown>[]): Promise<void> => {
      const answered = Promise.all(calls.map((call) => call.catch(report)))
      await Promise.race([answered, wait(runtime, Math.max(0, deadline - runtime.monotonic()))])
    }
    await inTime(member.stop())
    await flow.whenIdle(() => [...allPartitions()], Math.max(0, deadline - runtime.monotonic()))
    flow.abandonAll()
    deadline = runtime.monotonic() + LAST_CALLS_MS
    const stored = new Set<string>()
    const store = async ({ committer, partitions }: TopicRun): Promise<void> => {
      await committer.flush()
      for (const { topic } of partitions.values()) stored.add(topic)
    }
    await inTime(...[...topicRuns.values()].map(store))
    const held = [...leases]
    await inTime(
      ...held.map(([run, { topic, partition, token }]) => {
        const clean = stored.has(topic) && isIdle(run)
        run.state = 'lost'
        return stores.leases.giveBack({ group, topic, partition, token, clean })
      }),
    )
    await inTime(member.leave())
    flow.stop()
    await inTime(...[...topicRuns.values()].map((topicRun) => topicRun.close()))
    state = 'stopped'
  }

  /** What the time-box cut off is no failure. */
  function report(error: unknown): void {
    if (!isMillraceError(error, 'closed')) setup.onError(error)
  }

  const subscription: Subscription = {
    group,
    get state() {
      return state
    },
    ready: member.ready,
    get inFlight() {
      return flow.dispatcher.running
    },
    pause() {
      if (state !== 'running') return
      state = 'paused'
      flow.dispatcher.hold()
    },
    resume() {
      if (state !== 'paused') return
      state = 'running'
      flow.dispatcher.resume()
      for (const topicRun of topicRuns.values()) topicRun.resume()
    },
    setConcurrency: (concurrency) =>
      flow.dispatcher.setConcurrency(options.ordering === 'topic' ? 1 : checkConcurrency(concurrency)),
    stop: ({ timeoutMs = 10_000 } = {}) => (stopped ??= stop(timeoutMs)),
    [Symbol.asyncDispose]: () => subscription.stop(),
  }
  return subscription
}

/** Whether nothing of the partition is under way. */
function isIdle(run: PartitionRun): boolean {
  return run.running === 0 && run.storing === 0
}
