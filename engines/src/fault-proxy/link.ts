import { connect } from 'node:net'
import type { Socket } from 'node:net'
import type { Direction, ProxyEventKind, ProxyFaults, ProxyStrike } from './faults.ts'
import { createPipe } from './pipe.ts'

/** A connection through the proxy: a socket on each side. */
export interface Link {
  /** The faults have changed: what waits may travel. */
  changed(): void
  /** Resets both sides (RST). */
  reset(): void
  close(): void
}

/** What a connection needs to know of its proxy. */
export interface LinkSurroundings {
  readonly faults: () => ProxyFaults
  readonly tell: (kind: ProxyEventKind) => void
  /** What happens at a request with these bytes, if a strike waits for it. */
  readonly strikeAt: (bytes: Buffer) => ProxyStrike['does'] | undefined
  /** Bytes of the direction that may travel before the cut. */
  readonly allowed: (direction: Direction) => number
  readonly travelled: (direction: Direction, bytes: number) => void
  readonly closed: () => void
}

/** Connects the client's socket with the server. */
export function createLink(
  client: Socket,
  { host, port }: { readonly host: string; readonly port: number },
  { faults, tell, strikeAt, allowed, travelled, closed }: LinkSurroundings,
): Link {
  const server = connect({ host, port, allowHalfOpen: true })
  const sockets = [client, server]
  // Its answers are read, so that the server is not held up, and dropped.
  const twin = faults().duplicate === true ? connect({ host, port }).resume() : undefined
  let struck: ProxyStrike['does'] | undefined
  let hasGap = false
  let isClosed = false

  const reset = (): void => {
    if (sockets.every((socket) => socket.destroyed)) return
    for (const socket of sockets) socket.resetAndDestroy()
    tell('reset')
  }
  const common = {
    faults,
    tell,
    reset,
    allowed,
    travelled,
    hasGap: () => hasGap,
    gap: () => void (hasGap = true),
  }
  const toServer = createPipe(
    { from: client, to: server, direction: 'toServer' },
    {
      ...common,
      pass(bytes) {
        const strike = strikeAt(bytes)
        struck = strike ?? struck
        if (strike === 'reset-request') {
          reset()
          return false
        }
        twin?.write(bytes)
        if (strike === 'close-request') setImmediate(() => toServer.end())
        return true
      },
    },
  )
  const toClient = createPipe(
    { from: server, to: client, direction: 'toClient' },
    {
      ...common,
      pass() {
        if (struck === 'reset-reply') reset()
        else if (struck === 'swallow-reply') tell('swallowed')
        return struck !== 'reset-reply' && struck !== 'swallow-reply'
      },
    },
  )
  for (const socket of sockets) {
    socket.setNoDelay(true)
    socket.on('error', () => undefined)
    socket.once('close', () => onClosed(socket))
  }
  twin?.on('error', () => undefined)

  function onClosed(socket: Socket): void {
    // A reset of one side is a reset of the other, unless that is what the fault hides.
    if (socket.errored !== null && faults().swallow === undefined) for (const each of sockets) each.resetAndDestroy()
    if (isClosed || !sockets.every((each) => each.destroyed)) return
    isClosed = true
    twin?.destroy()
    closed()
  }

  return {
    changed() {
      toServer.changed()
      toClient.changed()
    },
    reset,
    close: () => sockets.forEach((socket) => socket.destroy()),
  }
}
