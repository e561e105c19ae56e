import { parentPort } from 'node:worker_threads'
import pg, { type Client, type ClientConfig } from 'pg'

/** A member to be counted up when its own thread does not. */
export interface BackupOrder {
  readonly member: string
  /** Quoted. */
  readonly schema: string
  readonly everyMs: number
  readonly aliveWithinMs: number
  readonly alive: Int32Array
  readonly beats: Int32Array
}

/** From the main thread: each `engine` is one opened driver. */
export type BackupMessage =
  | { readonly kind: 'open'; readonly engine: number; readonly config: ClientConfig }
  | { readonly kind: 'start'; readonly engine: number; readonly order: BackupOrder }
  | { readonly kind: 'stop'; readonly engine: number; readonly member: string }
  | { readonly kind: 'close'; readonly engine: number }

/** So many intervals without a beat of the main thread, then this one begins: half of a lease. */
const SILENT_INTERVALS = 2.5
const KEEP_OPEN_MS = 10_000
const PATIENCE_MS = 5_000

/** One connection, opened when it is needed and closed when it has not been for a while. */
function createLine(config: ClientConfig): { beat(schema: string, member: string): void; close(): void } {
  let client: Promise<Client> | undefined
  let idle: NodeJS.Timeout | undefined

  async function open(): Promise<Client> {
    const fresh = new pg.Client({
      ...config,
      pipeline: true,
      connectionTimeoutMillis: PATIENCE_MS,
      query_timeout: PATIENCE_MS,
    })
    fresh.on('error', close)
    await fresh.connect()
    return fresh
  }

  function close(): void {
    clearTimeout(idle)
    const ending = client
    client = undefined
    ending?.then((each) => each.end()).catch(() => undefined)
  }

  return {
    beat(schema, member) {
      clearTimeout(idle)
      idle = setTimeout(close, KEEP_OPEN_MS)
      client ??= open()
      client
        .then((each) => each.query(`UPDATE ${schema}.members SET count = count + 1 WHERE member = $1`, [member]))
        // The next tick tries again.
        .catch(close)
    },
    close,
  }
}

/** Looks at both stamps at the member's interval. */
function watch({ everyMs, aliveWithinMs, alive, beats }: BackupOrder, beat: () => void): NodeJS.Timeout {
  let stamp = Atomics.load(alive, 0)
  let stampAt = performance.now()
  let beaten = Atomics.load(beats, 0)
  let beatenAt = stampAt
  return setInterval(() => {
    const now = performance.now()
    const currentStamp = Atomics.load(alive, 0)
    if (currentStamp !== stamp) stampAt = now
    stamp = currentStamp
    const currentBeats = Atomics.load(beats, 0)
    if (currentBeats !== beaten) beatenAt = now
    beaten = currentBeats
    if (now - stampAt < aliveWithinMs && now - beatenAt >= SILENT_INTERVALS * everyMs) beat()
  }, everyMs)
}

interface Engine {
  readonly line: ReturnType<typeof createLine>
  readonly members: Map<string, NodeJS.Timeout>
}

const engines = new Map<number, Engine>()

function stop(engine: Engine | undefined, member: string): void {
  clearInterval(engine?.members.get(member))
  engine?.members.delete(member)
}

parentPort?.on('message', (message: BackupMessage) => {
  if (message.kind === 'open') {
    engines.set(message.engine, { line: createLine(message.config), members: new Map() })
    return
  }
  const engine = engines.get(message.engine)
  if (engine === undefined) return
  if (message.kind === 'start') {
    const { order } = message
    stop(engine, order.member)
    engine.members.set(
      order.member,
      watch(order, () => engine.line.beat(order.schema, order.member)),
    )
  } else if (message.kind === 'stop') stop(engine, message.member)
  else {
    for (const member of [...engine.members.keys()]) stop(engine, member)
    engine.line.close()
    engines.delete(message.engine)
  }
})
