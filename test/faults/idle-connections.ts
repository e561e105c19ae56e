import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** Connections that somebody else holds. */
export interface IdleConnections extends Disposable {
  /** How many are open. */
  readonly open: number
}

/** Opens connections to a server until it takes no more, or `most` are open; `hello` is what a client says first. */
export async function takeConnections(url: string, most: number, hello?: Buffer): Promise<IdleConnections> {
  const { hostname, port } = new URL(url)
  const sockets = new Set<Socket>()
  for (let count = 0; count < most; count += 1) {
    const socket = connect(Number(port), hostname)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
    await once(socket, 'connect')
    sockets.add(socket)
    if (hello === undefined) continue
    socket.write(hello)
    // Asks for a password where there is room, and says why not where there is none.
    await once(socket, 'data')
  }
  return {
    get open() {
      return sockets.size
    },
    [Symbol.dispose]: () => sockets.forEach((socket) => socket.destroy()),
  }
}

/** The first message of a PostgreSQL client. */
export function startupMessage(user: string, database: string): Buffer {
  const words = Buffer.from(`user\0${user}\0database\0${database}\0\0`)
  const head = Buffer.alloc(8)
  head.writeInt32BE(words.length + 8, 0)
  // Version 3.0 of the protocol.
  head.writeInt32BE(196_608, 4)
  return Buffer.concat([head, words])
}
