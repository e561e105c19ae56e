import { Redis } from 'ioredis'

/** Runs `use` with a connection that neither retries nor waits for a server that is away. */
export async function withRedis<T>(url: string, use: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis(url, {
    lazyConnect: true,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    connectTimeout: 5_000,
    // A sentinel and a server that is loading answer INFO and ROLE, yet are not "ready" for ioredis.
    enableReadyCheck: false,
  })
  client.on('error', () => undefined)
  try {
    await client.connect()
    return await use(client)
  } finally {
    client.disconnect()
  }
}

/** Asks the server of a URL one command over a connection of its own. */
export function askRedis(url: string, command: string, ...args: readonly string[]): Promise<unknown> {
  return withRedis(url, (client) => client.call(command, ...args))
}
