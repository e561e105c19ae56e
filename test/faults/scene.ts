import { setTimeout } from 'node:timers/promises'
import { isMillraceError } from '@millrace/core'
import type { Engine } from '@millrace/core/driver'
import { waitFor, type HistoryEntry, type Unstamped } from '@millrace/core/testing'
import { checkCrashes, type CrashReport } from '../crash/checker.ts'
import { crashEngine } from '../crash/crash-engine.ts'
import { drainAll, type Draining } from '../crash/drain.ts'
import { keepEvidence } from '../crash/evidence.ts'
import { readFinalState } from '../crash/final-state.ts'
import { machineNow } from '../crash/history-file.ts'
import { createMember, type Member } from '../crash/member.ts'
import { withDriver } from '../crash/with-driver.ts'

export interface SceneOptions {
  /** Of the tests, for the file of the report. */
  readonly name: string
  /** The engine as the checker reaches it: without a proxy, with all rights. */
  readonly url: string
  readonly leaseMs?: number
  /** Milliseconds that a publish may take. Default: that of the bus. */
  readonly publishTimeoutMs?: number
  /** Put around the engine of every member: a planted bug. */
  readonly plant?: (engine: Engine) => Engine
}

/** A member of a scene: it has connections of its own, and lives in the process of the test. */
export interface SceneMember extends Member {
  readonly name: string
  /** What it could tell no caller. */
  readonly errors: readonly unknown[]
}

/** Publishers and handlers under load in the process of the test, with a history of all that they do. */
export interface Scene {
  readonly history: readonly HistoryEntry[]
  /** Lets another member join the groups, over `url` (default: that of the scene). */
  join(url?: string): Promise<SceneMember>
  /** Lets one go in peace. */
  leave(member: SceneMember): Promise<void>
  /** All members publish in turn, one event every `everyMs` milliseconds (default 10), or as fast as these are stored, until the scene is finished. */
  load(everyMs?: number): void
  /** Kills one, as far as that goes within a process: cut it off first. */
  fell(member: SceneMember): void
  /** Writes down what was done to the engine. */
  nemesis(phase: 'crash' | 'stall' | 'restart'): void
  /** How many events were stored, or handled to their end, since `at` (default: ever). */
  count(what: 'stored' | 'handled', at?: number): number
  /**
   * Waits until that many more events (default 20) were stored and handled than now, by this member or by all together; gives how long
   * the first of each took, in milliseconds.
   */
  progress(least?: number, by?: SceneMember): Promise<{ readonly storedMs: number; readonly handledMs: number }>
  /** Waits until a publish fails, or nothing is known of it, from now on. */
  failure(): Promise<void>
  /** Waits until somebody takes a partition that the member holds now, from its dead hands; for at most `timeoutMs` (default 180,000). */
  takeover(from: SceneMember, timeoutMs?: number): Promise<void>
  /** Stops publishing, drains, lets the members go, and judges. Keeps the report where `MILLRACE_EVIDENCE` says. */
  finish(
    facts?: Readonly<Record<string, unknown>>,
    draining?: Pick<Draining, 'giveUpAfterMs' | 'requeue'>,
  ): Promise<CrashReport>
  [Symbol.asyncDispose](): Promise<void>
}

/** Short, as tests wait for it; longer than what a busy machine holds its processes up. */
const LEASE_MS = 3_000
/** So many publishes may be under way, or a slow machine would never get done with what it is given. */
const MOST_UNDER_WAY = 30
/** The first number that is published: behind those that ask for waits of seconds. */
const FIRST = 1_600

/** Sets a scene on an engine that is there. */
export function createScene({
  name: sceneName,
  url,
  leaseMs = LEASE_MS,
  publishTimeoutMs,
  plant = (engine) => engine,
}: SceneOptions): Scene {
  const history: HistoryEntry[] = []
  const members = new Set<SceneMember>()
  const fallen = new Set<SceneMember>()
  const publishing = new Set<Promise<void>>()
  let timer: NodeJS.Timeout | undefined
  let started = 0
  let published = FIRST

  const recordAs =
    (process: string) =>
    (entry: Unstamped): void =>
      void history.push({ at: machineNow(), process, ...entry })

  function publishNext(): void {
    const all = [...members]
    const member = all[published % all.length]
    if (member === undefined || publishing.size >= MOST_UNDER_WAY) return
    published += 1
    const one = member.publish(published).finally(() => publishing.delete(one))
    publishing.add(one)
  }

  const scene: Scene = {
    history,
    async join(through = url) {
      started += 1
      const name = `m${started}`
      const member = createMember({
        engine: plant(await crashEngine(through)),
        record: recordAs(name),
        leaseMs,
        groups: ['billing', 'audit'],
        onError: (error) => errors.push(error),
        ...(publishTimeoutMs === undefined ? {} : { publishTimeoutMs }),
      })
      const errors: unknown[] = []
      const joined = { ...member, name, errors }
      members.add(joined)
      await member.join()
      return joined
    },
    async leave(member) {
      members.delete(member)
      await member.close({ timeoutMs: 10_000 })
    },
    load(everyMs = 10) {
      clearInterval(timer)
      timer = setInterval(publishNext, everyMs)
    },
    fell(member) {
      members.delete(member)
      member.fall()
      recordAs(member.name)({ kind: 'process', phase: 'kill' })
      fallen.add(member)
    },
    nemesis: (phase) => recordAs('nemesis')({ kind: 'engine', phase }),
    count: (what, at = 0) => history.filter((entry) => entry.at > at && isDone(entry, what)).length,
    async progress(least = 20, by) {
      const from = history.length
      const began = machineNow()
      const firstOf = (what: 'stored' | 'handled'): number | undefined => {
        const done = history
          .slice(from)
          .filter((entry) => isDone(entry, what) && (by === undefined || entry.process === by.name))
        return done.length < least ? undefined : Math.round((done[0]?.at ?? began) - began)
      }
      const both = await waitFor(
        () => {
          const [storedMs, handledMs] = [firstOf('stored'), firstOf('handled')]
          return storedMs === undefined || handledMs === undefined ? undefined : { storedMs, handledMs }
        },
        { timeoutMs: 180_000, what: `${least} events to be stored and handled` },
      )
      return both
    },
    async failure() {
      const from = history.length
      const isFailure = (entry: HistoryEntry): boolean =>
        entry.kind === 'publish' && (entry.phase === 'fail' || entry.phase === 'info')
      await waitFor(() => history.slice(from).some(isFailure), { timeoutMs: 180_000, what: 'publishes to fail' })
    },
    async takeover({ name }, timeoutMs = 180_000) {
      const mine = heldBy(history, name)
      const from = history.length
      const isTaken = (entry: HistoryEntry): boolean =>
        entry.kind === 'claim' && !entry.clean && mine.has(placeOf(entry))
      await waitFor(() => history.slice(from).some(isTaken), { timeoutMs, what: 'somebody to take over' })
    },
    async finish(facts = {}, draining = {}) {
      clearInterval(timer)
      await Promise.all(publishing)
      const record = recordAs('operator')
      await drainAll({
        engine: url,
        record,
        healed: () => members.forEach((member) => member.heal()),
        ...draining,
      })
      await Promise.all([...members].map((member) => scene.leave(member)))
      const report = checkCrashes(history, await withDriver(url, readFinalState))
      keepEvidence(sceneName, { name: sceneName, ...facts, ...report })
      return report
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      await Promise.all([...members].map((member) => scene.leave(member).catch(() => undefined)))
      await Promise.all([...fallen].map((member) => member.close({ timeoutMs: 0 }).catch(() => undefined)))
    },
  }
  return scene
}

/** How long a fault lasts, in milliseconds. */
export async function lasting(ms: number): Promise<void> {
  await setTimeout(ms)
}

/** The codes with which publishes failed, each once. */
export function failuresOf({ history }: Scene): readonly string[] {
  const codes = history.flatMap((entry) =>
    entry.kind === 'publish' && (entry.phase === 'fail' || entry.phase === 'info') ? [entry.code] : [],
  )
  return [...new Set(codes)].toSorted()
}

/** The codes of the errors, each once. */
export function codesOf(errors: readonly unknown[]): readonly string[] {
  return [...new Set(errors.map((error) => (isMillraceError(error) ? error.code : String(error))))].toSorted()
}

/** The partitions of which this process was the last to claim them. */
function heldBy(history: readonly HistoryEntry[], process: string): ReadonlySet<string> {
  const owners = new Map<string, string>()
  for (const entry of history) if (entry.kind === 'claim') owners.set(placeOf(entry), entry.process)
  return new Set([...owners].flatMap(([place, owner]) => (owner === process ? [place] : [])))
}

function placeOf({ group, topic, partition }: Extract<HistoryEntry, { readonly kind: 'claim' }>): string {
  return `${group} ${topic} ${partition}`
}

function isDone(entry: HistoryEntry, what: 'stored' | 'handled'): boolean {
  return what === 'stored'
    ? entry.kind === 'publish' && entry.phase === 'ok'
    : entry.kind === 'handle' && entry.phase === 'end' && entry.outcome === 'done'
}
