import type { IoredisClient, LinkListener, RedisLink, Subscriber } from './link.ts'

/** A link over a client of ioredis, alone, with Sentinels or a cluster, that the caller has made, and closes. */
export function ioredisLink(client: IoredisClient): RedisLink {
  return link(client, false)
}

function link(client: IoredisClient, own: boolean): RedisLink & Subscriber {
  const listeners: LinkListener[] = []
  const onMessage = new Map<string, (message: string) => void>()
  const hears: Readonly<Record<string, (...values: unknown[]) => void>> = {
    ready() {
      for (const { onReady } of listeners) onReady()
    },
    error(error) {
      for (const { onError } of listeners) onError(error as Error)
    },
    message: (channel, message) => onMessage.get(String(channel))?.(String(message)),
  }
  for (const [event, hear] of Object.entries(hears)) client.on(event, hear)
  return {
    clustered: client.isCluster,
    keepsOrder: !client.isCluster,
    get ready() {
      return client.status === 'ready'
    },
    async connect() {
      if (client.status === 'wait') await client.connect()
      else await client.call('PING')
    },
    send: ([command = '', ...args]) => client.call(String(command), ...args),
    listen: (listener) => void listeners.push(listener),
    reset() {
      if (own) client.disconnect(true)
    },
    subscriber: () => link(client.duplicate() as IoredisClient, true),
    async subscribe(channel, listener) {
      onMessage.set(channel, listener)
      await client.subscribe(channel)
    },
    async close() {
      if (own) return client.disconnect()
      for (const [event, hear] of Object.entries(hears)) client.off(event, hear)
    },
  }
}
