import { channels, createMillrace, isMillraceError, type IncidentDiagnosis, type Millrace } from '../../src/index.ts'
import type { Engine } from '../../src/driver/driver.ts'
import { createCast, type CastMember } from '../../src/testing/cast.ts'
import { checkHistory, type HistoryReport } from '../../src/testing/check-history.ts'
import type { FinalState, HistoryEntry } from '../../src/testing/history.ts'
import type { Random } from '../../src/testing/random.ts'
import { recordingEngine } from '../../src/testing/recording-engine.ts'
import { simulatedEngine, type SimulatedEngine } from '../../src/testing/simulated-engine.ts'
import { createWorld, type SimulatedProcess, type World } from '../../src/testing/world.ts'
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

const MEMBERS = 3
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

type Speaker = Pick<CastMember<Millrace>, 'process' | 'player'>

/** Publishes that a member has left, soonest first. */
type Plan = {
  readonly at: number
  readonly works: readonly { readonly definition: number; readonly data: Work }[]
}[]

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
  const plans: Plan[] = []
  const cast = createCast<Millrace>({
    world,
    engine,
    random,
    chaosMs: CHAOS_MS,
    start,
    onAttack: (does, { process, player }) => {
      if (does === 'requeue') void requeue({ process, player }, random.pick(GROUPS).group).catch(() => {})
    },
  })
  const { record, errors } = cast
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
  let runs = 0

  function start(process: SimulatedProcess, at: number): Millrace {
    const millrace = createMillrace({
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
    for (const group of GROUPS) subscribe(millrace, process, group)
    publishNext({ process, player: millrace }, plans[at] ?? [])
    return millrace
  }

  function subscribe(millrace: Millrace, process: SimulatedProcess, group: SimulatedGroup): void {
    const handler = createHandler(group.group, {
      start(event) {
        runs += 1
        record(process, { kind: 'handle', phase: 'start', run: runs, ...event })
        return runs
      },
      end: (run, outcome) => record(process, { kind: 'handle', phase: 'end', run, outcome }),
      after: (ms, then) => void process.after(ms, then),
      killProcess() {
        cast.kill(process, 200)
      },
      get healed() {
        return healed
      },
    })
    const attempt = (): void => {
      millrace
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

  function publishNext(speaker: Speaker, plan: Plan): void {
    const next = plan[0]
    if (next === undefined) return
    speaker.process.after(Math.max(0, next.at - world.now), () => {
      if (cast.members.some(({ process, down }) => process === speaker.process && down)) return
      plan.shift()
      void publish(speaker, next.works)
      publishNext(speaker, plan)
    })
  }

  async function publish({ process, player: millrace }: Speaker, works: Plan[number]['works']): Promise<void> {
    const messages = works.map(({ definition, data }) =>
      (DEFINITIONS[definition] ?? NoteAdded).create(data, {
        id: process.runtime.id(),
        source: '/sim',
        timestamp: new Date(process.runtime.now()),
      }),
    )
    for (const { id, type } of messages) record(process, { kind: 'publish', phase: 'invoke', id, type })
    const settle = (id: string, outcome: string, code: string): void => {
      if (outcome === 'stored') record(process, { kind: 'publish', phase: 'ok', id })
      else if (outcome === 'unknown') record(process, { kind: 'publish', phase: 'info', id, code })
      else record(process, { kind: 'publish', phase: 'fail', id, code })
    }
    const first = messages[0]
    if (messages.length === 1 && first !== undefined) {
      try {
        await millrace.publish(first)
        settle(first.id, 'stored', '')
      } catch (error) {
        const code = isMillraceError(error) ? error.code : String(error)
        settle(first.id, code === 'publish_unknown' ? 'unknown' : 'rejected', code)
      }
      return
    }
    const results = await millrace.publishBatch(messages)
    results.forEach((result) => settle(result.id, result.outcome, result.outcome === 'stored' ? '' : result.error.code))
  }

  async function requeue({ process, player: millrace }: Speaker, group: string): Promise<void> {
    const letters = await millrace.deadLetters.list({ group, limit: 1_000 })
    if (letters.length === 0) return
    const ids = letters.map(({ eventId }) => eventId)
    record(process, { kind: 'requeue', phase: 'invoke', group, ids })
    await millrace.deadLetters.requeue(letters.map(({ id }) => id))
    record(process, { kind: 'requeue', phase: 'ok', group, ids })
    rare.requeue += 1
  }

  async function replay({ process, player: millrace }: Speaker, group: string): Promise<void> {
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
    for (let at = 0; at < MEMBERS; at += 1) plans.push([])
    let n = 0
    while (n < events) {
      const size = Math.min(events - n, random.chance(0.15) ? random.between(2, 12) : 1)
      const works = Array.from({ length: size }, () => ({
        definition: random.between(0, 2),
        data: { n: n++, key: random.pick(keys), behaviour: drawBehaviour(random) },
      }))
      plans[random.between(0, MEMBERS - 1)]?.push({ at: random.between(0, CHAOS_MS * 0.8), works })
    }
    const poisoned = random.chance(0.3) ? plans[0]?.[0]?.works[0] : undefined
    if (poisoned !== undefined) {
      for (const group of ['billing', 'audit', 'mail']) {
        Object.assign(poisoned.data.behaviour, { [group]: { does: 'kill', times: 100 } })
      }
    }
    for (const plan of plans) plan.sort((a, b) => a.at - b.at)
  }

  async function settleDown(): Promise<string | undefined> {
    await cast.calm()
    if (!(await world.run(() => plans.every((plan) => plan.length === 0), 20_000)))
      return 'The publishers did not come to their end.'
    if (!(await drain())) return 'After the faults the groups did not drain.'
    return undefined
  }

  async function operate(): Promise<string | undefined> {
    const member = cast.members.find(({ down, process }) => !down && process.alive)
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

  async function play(): Promise<Simulated> {
    prepare()
    await cast.play(MEMBERS)
    const stuck = (await settleDown()) ?? (await operate()) ?? (await cast.closeAll())
    const { history, attacks } = cast
    const report = checkHistory(history, await finalState())
    rare['engine-crash-lost-tail'] = cast.lostTails
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
