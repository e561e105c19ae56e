import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { startFaultProxy } from '../src/index.ts'
import type { FaultProxy } from '../src/index.ts'

const cleanups: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

test('without a fault bytes and ends pass both ways', async () => {
  const { proxy, server } = await start()
  const client = await open(proxy)
  expect(await ask(client, 'hello')).toBe('hello')
  client.socket.end()
  await once(client.socket, 'close')
  expect(server.got()).toBe('hello')
  await expect.poll(() => proxy.connections).toBe(0)
  expect([proxy.count('opened'), proxy.count('closed'), proxy.count('reset')]).toEqual([1, 1, 0])
})

test('latency holds each direction back for its own time, in order', async () => {
  const { proxy, server } = await start()
  const client = await open(proxy)
  await proxy.set({ latencyMs: { toServer: 40, toClient: 60 } })
  const began = performance.now()
  client.socket.write('a')
  client.socket.write('b')
  await expect.poll(() => server.got()).toBe('ab')
  // A timer may fire a fraction of a millisecond early.
  expect(performance.now() - began).toBeGreaterThan(39)
  await expect.poll(() => client.got()).toBe('ab')
  expect(performance.now() - began).toBeGreaterThan(98)
})

test('bytes travel in pieces, and no faster than is set', async () => {
  const { proxy, server } = await start()
  const client = await open(proxy)
  await proxy.set({ pieceBytes: 3, bytesPerSecond: 100 })
  const began = performance.now()
  expect(await ask(client, '0123456789')).toBe('0123456789')
  expect(performance.now() - began).toBeGreaterThan(98)
  expect(server.pieces().every((piece) => piece.length <= 3)).toBe(true)
})

test('a partition holds bytes back and lets them travel when it is over', async () => {
  const { proxy, server } = await start()
  const client = await open(proxy)
  await proxy.set({ hold: 'both' })
  const held = proxy.next('held')
  client.socket.write('late')
  expect(await held).toEqual({ kind: 'held', connection: 1 })
  expect(server.got()).toBe('')
  await proxy.heal()
  await expect.poll(() => client.got()).toBe('late')
})

test('a partition in one direction lets the other through', async () => {
  const { proxy, server } = await start()
  const client = await open(proxy)
  await proxy.set({ hold: 'toClient' })
  const held = proxy.next('held')
  client.socket.write('one way')
  await held
  expect([server.got(), client.got()]).toEqual(['one way', ''])
  await proxy.heal()
  await expect.poll(() => client.got()).toBe('one way')
})

test('half-open: all vanishes, ends too; what comes after the fault is reset', async () => {
  const { proxy, server } = await start()
  const client = await open(proxy)
  const leaving = await open(proxy)
  expect(await ask(client, 'before')).toBe('before')
  await proxy.set({ swallow: 'both' })
  const swallowed = proxy.next('swallowed')
  client.socket.write('lost')
  await swallowed
  const ended = proxy.next('swallowed')
  leaving.socket.end()
  await ended
  expect(server.got()).toBe('before')
  expect(server.open()).toBe(2)
  await proxy.heal()
  client.socket.write('too late')
  expect(await ending(client.socket)).toBe('ECONNRESET')
  expect(server.got()).toBe('before')
  expect(await ask(await open(proxy), 'new')).toBe('new')
})

test('a reset ends the open connections on both sides, not the next ones', async () => {
  const { proxy, server } = await start()
  const client = await open(proxy)
  expect(await ask(client, 'x')).toBe('x')
  const ended = ending(client.socket)
  expect(proxy.resetAll()).toBe(1)
  expect(await ended).toBe('ECONNRESET')
  await expect.poll(() => server.endings()).toEqual(['ECONNRESET'])
  expect(await ask(await open(proxy), 'y')).toBe('y')
})

test.each(['reset', 'close'] as const)(
  'a cut after n bytes lets exactly these through, then ends by %s',
  async (how) => {
    const { proxy, server } = await start()
    const client = await open(proxy)
    await proxy.set({ cut: { direction: 'toServer', afterBytes: 7, how } })
    client.socket.write('1234')
    await expect.poll(() => server.got()).toBe('1234')
    const cut = proxy.next('cut')
    client.socket.write('5678')
    await cut
    expect(await ending(client.socket)).toBe(how === 'reset' ? 'ECONNRESET' : 'closed')
    await expect.poll(() => server.open()).toBe(0)
    expect(server.got()).toBe('1234567')
  },
)

test('a swallowed reply: the request arrives, and nothing comes back or closes', async () => {
  const { proxy, server } = await start()
  const client = await open(proxy)
  proxy.strike({ at: 'COMMIT', does: 'swallow-reply' })
  expect(await ask(client, 'BEGIN')).toBe('BEGIN')
  const swallowed = proxy.next('swallowed')
  client.socket.write('COMMIT')
  await swallowed
  expect(server.got()).toBe('BEGINCOMMIT')
  expect(client.got()).toBe('BEGIN')
  expect(client.socket.destroyed).toBe(false)
  // It was struck once: the next connection is served.
  expect(await ask(await open(proxy), 'COMMIT')).toBe('COMMIT')
})

test.each([
  { does: 'reset-request', arrives: '' },
  { does: 'reset-reply', arrives: 'COMMIT' },
] as const)('$does resets at the request with the text', async ({ does, arrives }) => {
  const { proxy, server } = await start()
  const client = await open(proxy)
  proxy.strike({ at: 'COMMIT', does })
  const ended = ending(client.socket)
  client.socket.write('COMMIT')
  expect(await ended).toBe('ECONNRESET')
  expect([server.got(), client.got()]).toEqual([arrives, ''])
  expect(proxy.count('struck')).toBe(1)
})

test('a connection closed half-way: the server sees the end, its answer arrives', async () => {
  const { proxy, server } = await start()
  const client = await open(proxy)
  proxy.strike({ at: 'last', does: 'close-request' })
  client.socket.write('last')
  await expect.poll(() => client.got()).toBe('last')
  await expect.poll(() => server.ends()).toBe(1)
})

test('a duplicated connection brings the server every request twice, the client one answer', async () => {
  const { proxy, server } = await start()
  await proxy.set({ duplicate: true })
  const client = await open(proxy)
  expect(await ask(client, 'pay')).toBe('pay')
  await expect.poll(() => server.got()).toBe('paypay')
  expect(client.got()).toBe('pay')
})

test('refusing: new connections are refused, the open ones stay; healing listens on the same port', async () => {
  const { proxy } = await start()
  const client = await open(proxy)
  await proxy.set({ refuse: true })
  const refused = connect(proxy.port, '127.0.0.1')
  expect(await ending(refused)).toBe('ECONNREFUSED')
  expect(await ask(client, 'still')).toBe('still')
  await proxy.heal()
  expect(await ask(await open(proxy), 'again')).toBe('again')
})

test('pointed to another server, it leads new connections there', async () => {
  const { proxy, server } = await start()
  const other = await echoServer()
  const before = await open(proxy)
  proxy.pointTo(`tcp://127.0.0.1:${other.port}`)
  expect(await ask(before, 'old')).toBe('old')
  expect(await ask(await open(proxy), 'new')).toBe('new')
  expect([server.got(), other.got()]).toEqual(['old', 'new'])
})

test('a server that is away resets the connection', async () => {
  const { proxy, server } = await start()
  await server.stop()
  const socket = connect(proxy.port, '127.0.0.1')
  expect(await ending(socket)).toBe('ECONNRESET')
})

async function start(): Promise<{ proxy: FaultProxy; server: EchoServer }> {
  const server = await echoServer()
  const proxy = await startFaultProxy(`tcp://127.0.0.1:${server.port}`)
  cleanups.push(() => proxy.close())
  return { proxy, server }
}

interface EchoServer {
  readonly port: number
  /** All bytes of all connections in the order of their arrival. */
  got(): string
  pieces(): readonly string[]
  open(): number
  ends(): number
  endings(): readonly string[]
  stop(): Promise<void>
}

async function echoServer(): Promise<EchoServer> {
  const pieces: string[] = []
  const endings: string[] = []
  const sockets = new Set<Socket>()
  let ends = 0
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on('data', (bytes) => {
      pieces.push(bytes.toString())
      socket.write(bytes)
    })
    socket.on('end', () => {
      ends += 1
      socket.end()
    })
    socket.on('error', (error: NodeJS.ErrnoException) => endings.push(error.code ?? ''))
    socket.on('close', () => sockets.delete(socket))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const stop = async (): Promise<void> => {
    if (!server.listening) return
    server.close()
    for (const socket of sockets) socket.destroy()
    await once(server, 'close')
  }
  cleanups.push(stop)
  return {
    port: (server.address() as AddressInfo).port,
    got: () => pieces.join(''),
    pieces: () => pieces,
    open: () => sockets.size,
    ends: () => ends,
    endings: () => endings,
    stop,
  }
}

interface Client {
  readonly socket: Socket
  got(): string
}

async function open(proxy: FaultProxy): Promise<Client> {
  const socket = connect(proxy.port, '127.0.0.1').setNoDelay(true)
  await once(socket, 'connect')
  cleanups.push(() => void socket.destroy())
  let got = ''
  socket.on('data', (bytes) => (got += bytes.toString()))
  socket.on('error', () => undefined)
  return { socket, got: () => got }
}

async function ask(client: Client, text: string): Promise<string> {
  const before = client.got().length
  client.socket.write(text)
  await expect.poll(() => client.got().length).toBe(before + text.length)
  return client.got().slice(before)
}

/** How a connection ends: the code of its error, or `closed`. */
async function ending(socket: Socket): Promise<string> {
  let code = 'closed'
  socket.on('error', (error: NodeJS.ErrnoException) => (code = error.code ?? code))
  socket.resume()
  await new Promise((resolve) => socket.once('close', resolve))
  return code
}
