import type { Driver } from '../driver/driver.ts'
import { createMemoryEngine, type MemoryEngine } from '../memory/engine.ts'
import { memory } from '../memory/memory-driver.ts'
import { MillraceError } from '../runtime/error.ts'
import { silentLog } from '../runtime/log.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { World } from './world.ts'

/** What a request does at the server. A change must do all its work before it first waits. */
export interface ServerRequest<Answer> {
  readonly isChange: boolean
  run(server: { readonly driver: Driver; readonly engine: MemoryEngine; readonly epoch: number }): Promise<Answer>
}

/** How a request ends: `refused` certainly did nothing, `lost` may have done anything. */
export type ServerReply<Answer> =
  | { readonly kind: 'answer'; readonly answer: Answer }
  | { readonly kind: 'error'; readonly error: unknown }
  | { readonly kind: 'refused' | 'lost' }

/**
 * The real memory engine behind a write-ahead log: no reply leaves before everything that it could have seen is synced,
 * and a crash goes back to the last sync.
 */
export interface SimulatedServer {
  handle<Answer>(request: ServerRequest<Answer>, reply: (reply: ServerReply<Answer>) => void): void
  /** A heartbeat: volatile, never answered. */
  readonly engine: MemoryEngine
  /** Forgets what is not synced, breaks all connections and is away for `downMs`. Returns how many changes were lost. */
  crash(downMs: number): number
  /** Does nothing for `ms`, then everything that came meanwhile, in order. */
  stall(ms: number): void
  /** A driver that looks at the state directly, without network: for the checker. */
  readonly driver: Driver
}

export function createSimulatedServer(world: World, { syncMs }: { readonly syncMs: () => number }): SimulatedServer {
  let log: { readonly run: ServerRequest<unknown>['run']; readonly at: number }[] = []
  let synced = 0
  let syncing = false
  let held: { readonly upTo: number; readonly send: () => void }[] = []
  let epoch = 0
  let down = false
  let stalledUntil = 0
  let replayingAt: number | undefined
  const open = new Set<() => void>()

  const time = (): number => replayingAt ?? world.now
  const runtime: Runtime = {
    now: () => world.beginsAt + Math.floor(time()),
    monotonic: time,
    setTimer: (run, ms) => world.after(ms, run),
    defer: (run) => void world.after(0, run),
    afterPromises: (run) => void world.after(0, run),
    random: world.random.fork().next,
    id: () => 'server',
    log: silentLog,
  }
  let engine = createMemoryEngine()
  let driver = openDriver()

  function openDriver(): Driver {
    const opened = memory({ engine }).open(runtime)
    void opened.transport.connect()
    return opened
  }

  function sync(): void {
    if (syncing || synced === log.length) return
    syncing = true
    const at = epoch
    const upTo = log.length
    world.after(syncMs(), () => {
      if (at !== epoch) return
      syncing = false
      synced = upTo
      const ready = held.filter((reply) => reply.upTo <= synced)
      held = held.filter((reply) => reply.upTo > synced)
      for (const reply of ready) reply.send()
      sync()
    })
  }

  function execute<Answer>(request: ServerRequest<Answer>, reply: (reply: ServerReply<Answer>) => void): void {
    const at = epoch
    const lose = (): void => reply({ kind: 'lost' })
    open.add(lose)
    const answered = request.run({ driver, engine, epoch })
    if (request.isChange) {
      log.push({ run: request.run, at: world.now })
      sync()
    }
    const finish = (outcome: ServerReply<Answer>): void => {
      if (at !== epoch) return
      const send = (): void => {
        if (open.delete(lose)) reply(outcome)
      }
      if (log.length <= synced) send()
      else held.push({ upTo: log.length, send })
    }
    answered.then(
      (answer) => finish({ kind: 'answer', answer }),
      (error: unknown) => finish({ kind: 'error', error }),
    )
  }

  function recover(): void {
    const old = driver
    engine = createMemoryEngine()
    driver = openDriver()
    void old.transport.close()
    for (const { run, at } of log) {
      replayingAt = at
      run({ driver, engine, epoch }).catch(() => {})
    }
    replayingAt = undefined
  }

  const handle: SimulatedServer['handle'] = (request, reply) => {
    if (down) reply({ kind: 'refused' })
    else if (stalledUntil > world.now) world.after(stalledUntil - world.now, () => handle(request, reply))
    else execute(request, reply)
  }

  return {
    handle,
    get engine() {
      return engine
    },
    get driver() {
      return driver
    },
    crash(downMs) {
      const lost = log.length - synced
      log = log.slice(0, synced)
      held = []
      syncing = false
      down = true
      epoch += 1
      const broken = [...open]
      open.clear()
      for (const lose of broken) lose()
      recover()
      world.after(downMs, () => (down = false))
      return lost
    },
    stall: (ms) => void (stalledUntil = Math.max(stalledUntil, world.now + ms)),
  }
}

/** What a client makes of a reply that did not come. */
export function unreachable(kind: 'refused' | 'lost'): MillraceError {
  return new MillraceError(
    'engine_unreachable',
    kind === 'refused' ? 'The simulated engine refuses connections.' : 'The connection to the simulated engine broke.',
    { retriable: true },
  )
}
