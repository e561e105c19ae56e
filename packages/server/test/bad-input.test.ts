import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { gzipSync } from 'node:zlib'
import { BATCH, cloudEvent, post, rawExchange, serving, STRUCTURED, until, type Serving } from './serving.ts'

// The numbers are those of the list of bad inputs: every line has a typed 4xx, nothing stored, nothing crashed.
let app: Serving
const SECRET = 'do-not-echo-me'

beforeAll(async () => {
  app = await serving({
    server: { timeouts: { keepAliveMs: 300 }, limits: { connections: 200 } },
  })
})
afterAll(() => app[Symbol.asyncDispose]())

async function refused(body: unknown, status: number, code: string, headers?: Record<string, string>): Promise<void> {
  const result = await post(app.url, body, headers)
  expect(JSON.stringify(result.answer)).not.toContain(SECRET)
  expect([result.status, result.answer.code]).toEqual([status, code])
  expect(result.headers.get('content-type')).toBe('application/problem+json')
}

const head = (extra: string, method = 'POST'): string =>
  `${method} /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: ${STRUCTURED}\r\n${extra}\r\n`
const body = JSON.stringify(cloudEvent('raw'))

describe('32: what is not the JSON that it should be', () => {
  test.each([
    ['not JSON', `${SECRET}`],
    ['a trailing comma', `{"specversion":"1.0","x":"${SECRET}",}`],
    ['comments', `{/* ${SECRET} */}`],
    ['a truncated object', `{"a":"${SECRET}`],
    ['NDJSON', `${body}\n{"${SECRET}`],
    ['a primitive', '42'],
    ['null', 'null'],
    ['an array as one event', '[]'],
    ['an empty body', ''],
  ])('%s', async (_name, text) => {
    await refused(text, 400, 'event_malformed', { 'content-type': STRUCTURED })
  })
  test('bytes that are not UTF-8', () =>
    refused(new Uint8Array([0x22, 0xff, 0x22]), 400, 'request_invalid', { 'content-type': STRUCTURED }))
  test('a byte order mark is ignored and of duplicate keys the last counts, as documented', async () => {
    await using own = await serving()
    const text = '\ufeff{"specversion":"1.0","id":"first","id":"last","source":"/x","type":"a.b"}'
    expect((await post(own.url, text, { 'content-type': STRUCTURED })).answer.results[0].id).toBe('last')
  })
})

describe('33: content types', () => {
  test.each([
    ['none', ''],
    ['text/plain', 'text/plain'],
    ['a form', 'application/x-www-form-urlencoded'],
    ['multipart', 'multipart/form-data; boundary=x'],
    ['plain JSON without ce- headers', 'application/json'],
    ['utf-7', `${STRUCTURED}; charset=utf-7`],
    ['utf-16', `${STRUCTURED}; charset="UTF-16"`],
  ])('%s', async (_name, type) => {
    await refused(
      new TextEncoder().encode(body),
      415,
      'media_type_unsupported',
      type === '' ? {} : { 'content-type': type },
    )
  })
})

describe('34: compression', () => {
  const encoded = (bytes: Uint8Array, encoding: string, status: number, code: string): Promise<void> =>
    refused(bytes, status, code, { 'content-type': STRUCTURED, 'content-encoding': encoding })
  test('a bomb', () => encoded(gzipSync(Buffer.alloc(64 * 1024 * 1024)), 'gzip', 413, 'body_too_large'))
  test('a small bomb, by its ratio', () =>
    encoded(gzipSync(Buffer.alloc(3 * 1024 * 1024)), 'gzip', 413, 'body_too_large'))
  test('nested encodings', () =>
    encoded(gzipSync(gzipSync(body)), Array(100).fill('gzip').join(', '), 415, 'media_type_unsupported'))
  test('an unknown encoding', () => encoded(Buffer.from(body), 'snappy', 415, 'media_type_unsupported'))
  test('truncated gzip', () => encoded(gzipSync(body).subarray(0, 20), 'gzip', 400, 'request_invalid'))
  test('the wrong label', () => encoded(Buffer.from(body), 'br', 400, 'request_invalid'))
})

describe('35: framing', () => {
  test('a body shorter than its Content-Length', async () => {
    const answer = await rawExchange(app.url, head(`Content-Length: ${body.length + 10}\r\n`) + body, { end: true })
    expect(answer).toMatch(/^(HTTP\/1\.1 4|$)/)
  })
  test('a body longer than its Content-Length', async () => {
    const answer = await rawExchange(app.url, `${head(`Content-Length: 2\r\n`)}{}${body}`)
    expect(answer).toMatch(/^HTTP\/1\.1 400/)
  })
  test.each([
    ['both Content-Length and Transfer-Encoding', `Content-Length: 5\r\nTransfer-Encoding: chunked\r\n`, '0\r\n\r\n'],
    ['two Content-Lengths', `Content-Length: 5\r\nContent-Length: 6\r\n`, 'hello'],
    ['a negative Content-Length', 'Content-Length: -1\r\n', ''],
    ['Transfer-Encoding: chunked, identity', 'Transfer-Encoding: chunked, identity\r\n', '0\r\n\r\n'],
    ['a chunk size that overflows', 'Transfer-Encoding: chunked\r\n', 'FFFFFFFFFFFFFFFFF\r\nx\r\n'],
    ['a chunk size that is no number', 'Transfer-Encoding: chunked\r\n', 'zz\r\nx\r\n'],
    ['bare line feeds', 'X: 1\nContent-Length: 2\n', '{}'],
  ])('%s', async (_name, headers, rest) => {
    const answer = await rawExchange(app.url, head(headers) + rest)
    expect(answer).toMatch(/^HTTP\/1\.1 400/)
    expect(answer).toContain('request_invalid')
  })
  test('a body over the limit, declared and chunked', async () => {
    await refused('x'.repeat(1024 * 1024 + 1), 413, 'body_too_large', { 'content-type': STRUCTURED })
    const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`
    const answer = await rawExchange(app.url, `${head('Transfer-Encoding: chunked\r\n')}${chunk.repeat(17)}0\r\n\r\n`)
    expect(answer).toMatch(/^HTTP\/1\.1 413/)
  })
  test('Expect: 100-continue is not encouraged for a body that is too large', async () => {
    const answer = await rawExchange(app.url, head('Content-Length: 9999999\r\nExpect: 100-continue\r\n'))
    expect(answer).toMatch(/^HTTP\/1\.1 413/)
  })
})

describe('36: slow clients', () => {
  // Apart from the others, whose requests may take longer than this on a busy machine.
  const impatient = { timeouts: { headersMs: 300, requestMs: 400 } }
  test('a head that never ends', async () => {
    await using own = await serving({ server: impatient })
    expect(await rawExchange(own.url, 'POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ')).toMatch(
      /^HTTP\/1\.1 408/,
    )
  })
  test('a body that never ends', async () => {
    await using own = await serving({ server: impatient })
    expect(await rawExchange(own.url, `${head('Content-Length: 1000\r\n')}{"a"`)).toMatch(/^HTTP\/1\.1 408/)
  })
  test('idle connections are closed', async () => {
    expect(await rawExchange(app.url, 'GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')).toMatch(/^HTTP\/1\.1 200/)
  })
  test('an upload that is reset', async () => {
    const { hostname, port } = new URL(app.url)
    await new Promise<void>((resolve) => {
      const socket = connect(Number(port), hostname, () =>
        socket.write(`${head('Content-Length: 1000\r\n')}{"a"`, () => socket.resetAndDestroy()),
      )
      socket.on('close', () => resolve())
    })
    expect((await fetch(`${app.url}/healthz`)).status).toBe(200)
  })
  test('more connections than allowed are not taken', async () => {
    await using small = await serving({ server: { limits: { connections: 2 } } })
    const { hostname, port } = new URL(small.url)
    const sockets = [0, 1].map(() => connect(Number(port), hostname))
    await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.on('connect', resolve))))
    await expect(
      rawExchange(small.url, 'GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n').then(
        (text) => text || Promise.reject(new Error('closed')),
      ),
    ).rejects.toThrow()
    for (const socket of sockets) socket.destroy()
    await until(async () => (await fetch(`${small.url}/healthz`).catch(() => undefined))?.status === 200)
  })
})

describe('37: headers', () => {
  test('more than allowed, and a thousand of them', async () => {
    const some = (amount: number): string =>
      Array.from(
        { length: amount },
        (_, at) => `a${at}: 1
`,
      ).join('')
    expect(await rawExchange(app.url, head(some(101), 'GET'))).toMatch(/^HTTP\/1\.1 400/)
    expect(await rawExchange(app.url, head(some(1_000), 'GET'))).toMatch(/^HTTP\/1\.1 4(00|31)/)
  })
  test('one of 64 KiB', async () => {
    expect(await rawExchange(app.url, head(`a: ${'x'.repeat(65_536)}\r\n`, 'GET'))).toMatch(/^HTTP\/1\.1 431/)
  })
  test('one that is called __proto__', async () => {
    const answer = await rawExchange(
      app.url,
      `${head('__proto__: x\r\nce-__proto__: y\r\nConnection: close\r\nContent-Length: 2\r\n')}{}`,
    )
    expect(answer).toMatch(/^HTTP\/1\.1 400/)
  })
  test('a name that points here from elsewhere (DNS rebinding), with and without forwarding headers', async () => {
    const answer = await rawExchange(
      app.url,
      'GET /v1/events HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: 127.0.0.1\r\nConnection: close\r\n\r\n',
    )
    expect(answer).toMatch(/^HTTP\/1\.1 403/)
  })
  test('no Host at all', async () => {
    expect(await rawExchange(app.url, 'GET / HTTP/1.1\r\n\r\n')).toMatch(/^HTTP\/1\.1 400/)
  })
})

describe('38: methods and paths', () => {
  const request = (line: string): Promise<string> =>
    rawExchange(app.url, `${line} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`)
  test('TRACE', async () => expect(await request('TRACE /v1/events')).toMatch(/^HTTP\/1\.1 405/))
  test.each(['PUT', 'PATCH', 'DELETE'])('%s', async (method) => {
    const answer = await request(`${method} /v1/events`)
    expect(answer).toMatch(/^HTTP\/1\.1 405/)
    expect(answer).toMatch(/allow: POST, GET, HEAD, OPTIONS/i)
  })
  test('HEAD has the head of GET and no body, on a stream too', async () => {
    expect(await request('HEAD /v1/topics')).toMatch(/^HTTP\/1\.1 200[\s\S]*\r\n\r\n$/)
    expect(await request('HEAD /v1/stream')).toMatch(/^HTTP\/1\.1 200[\s\S]*text\/event-stream[\s\S]*\r\n\r\n$/)
  })
  test('OPTIONS names the methods and allows no other origin', async () => {
    const answer = await request('OPTIONS /v1/events')
    expect(answer).toMatch(/^HTTP\/1\.1 204/)
    expect(answer).not.toMatch(/access-control/i)
  })
  test('a method override is not heeded', async () => {
    expect(
      (await fetch(`${app.url}/v1/topics`, { method: 'POST', headers: { 'x-http-method-override': 'GET' } })).status,
    ).toBe(405)
  })
  test.each([
    '//',
    '/%2e%2e/%2e%2e/etc/passwd',
    '/page/..%2f..%2fpackage.json',
    '/v1/events%00',
    '/v1/events;x',
    '/%',
    '/%zz',
    '/v1/',
    '/V1/EVENTS',
    '/page/',
    '/page/index.html',
  ])('path %s', async (path) => {
    expect(await request(`GET ${path}`)).toMatch(/^HTTP\/1\.1 40[04]/)
  })
  test('a URL of 10 KiB', async () => expect(await request(`GET /${'a'.repeat(10_240)}`)).toMatch(/^HTTP\/1\.1 400/))
  test('an unknown query parameter', async () => {
    const answer = await fetch(`${app.url}/v1/events?tpoic=order`)
    expect([answer.status, ((await answer.json()) as { path: string }).path]).toEqual([400, 'tpoic'])
  })
  test.each([
    'limit=0',
    'limit=-1',
    'limit=1e9',
    'limit=1&limit=2',
    'until=yesterday',
    'after=%00',
    'backwards=maybe',
    'correlation=x&after=nonsense',
  ])('query %s', async (query) => {
    expect((await fetch(`${app.url}/v1/events?${query}`)).status).toBe(400)
  })
})

describe('writes from pages of other sites (70)', () => {
  test.each([
    ['another origin', { origin: 'https://evil.example' }],
    ['the origin null', { origin: 'null' }],
    ['another port', { origin: 'http://127.0.0.1:1' }],
    ['a cross-site fetch', { 'sec-fetch-site': 'cross-site' }],
  ])('%s', async (_name, headers) => {
    const lines = Object.entries(headers)
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join('')
    const answer = await rawExchange(
      app.url,
      `${head(`${lines}Connection: close\r\nContent-Length: ${body.length}\r\n`)}${body}`,
    )
    expect(answer).toMatch(/^HTTP\/1\.1 403/)
  })
  test('a form cannot give commands', async () => {
    const answer = await fetch(`${app.url}/v1/dead-letters/discard`, {
      method: 'POST',
      body: new URLSearchParams({ all: 'true' }),
    })
    expect(answer.status).toBe(415)
  })
})

describe('41: CloudEvents', () => {
  test.each([
    ['without id', { id: undefined }, 'id'],
    ['without source', { source: undefined }, 'source'],
    ['without type', { type: undefined }, 'type'],
    ['specversion 0.3', { specversion: '0.3' }, 'specversion'],
    ['specversion 2.0', { specversion: '2.0' }, 'specversion'],
    ['both data and data_base64', { data_base64: 'AAAA' }, 'data_base64'],
    ['base64 that is none', { data: undefined, data_base64: '!!!' }, 'data_base64'],
    ['an extension in upper case', { Trace: 'x' }, 'Trace'],
    ['a number as id', { id: 7 }, 'id'],
    ['a date that does not exist', { time: '2026-02-30T00:00:00Z' }, 'time'],
  ])('%s', async (_name, change, path) => {
    const result = await post(app.url, cloudEvent('x', change))
    expect(result).toMatchObject({ status: 400, answer: { code: 'event_malformed', path } })
  })
  test('keys that poison prototypes', () =>
    refused(body.replace('"orderId"', '"__proto__"'), 400, 'event_forbidden_key', { 'content-type': STRUCTURED }))
  test('a number beyond what JSON can carry', () =>
    refused(body.replace('"raw"}', '1e400}'), 400, 'event_not_json', { 'content-type': STRUCTURED }))
  test('depth 10,000', () =>
    refused(body.replace('{"orderId":"raw"}', '['.repeat(10_000) + ']'.repeat(10_000)), 413, 'limit_exceeded', {
      'content-type': STRUCTURED,
    }))
  test('more than 256 KiB', () => refused(cloudEvent('x', { data: 'é'.repeat(140_000) }), 413, 'limit_exceeded'))
  test('a binary header that is not ASCII', async () => {
    const headers = 'ce-specversion: 1.0\r\nce-id: \xff\r\nce-source: /x\r\nce-type: a\r\n'
    const answer = await rawExchange(
      app.url,
      Buffer.from(
        `${head(`${headers}Connection: close\r\nContent-Length: 2\r\n`).replace(STRUCTURED, 'application/json')}{}`,
        'latin1',
      ),
    )
    expect(answer).toMatch(/^HTTP\/1\.1 400/)
    expect(answer).toContain('event_malformed')
  })
  test('a binary header that is there twice', async () => {
    const headers = 'ce-specversion: 1.0\r\nce-id: a\r\nce-id: b\r\nce-source: /x\r\nce-type: a\r\n'
    const answer = await rawExchange(
      app.url,
      `${head(`${headers}Connection: close\r\nContent-Length: 2\r\n`).replace(STRUCTURED, 'application/json')}{}`,
    )
    expect(answer).toMatch(/^HTTP\/1\.1 400/)
  })
  test('a batch of 0', () => refused([], 400, 'request_invalid'))
  test('a batch of 1,001', () =>
    refused(
      Array.from({ length: 1_001 }, (_, at) => cloudEvent(`n-${at}`)),
      413,
      'limit_exceeded',
    ))
  test('a batch that is no list', () => refused(cloudEvent('x'), 400, 'event_malformed', { 'content-type': BATCH }))
})

test('after all this nothing was stored, and the server serves', async () => {
  expect((await app.millrace.read()).events).toEqual([])
  expect((await post(app.url, cloudEvent('still-alive'))).status).toBe(202)
})
