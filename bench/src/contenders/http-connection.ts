import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** A keep-alive connection that carries one request after another. */
export interface HttpConnection {
  /** Sends a whole request, head and body, and resolves when the whole answer has come; throws unless its status is `status`. */
  send(request: Buffer, status: number): Promise<void>
  close(): void
}

/**
 * A client that costs next to nothing, for it shares the machine with the server that it measures: a bare socket and
 * HTTP/1.1 with a `content-length`, as load generators do it.
 */
export async function openConnection({ hostname, port }: URL): Promise<HttpConnection> {
  const socket: Socket = connect({ host: hostname, port: Number(port), noDelay: true })
  await once(socket, 'connect')
  let answer = ''
  let waiting: { readonly status: string; resolve(): void; reject(error: Error): void } | undefined

  socket.setEncoding('latin1')
  socket.on('data', (text: string) => {
    answer += text
    const head = answer.indexOf('\r\n\r\n')
    if (head === -1 || answer.length < head + 4 + lengthIn(answer)) return
    const { status = '', resolve, reject } = waiting ?? {}
    const got = answer.slice(9, 12)
    waiting = undefined
    answer = ''
    if (got === status) resolve?.()
    else reject?.(new Error(`The server answered ${got}.`))
  })
  const onEnd = (): void => waiting?.reject(new Error('The server has closed the connection.'))
  socket.on('error', onEnd).on('close', onEnd)

  return {
    send(request, status) {
      return new Promise((resolve, reject) => {
        waiting = { status: String(status), resolve, reject }
        socket.write(request)
      })
    },
    close: () => void socket.destroy(),
  }
}

function lengthIn(head: string): number {
  const at = head.toLowerCase().indexOf('\r\ncontent-length:')
  if (at === -1) throw new Error('The server answered without a length.')
  return Number.parseInt(head.slice(at + 17), 10)
}
