/** A client that a caller may hand in: of `redis` (createClient, createCluster, createSentinel) or of `ioredis` (Redis, Cluster). */
export type RedisClient = NodeRedisClient | IoredisClient

/** What clients of node-redis have in common. */
export interface NodeRedisClient {
  connect(): Promise<unknown>
  close(): Promise<unknown> | void
  destroy(): Promise<unknown> | void
  on(event: string, listener: (...values: unknown[]) => void): unknown
  off(event: string, listener: (...values: unknown[]) => void): unknown
  subscribe(channel: string, listener: (message: string) => void): Promise<unknown>
  sendCommand(...given: never[]): Promise<unknown>
  duplicate?(): unknown
  readonly isReady?: boolean
  readonly isOpen?: boolean
}

/** What clients of ioredis have in common. */
export interface IoredisClient {
  readonly status: string
  readonly isCluster: boolean
  connect(): Promise<unknown>
  disconnect(reconnect?: boolean): void
  on(event: string, listener: (...values: unknown[]) => void): unknown
  off(event: string, listener: (...values: unknown[]) => void): unknown
  call(command: string, ...args: Word[]): Promise<unknown>
  subscribe(channel: string): Promise<unknown>
  duplicate(): unknown
}

/** A word of a command: text, or text that is encoded as UTF-8 already. */
export type Word = string | Buffer

/** The few things that the driver asks of a client library: raw commands in, raw replies out. */
export interface RedisLink {
  /** Whether keys are spread over several servers by slot. */
  readonly clustered: boolean
  /** Whether commands reach the server in the order in which they were sent. */
  readonly keepsOrder: boolean
  /** Whether a command would go out now. */
  readonly ready: boolean
  /** Opens what is not open. Rejects with the client's own error. */
  connect(): Promise<void>
  /** Sends a command; `key` decides the server of a cluster. Rejects with the client's or the server's error. */
  send(args: readonly Word[], key: string | undefined): Promise<unknown>
  /** Called when the link becomes ready after it was not, and with each error of the connection. */
  listen(listener: LinkListener): void
  /** Drops a connection that does not answer and opens another, if it is the driver's own. */
  reset(): void
  /** A link of its own to the same server for subscriptions; closed by whoever asked for it. */
  subscriber(): RedisLink & Subscriber
  /** Closes what the driver has opened. */
  close(): Promise<void>
}

export interface LinkListener {
  onReady(): void
  onError(error: Error): void
}

/** Hears announcements. */
export interface Subscriber {
  subscribe(channel: string, onMessage: (message: string) => void): Promise<void>
}
