import { expect, test } from 'vitest'
import type { NodeRedisClient } from '../src/client/link.ts'
import { ownNodeRedisLink } from '../src/client/node-redis-link.ts'

test('a client that gives up while a connection is opened anew is replaced until one stands', async () => {
  let made = 0
  const link = ownNodeRedisLink({
    clustered: true,
    keepsOrder: false,
    pause: async () => undefined,
    make() {
      const attempt = (made += 1)
      const client: NodeRedisClient = {
        // As the client of a cluster does when no node answers: it fails, and leaves it at that.
        connect: async () => (attempt === 2 || attempt === 3 ? Promise.reject(new Error('no node')) : undefined),
        close: async () => undefined,
        destroy: async () => undefined,
        on: () => undefined,
        off: () => undefined,
        subscribe: async () => undefined,
        sendCommand: async () => undefined,
        isOpen: true,
      }
      return client
    },
    send: async () => 'PONG',
  })
  await link.connect()
  const back = Promise.withResolvers<void>()
  const errors: string[] = []
  link.listen({ onReady: back.resolve, onError: ({ message }) => void errors.push(message) })
  link.reset()
  await back.promise
  expect(link.ready).toBe(true)
  expect(made).toBe(4)
  expect(errors).toEqual(['no node', 'no node'])
  await link.close()
})
