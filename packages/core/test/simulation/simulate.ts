import { channels, createMillrace, isMillraceError, type IncidentDiagnosis, type Millrace } from '../../src/index.ts'
import type { Engine } from '../../src/driver/driver.ts'
import { checkHistory, type HistoryReport } from '../../src/testing/check-history.ts'
import type { FinalState, HistoryEntry, Unstamped } from '../../src/testing/history.ts'
import type { Random } from '../../src/testing/random.ts'
import { recordingEngine } from '../../src/testing/recording-engine.ts'
import { NO_FAULTS } from '../../src/testing/network-faults.ts'
import { simulatedEngine, type SimulatedEngine } from '../../src/testing/simulated-engine.ts'
import { createWorld, type SimulatedProcess, type World } from '../../src/testing/world.ts'
import { drawFaults, drawNemesis, type Attack } from './nemesis.ts'
import {
  createHandler,
  DEFINITIONS,
  drawBehaviour,
  GROUPS,
  HANDLER_TIMEOUT_MS,
  NoteAdded,
  TOPICS,
  type SimulatedGroup,
  type Work,
} from './workload.ts'

/** What happened seldom, counted. */
export type RarePaths = Record<
  | 'redelivery'
  | 'lease-lost'
  | 'unknown-publish'
  | 'resent-stored-once'
  | 'dead-letter'
  | 'side-lane'
  | 'isolation'
  | 'fenced-write'
  | 'rebalance'
  | 'engine-crash-lost-tail'
  | 'rejected-publish'
  | 'poison-found'
  | 'requeue'
  | 'replay',
  number
>

export interface Simulated {
  readonly seed: number
  readonly traceHash: string
  readonly report: HistoryReport
  readonly rare: RarePaths
  readonly attacks: readonly string[]
  readonly history: readonly HistoryEntry[]
  readonly virtualMs: number
  readonly steps: number
  /** Milliseconds from the kill of a process to the first claim of each of its partitions. */
  readonly takeoverMs: readonly number[]
  readonly errors: readonly string[]
}

export interface SimulateOptions {
  /** Put around the engine of each process, below the recorder: for planted bugs. */
  readonly plant?: (engine: Engine) => Engine
  readonly events?: number
  /** Whether errors carry stacks, which costs time. */
  readonly stacks?: boolean
  /** Virtual milliseconds after which a group that is not drained has failed. */
  readonly drainWithinMs?: number
}

const CHAOS_MS = 8_000
const LEASE_MS = 1_000
const DRAIN_WITHIN_MS = 120_000

/** Runs one seed: three processes or more, at least 500 events, at least four attacks, then healing, draining and the check. */
export async function simulate(
  seed: number,
  { plant = (engine) => engine, events = 540, drainWithinMs = DRAIN_WITHIN_MS, stacks = false }: SimulateOptions = {},
): Promise<Simulated> {
  const world = createWorld(seed)
  const random = world.random.fork()
  const engine = simulatedEngine({ world, syncMs: random.pick([0.2, 1, 5]) })
  const run = createRun({ world, engine, random, plant, events, drainWithinMs })
  // Simulated failures are many, and nobody reads where they were made.
  const stackTraceLimit = Error.stackTraceLimit
  if (!stacks) Error.stackTraceLimit = 0
  const onIncident = (message: unknown): void => run.incident(message as IncidentDiagnosis)
  channels.incident.subscribe(onIncident)
  try {
    return await run.play()
  } finally {
    channels.incident.unsubscribe(onIncident)
    Error.stackTraceLimit = stackTraceLimit
  }
}

interface Member {
  process: SimulatedProcess
  millrace: Millrace
  /** Publishes that are left, soonest first. */
  readonly plan: {
    readonly at: number
    readonly works: readonly { readonly definition: number; readonly data: Work }[]
  }[]
  down: boolean
}

function createRun({
  world,
  engine,
  random,
  plant,
  events,
  drainWithinMs,
}: {
  readonly world: World
  readonly engine: SimulatedEngine
  readonly random: Random
  readonly plant: (engine: Engine) => Engine
  readonly events: number
  readonly drainWithinMs: number
}) {
  const history: HistoryEntry[] = []
  const errors: string[] = []
  const attacks: string[] = []
  const members: Member[] = []
  const rare: RarePaths = {
    redelivery: 0,
    'lease-lost': 0,
    'unknown-publish': 0,
    'resent-stored-once': 0,
    'dead-letter': 0,
    'side-lane': 0,
    isolation: 0,
    'fenced-write': 0,
    rebalance: 0,
    'engine-crash-lost-tail': 0,
    'rejected-publish': 0,
    'poison-found': 0,
    requeue: 0,
    replay: 0,
  }
  let healed = false
  let calm = false
  let incarnation = 0
  let runs = 0
  let open = 0

  function record(process: SimulatedProcess, entry: Unstamped): void {
    if (!process.alive) return
    history.push({ at: world.now, process: process.name, ...entry })
    world.trace(
      `${entry.kind}${'phase' in entry ? entry.phase : ''}${'id' in entry ? entry.id : ''}${'position' in entry ? entry.position : ''}`,
    )
  }

  function kill(member: Member): void {
    record(member.process, { kind: 'process', phase: 'kill' })
    member.process.kill()
    member.down = true
  }

  function restartLater(member: Member, ms: number): void {
    world.after(ms, () => boot(member))
  }

  function boot(member: Member): void {
    const process = world.spawn(`p${members.indexOf(member)}.${++incarnation}`, {
      offsetMs: random.between(-300_000, 300_000),
      drift: (random.next() - 0.5) * 0.04,
    })
    member.process = process
    member.down = false
    record(process, { kind: 'process', phase: 'start' })
    member.millrace = createMillrace({
      name: 'sim',
      engine: recordingEngine(plant(engine.connect(process)), {
        record: (entry) => record(process, entry),
        now: () => world.now,
      }),
      runtime: process.runtime,
      leaseMs: LEASE_MS,
      publishTimeoutMs: 1_500,
      topics: TOPICS,
      onError: (error) => {
        if (isMillraceError(error) && error.code === 'engine_unreachable') return
        errors.push(`${process.name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
      },
    })
    for (const group of GROUPS) subscribe(member, process, group)
    publishNext(member, process)
  }

  function subscribe(member: Member, process: SimulatedProcess, group: SimulatedGroup): void {
    const handler = createHandler(group.group, {
      start(event) {
        runs += 1
        record(process, { kind: 'handle', phase: 'start', run: runs, ...event })
        return runs
      },
      end: (run, outcome) => record(process, { kind: 'handle', phase: 'end', run, outcome }),
      after: (ms, then) => void process.after(ms, then),
      killProcess() {
        if (!process.alive) return
        attacks.push('poison')
        kill(member)
        restartLater(member, 200)
      },
      get healed() {
        return healed
      },
    })
    const attempt = (): void => {
      member.millrace
        .subscribe(group.events, handler as never, {
          group: group.group,
          from: 'earliest',
          ordering: group.ordering,
          onDeadLetter: group.onDeadLetter,
          concurrency: 8,
          timeout: HANDLER_TIMEOUT_MS,
          retry: { attempts: group.attempts, backoff: { first: 30, factor: 3, ceiling: 8_000 } },
        })
        .catch((error: unknown) => {
          if (isMillraceError(error, 'closed')) return
          process.after(100, attempt)
        })
    }
    attempt()
  }

  function publishNext(member: Member, process: SimulatedProcess): void {
    const next = member.plan[0]
    if (next === undefined) return
    process.after(Math.max(0, next.at - world.now), () => {
      if (member.down) return
      member.plan.shift()
      void publish(member, process, next.works)
      publishNext(member, process)
    })
  }

  async function publish(
    member: Member,
    process: SimulatedProcess,
    works: Member['plan'][number]['works'],
  ): Promise<void> {
    const messages = works.map(({ definition, data }) =>
      (DEFINITIONS[definition] ?? NoteAdded).create(data, {
        id: process.runtime.id(),
        source: '/sim',
        timestamp: new Date(process.runtime.now()),
      }),
    )
    for (const { id, type } of messages) record(process, { kind: 'publish', phase: 'invoke', id, type })
    open += messages.length
    const settle = (id: string, outcome: string, code: string): void => {
      if (process.alive) open -= 1
      if (outcome === 'stored') record(process, { kind: 'publish', phase: 'ok', id })
      else if (outcome === 'unknown') record(process, { kind: 'publish', phase: 'info', id, code })
      else record(process, { kind: 'publish', phase: 'fail', id, code })
    }
    const first = messages[0]
    if (messages.length === 1 && first !== undefined) {
      try {
        await member.millrace.publish(first)
        settle(first.id, 'stored', '')
      } catch (error) {
        const code = isMillraceError(error) ? error.code : String(error)
        settle(first.id, code === 'publish_unknown' ? 'unknown' : 'rejected', code)
      }
      return
    }
    const results = await member.millrace.publishBatch(messages)
    results.forEach((result) => settle(result.id, result.outcome, result.outcome === 'stored' ? '' : result.error.code))
  }

  function attack({ does, member: at, ms }: Attack): void {
    if (calm) return
    const member = members[at % members.length]
    if (member === undefined) return
    if (does === 'crash') {
      const lost = engine.crash(ms)
      if (lost > 0) rare['engine-crash-lost-tail'] += 1
      attacks.push(`crash ${lost}`)
      return
    }
    attacks.push(does)
    if (does === 'stall') return engine.stall(ms)
    if (does === 'join') {
      const extra: Member = { process: member.process, millrace: member.millrace, plan: [], down: false }
      members.push(extra)
      return boot(extra)
    }
    if (member.down) return
    if (does === 'kill') {
      kill(member)
      restartLater(member, ms)
    } else if (does === 'pause') {
      record(member.process, { kind: 'process', phase: 'pause' })
      member.process.pause(ms)
    } else if (does === 'cut') {
      record(member.process, { kind: 'process', phase: 'cut' })
      engine.cut(member.process, ms)
    } else if (does === 'leave') {
      member.down = true
      record(member.process, { kind: 'process', phase: 'stop' })
      const { process } = member
      member.millrace.close({ timeoutMs: 2_000 }).then(
        () => process.alive && restartLater(member, ms),
        (error: unknown) => errors.push(`close: ${String(error)}`),
      )
    } else if (does === 'requeue') void requeue(member, random.pick(GROUPS).group).catch(() => {})
  }

  async function requeue(member: Member, group: string): Promise<void> {
    const { process, millrace } = member
    const letters = await millrace.deadLetters.list({ group, limit: 1_000 })
    if (letters.length === 0) return
    const ids = letters.map(({ eventId }) => eventId)
    record(process, { kind: 'requeue', phase: 'invoke', group, ids })
    await millrace.deadLetters.requeue(letters.map(({ id }) => id))
    record(process, { kind: 'requeue', phase: 'ok', group, ids })
    rare.requeue += 1
  }

  async function replay(member: Member, group: string): Promise<void> {
    const { process, millrace } = member
    const state = await finalState()
    const types = GROUPS.find((candidate) => candidate.group === group)?.events.map(({ type }) => type) ?? []
    const ids = state.events.filter(({ type }) => types.includes(type)).map(({ id }) => id)
    record(process, { kind: 'replay', phase: 'invoke', group, ids })
    const { replayed } = await millrace.replay({
      group,
      from: 'earliest',
      to: new Date(process.runtime.now() + 3_600_000),
    })
    if (replayed !== ids.length) errors.push(`replay: ${replayed} of ${ids.length} events`)
    record(process, { kind: 'replay', phase: 'ok', group, ids })
    rare.replay += 1
  }

  async function finalState(): Promise<FinalState> {
    const { transport, stores } = engine.driver
    const stored = []
    for (const topic of Object.keys(TOPICS))
      stored.push(...(await transport.read({ topic, limit: 10_000 }).catch(() => [])))
    const letters = await stores.deadLetters.list({ limit: 10_000 })
    return {
      events: stored,
      letters: letters.map(({ group, topic, partition, position, record: { id, body }, attempts, code }) => ({
        group,
        id,
        topic,
        partition,
        position,
        body,
        attempts,
        code,
      })),
      groups: await finalGroups(),
    }
  }

  async function finalGroups(): Promise<FinalState['groups']> {
    const { transport, stores } = engine.driver
    const groups = []
    for (const { group, events: types, ordering, attempts } of GROUPS) {
      let lag = 0
      for (const topic of new Set(types.map((definition) => definition.topic))) {
        for (const partition of await transport.lag(topic, group)) lag += partition.lag
      }
      const { waiting, parked } = await stores.lane.counts(group)
      groups.push({
        group,
        types: types.map(({ type }) => type),
        ordering,
        attempts,
        lag,
        // Before the world is healed, keys are parked behind dead letters.
        waiting: healed ? waiting : waiting - parked,
      })
    }
    return groups
  }

  /** Lets time pass until nothing is left to handle; false when that takes too long. */
  async function drain(): Promise<boolean> {
    let drained = false
    let looking = true
    const look = (): void => {
      if (!looking) return
      finalGroups().then(
        (groups) => (drained = groups.every(({ lag, waiting }) => lag === 0 && waiting === 0)),
        () => {},
      )
      world.after(100, look)
    }
    look()
    const ended = await world.run(() => drained, drainWithinMs)
    looking = false
    return ended
  }

  function prepare(): void {
    const keys = Array.from({ length: random.between(4, 20) }, (_, at) => `k${at}`)
    for (let at = 0; at < 3; at += 1) members.push({ plan: [], down: true } as unknown as Member)
    let n = 0
    while (n < events) {
      const size = Math.min(events - n, random.chance(0.15) ? random.between(2, 12) : 1)
      const works = Array.from({ length: size }, () => ({
        definition: random.between(0, 2),
        data: { n: n++, key: random.pick(keys), behaviour: drawBehaviour(random) },
      }))
      members[random.between(0, 2)]?.plan.push({ at: random.between(0, CHAOS_MS * 0.8), works })
    }
    const poisoned = random.chance(0.3) ? members[0]?.plan[0]?.works[0] : undefined
    if (poisoned !== undefined) {
      for (const group of ['billing', 'audit', 'mail']) {
        Object.assign(poisoned.data.behaviour, { [group]: { does: 'kill', times: 100 } })
      }
    }
    for (const { plan } of members) plan.sort((a, b) => a.at - b.at)
    for (const planned of drawNemesis(random)) world.after(planned.at, () => attack(planned))
    for (let at = 0; at < CHAOS_MS; at += 1_000) world.after(at, () => calm || engine.setFaults(drawFaults(random)))
  }

  async function settleDown(): Promise<string | undefined> {
    calm = true
    engine.setFaults(NO_FAULTS)
    // Restarts that are due, late requests and cuts come to their end.
    await world.run(() => false, 4_000)
    if (!(await world.run(() => members.every(({ plan }) => plan.length === 0), 20_000)))
      return 'The publishers did not come to their end.'
    if (!(await drain())) return 'After the faults the groups did not drain.'
    return undefined
  }

  async function operate(): Promise<string | undefined> {
    const member = members.find(({ down, process }) => !down && process.alive)
    if (member === undefined) return 'No process is up after the faults.'
    const before = await finalState()
    rare['dead-letter'] += before.letters.length
    rare['poison-found'] += before.letters.filter(({ code }) => code === 'handler_killed_process').length
    healed = true
    let done = false
    const work = async (): Promise<void> => {
      for (const { group } of GROUPS) await requeue(member, group)
      await replay(member, 'billing')
      done = true
    }
    work().catch((error: unknown) => errors.push(`operate: ${String(error)}`))
    if (!(await world.run(() => done, 60_000))) return 'The requeue and the replay did not end.'
    if (!(await drain())) return 'After the requeue the groups did not drain.'
    return undefined
  }

  async function closeAll(): Promise<string | undefined> {
    let closed = 0
    const up = members.filter(({ down }) => !down)
    for (const { millrace } of up)
      millrace.close().then(
        () => (closed += 1),
        (error: unknown) => errors.push(`close: ${String(error)}`),
      )
    return (await world.run(() => closed === up.length, 30_000))
      ? undefined
      : `${up.length - closed} processes did not close.`
  }

  async function play(): Promise<Simulated> {
    prepare()
    for (const member of [...members]) boot(member)
    await world.run(() => false, CHAOS_MS)
    const stuck = (await settleDown()) ?? (await operate()) ?? (await closeAll())
    const report = checkHistory(history, await finalState())
    rare['resent-stored-once'] = engine.counts.resentStoredOnce
    countRare(history, rare)
    return {
      seed: world.seed,
      traceHash: world.traceHash,
      report:
        stuck === undefined
          ? report
          : { ...report, violations: [...report.violations, { property: 'not-drained', text: stuck }] },
      rare,
      attacks,
      history,
      virtualMs: world.now,
      steps: world.steps,
      takeoverMs: takeovers(history),
      errors,
    }
  }

  return {
    play,
    incident({ kind }: IncidentDiagnosis): void {
      if (kind === 'lease-lost') rare['lease-lost'] += 1
      else if (kind === 'isolating') rare.isolation += 1
      else if (kind === 'partition-released') rare.rebalance += 1
    },
  }
}

function countRare(history: readonly HistoryEntry[], rare: RarePaths): void {
  const seen = new Set<string>()
  for (const entry of history) {
    if (entry.kind === 'handle' && entry.phase === 'start') {
      const name = `${entry.group} ${entry.id} ${entry.generation}`
      if (seen.has(name)) rare.redelivery += 1
      seen.add(name)
    } else if (entry.kind === 'publish' && entry.phase === 'info') rare['unknown-publish'] += 1
    else if (entry.kind === 'publish' && entry.phase === 'fail') rare['rejected-publish'] += 1
    else if (entry.kind === 'write') {
      if (!entry.accepted) rare['fenced-write'] += 1
      else if (entry.operation === 'lane-add') rare['side-lane'] += 1
    }
  }
}

function takeovers(history: readonly HistoryEntry[]): number[] {
  const owners = new Map<string, string>()
  const killedAt = new Map<string, number>()
  const times: number[] = []
  for (const entry of history) {
    if (entry.kind === 'process' && entry.phase === 'kill') killedAt.set(entry.process, entry.at)
    if (entry.kind !== 'claim') continue
    const place = `${entry.group} ${entry.topic} ${entry.partition}`
    const killed = killedAt.get(owners.get(place) ?? '')
    if (killed !== undefined) times.push(entry.at - killed)
    owners.set(place, entry.process)
  }
  return times
}
