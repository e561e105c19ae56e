import { createMillrace } from '@millrace/core'
import { memory } from '@millrace/core/memory'
import { expect, test } from 'vitest'
import { createServer } from '../src/index.ts'
import { cloudEvent, command, post, serving, until } from './serving.ts'
import { openStream } from './sse-client.ts'

const millrace = createMillrace({ engine: memory() })

test.each(['0.0.0.0', '::', '192.168.1.4', 'example.org'])(
  'listening on %s is refused unless allowInsecure',
  (host) => {
    expect(() => createServer({ millrace, host })).toThrow(
      expect.objectContaining({ code: 'config_invalid', path: 'host' }),
    )
    createServer({ millrace, host, allowInsecure: true })
  },
)

test.each([
  [{ port: 99_999 }, 'port'],
  [{ limits: { bodyBytes: -1 } }, 'limits.bodyBytes'],
  [{ limits: { bodyByte: 1 } as object }, 'limits.bodyByte'],
  [{ prt: 4_400 } as object, 'prt'],
  [{ millrace: undefined } as object, 'millrace'],
  [{ timeouts: { headersMs: Number.NaN } }, 'timeouts.headersMs'],
  [{ mounts: [{ path: '/v1/x', name: '', description: '', fetch: () => new Response() }] }, 'mounts[0].path'],
  [{ mounts: [{ path: 'x/../y', name: '', description: '', fetch: () => new Response() }] }, 'mounts[0].path'],
])('%j is refused', (options, path) => {
  expect(() => createServer({ millrace, ...options })).toThrow(
    expect.objectContaining({ code: 'config_invalid', path }),
  )
})

test('a port that is taken says so', async () => {
  await using app = await serving()
  const second = createServer({ millrace, port: Number(new URL(app.url).port) })
  await expect(second.listen()).rejects.toMatchObject({ code: 'config_invalid', path: 'port' })
  await second.close()
})

test('close is idempotent, also before listening', async () => {
  const server = createServer({ millrace, port: 0 })
  await Promise.all([server.close(), server.close()])
})

test('stopping under load: every event that was answered stored is there, streams end with a last message', async () => {
  await using app = await serving()
  await post(app.url, cloudEvent('first'))
  const client = await openStream(app.url)
  const stored: string[] = ['first']
  let sent = 0
  const clients = Array.from({ length: 8 }, async () => {
    for (;;) {
      const batch = Array.from({ length: 10 }, () => cloudEvent(`e-${sent++}`))
      const result = await post(app.url, batch).catch(() => undefined)
      if (result?.status !== 202) return
      stored.push(...result.answer.results.map(({ id }: { id: string }) => id))
    }
  })
  await until(() => stored.length > 500)
  await app.server.close({ timeoutMs: 60_000 })
  await Promise.all(clients)
  let last = await client.next()
  for (let next = last; next !== undefined; next = await client.next()) last = next
  expect(last?.event).toBe('end')
  await expect(fetch(`${app.url}/healthz`)).rejects.toThrow()
  const missing: string[] = []
  for (const id of stored) if ((await app.millrace.find(id)).length !== 1) missing.push(id)
  expect(missing).toEqual([])
})

test('readiness follows the engine, liveness does not', async () => {
  await using app = await serving()
  expect(await command(app.url, '/readyz', undefined, 'GET')).toMatchObject({
    status: 200,
    answer: { status: 'ready' },
  })
  await app.millrace.close()
  expect(await command(app.url, '/readyz', undefined, 'GET')).toMatchObject({
    status: 503,
    answer: {
      checks: [
        { name: 'engine', status: 'down' },
        { name: 'server', status: 'up' },
      ],
    },
  })
  expect((await fetch(`${app.url}/healthz`)).status).toBe(200)
  expect(await (await fetch(`${app.url}/metrics`)).text()).toContain('millrace_engine_up 0')
})

test('a mounted application sees its own paths, bodies and headers', async () => {
  const seen: string[] = []
  const fetchApp = async (request: Request): Promise<Response> => {
    const url = new URL(request.url)
    seen.push(`${request.method} ${url.pathname}${url.search} ${await request.clone().text()}`)
    return new Response('fine', {
      headers: { 'x-app': request.headers.get('x-asked') ?? '', 'referrer-policy': 'origin' },
    })
  }
  await using app = await serving({
    server: { mounts: [{ path: '/shop', name: 'Shop', description: 'Sells', fetch: fetchApp }] },
  })
  const redirect = await fetch(`${app.url}/shop?x=1`, { redirect: 'manual' })
  expect([redirect.status, redirect.headers.get('location')]).toEqual([308, '/shop/?x=1'])
  const answer = await fetch(`${app.url}/shop/cart/7?y=2`, {
    method: 'POST',
    body: 'hello',
    headers: { 'x-asked': 'yes' },
  })
  expect(seen).toEqual(['POST /cart/7?y=2 hello'])
  expect([
    answer.headers.get('x-app'),
    answer.headers.get('referrer-policy'),
    answer.headers.get('x-content-type-options'),
  ]).toEqual(['yes', 'origin', 'nosniff'])
  const foreign = await fetch(`${app.url}/shop/cart`, { method: 'POST', headers: { origin: 'https://evil.example' } })
  expect(foreign.status).toBe(403)
  expect((await fetch(`${app.url}/shopping`)).status).toBe(404)
})
