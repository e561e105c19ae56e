import { EventEmitter, once } from 'node:events'
import { createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import type { Direction, ProxyEvent, ProxyEventKind, ProxyFaults, ProxyStrike } from './faults.ts'
import { createLink } from './link.ts'
import type { Link } from './link.ts'

/** A TCP proxy in front of a server, with faults that are switched while connections are open. */
export interface FaultProxy {
  /** The server's URL with the proxy's port. */
  readonly url: string
  readonly port: number
  /** Connections that are open now. */
  readonly connections: number
  /** Replaces the faults that are set. Settles when they hold for new connections too. */
  set(faults: ProxyFaults): Promise<void>
  /** No faults any more, no strikes either. */
  heal(): Promise<void>
  /** Waits for requests and strikes at them. */
  strike(strike: ProxyStrike): void
  /** New connections lead to another server, as when a name or an address moves in a failover. */
  pointTo(target: string): void
  /** Resets (RST) all open connections; gives their number. */
  resetAll(): number
  /** How often it has told of an event of the kind. */
  count(kind: ProxyEventKind): number
  /** The next event of the kind; rejects when the signal aborts. */
  next(kind: ProxyEventKind, options?: { readonly signal?: AbortSignal }): Promise<ProxyEvent>
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** Starts a proxy on a free port of the loopback interface for the server of the URL, whose port must be given. */
export async function startFaultProxy(target: string): Promise<FaultProxy> {
  const url = new URL(target)
  let upstream = addressOf(target)
  const links = new Set<Link>()
  const counts = new Map<ProxyEventKind, number>()
  const told = new EventEmitter().setMaxListeners(0)
  let faults: ProxyFaults = {}
  let strikes: { readonly strike: ProxyStrike; left: number }[] = []
  let cutLeft = Infinity
  let opened = 0
  let port = 0
  let server: Server | undefined

  function onConnection(client: Socket): void {
    opened += 1
    const connection = opened
    const tell = (kind: ProxyEventKind): void => {
      counts.set(kind, (counts.get(kind) ?? 0) + 1)
      told.emit(kind, { kind, connection } satisfies ProxyEvent)
    }
    const link = createLink(client, upstream, {
      faults: () => faults,
      tell,
      strikeAt(bytes) {
        const found = strikes.find(({ left, strike }) => left > 0 && bytes.includes(strike.at))
        if (found === undefined) return undefined
        found.left -= 1
        tell('struck')
        return found.strike.does
      },
      allowed: (direction) => (faults.cut?.direction === direction ? cutLeft : Infinity),
      travelled(direction: Direction, bytes: number): void {
        if (faults.cut?.direction !== direction || bytes === 0) return
        cutLeft -= bytes
        if (cutLeft > 0) return
        tell('cut')
        // What was just written must leave before the sockets are torn down.
        setImmediate(endAll, faults.cut.how)
      },
      closed() {
        links.delete(link)
        tell('closed')
      },
    })
    links.add(link)
    tell('opened')
  }

  function endAll(how: 'reset' | 'close'): void {
    for (const link of links) {
      if (how === 'reset') link.reset()
      else link.close()
    }
  }

  async function listen(): Promise<void> {
    if (server !== undefined) return
    server = createServer({ allowHalfOpen: true }, onConnection).listen(port, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    port = typeof address === 'object' && address !== null ? address.port : port
  }

  function stopListening(): void {
    server?.close()
    server = undefined
  }

  async function set(next: ProxyFaults): Promise<void> {
    faults = next
    cutLeft = next.cut?.afterBytes ?? Infinity
    for (const link of links) link.changed()
    if (next.refuse === true) stopListening()
    else await listen()
  }

  async function close(): Promise<void> {
    stopListening()
    endAll('close')
  }

  await listen()
  url.port = String(port)
  return {
    url: url.href,
    port,
    get connections() {
      return links.size
    },
    set,
    async heal() {
      strikes = []
      await set({})
    },
    strike: (strike) => void strikes.push({ strike, left: strike.times ?? 1 }),
    pointTo(next) {
      upstream = addressOf(next)
    },
    resetAll() {
      const { size } = links
      endAll('reset')
      return size
    },
    count: (kind) => counts.get(kind) ?? 0,
    async next(kind, options = {}) {
      const [event] = (await once(told, kind, options)) as [ProxyEvent]
      return event
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

function addressOf(target: string): { readonly host: string; readonly port: number } {
  const { hostname, port, protocol, host } = new URL(target)
  if (port === '') throw new Error(`A proxy needs a URL with a port, not ${protocol}//${host}.`)
  return { host: hostname, port: Number(port) }
}
