import type { LinkListener, NodeRedisClient, RedisLink, Subscriber, Word } from './link.ts'

/** The kinds of clients of node-redis, told apart by how they send. */
export interface NodeRedisKind<Client extends NodeRedisClient> {
  /** Makes a client that is not connected yet; while `keepTrying` says so it opens a lost connection again. */
  make(keepTrying: () => boolean): Client
  readonly clustered: boolean
  readonly keepsOrder: boolean
  /** Resolves when no connection is being opened: one that is when a client of a cluster closes would stay open. */
  opened?(client: Client): Promise<unknown>
  /** The pause after so many attempts to open a connection anew, for clients that give up by themselves. */
  pause?(retries: number): Promise<void>
  /** Says better than the library what an error of the connection means. Default: as it is. */
  explain?(error: unknown): Error
  send(client: Client, args: readonly Word[], key: string | undefined): Promise<unknown>
}

/** A link over clients of node-redis that the driver makes itself. */
export function ownNodeRedisLink<Client extends NodeRedisClient>(kind: NodeRedisKind<Client>): RedisLink & Subscriber {
  const listeners: LinkListener[] = []
  const channels = new Map<string, (message: string) => void>()
  let everConnected = false
  let connected = false
  let closed = false
  let client = open()

  function open(): Client {
    const made = kind.make(() => everConnected && !closed)
    const isCurrent = (): boolean => made === client
    made.on('ready', () => {
      if (isCurrent() && connected) for (const { onReady } of listeners) onReady()
    })
    made.on('error', (error) => {
      if (isCurrent()) tell(error)
    })
    return made
  }

  const link: RedisLink & Subscriber = {
    clustered: kind.clustered,
    keepsOrder: kind.keepsOrder,
    get ready() {
      return connected && !closed && (client.isReady ?? client.isOpen ?? true)
    },
    async connect() {
      await client.connect().catch((error: unknown) => {
        throw explained(error)
      })
      everConnected = true
      connected = true
    },
    send: (args, key) => kind.send(client, args, key),
    listen: (listener) => void listeners.push(listener),
    reset() {
      if (closed || !connected) return
      const old = client
      connected = false
      client = open()
      void destroy(old)
      void reopen(0)
    },
    subscriber: () => ownNodeRedisLink(kind),
    async subscribe(channel, onMessage) {
      channels.set(channel, onMessage)
      await client.subscribe(channel, onMessage)
    },
    async close() {
      closed = true
      if (client.isOpen === false) return
      await kind.opened?.(client)
      await Promise.resolve(client.close()).catch(() => destroy(client))
    },
  }

  function explained(error: unknown): Error {
    return kind.explain?.(error) ?? (error as Error)
  }

  function tell(error: unknown): void {
    const told = explained(error)
    for (const { onError } of listeners) onError(told)
  }

  async function reopen(retries: number): Promise<void> {
    const opened = client
    try {
      await opened.connect()
    } catch (error) {
      tell(error)
      void destroy(opened)
      // A client of a cluster gives up when no node answers, and never tries again by itself.
      await kind.pause?.(retries)
      if (closed || client !== opened || kind.pause === undefined) return
      client = open()
      return reopen(retries + 1)
    }
    if (closed || client !== opened) return
    connected = true
    for (const [channel, onMessage] of channels) opened.subscribe(channel, onMessage).catch(() => undefined)
    for (const { onReady } of listeners) onReady()
  }

  return link
}

/** A link over a client that the caller has made, and closes. */
export function givenNodeRedisLink(
  client: NodeRedisClient,
  kind: Omit<NodeRedisKind<NodeRedisClient>, 'make'>,
): RedisLink {
  const listeners: LinkListener[] = []
  const hearReady = (): void => {
    for (const { onReady } of listeners) onReady()
  }
  const hearError = (error: unknown): void => {
    for (const { onError } of listeners) onError(error as Error)
  }
  return {
    clustered: kind.clustered,
    keepsOrder: kind.keepsOrder,
    get ready() {
      return client.isReady ?? client.isOpen ?? true
    },
    async connect() {
      if (client.isOpen === false) await client.connect()
      client.on('ready', hearReady)
      client.on('error', hearError)
    },
    send: (args, key) => kind.send(client, args, key),
    listen: (listener) => void listeners.push(listener),
    reset() {},
    subscriber: () =>
      ownNodeRedisLink({
        ...kind,
        make: () => (client.duplicate === undefined ? client : client.duplicate()) as NodeRedisClient,
      }),
    async close() {
      client.off('ready', hearReady)
      client.off('error', hearError)
    },
  }
}

async function destroy(client: NodeRedisClient): Promise<void> {
  try {
    await client.destroy()
  } catch {
    // It was closed already.
  }
}
