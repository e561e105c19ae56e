import { createMillrace, defineEvent } from '@millrace/core'
import { available, type EngineServer, freePort, startRedis } from 'engines'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generate } from 'selfsigned'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { redis } from '../src/index.ts'

const PASSWORD = 'p@ss w0rd'
const Greeted = defineEvent('greeting.said', { schema: z.object({ text: z.string() }) })

describe.runIf(await available('redis-server'))('a server that speaks TLS only and wants a password', () => {
  let server: EngineServer
  let folder = ''
  let port = 0
  let certificate = ''
  beforeAll(async () => {
    const { cert, private: key } = await generate([{ name: 'commonName', value: 'localhost' }], {
      extensions: [{ name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] }],
    })
    certificate = cert
    folder = await mkdtemp(join(tmpdir(), 'millrace-redis-tls-'))
    await Promise.all([writeFile(join(folder, 'cert.pem'), cert), writeFile(join(folder, 'key.pem'), key)])
    port = await freePort()
    server = await startRedis({
      own: true,
      settings: {
        port: '0',
        'tls-port': String(port),
        'tls-cert-file': join(folder, 'cert.pem'),
        'tls-key-file': join(folder, 'key.pem'),
        'tls-auth-clients': 'no',
        requirepass: `"${PASSWORD}"`,
      },
    })
  })
  afterAll(async () => {
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  })
  const url = (): string => `rediss://:${encodeURIComponent(PASSWORD)}@127.0.0.1:${port}`

  test('is published to and subscribed from when its certificate is trusted', async () => {
    await using millrace = createMillrace({ engine: redis({ url: url(), tls: { ca: certificate } }) })
    const heard = Promise.withResolvers<string>()
    await millrace.subscribe(Greeted, ({ data }) => heard.resolve(data.text), { group: 'ears', from: 'earliest' })
    await millrace.publish(Greeted, { text: 'hello' })
    expect(await heard.promise).toBe('hello')
  })

  test('is refused when its certificate is not trusted, and the message has no secret', async () => {
    await using millrace = createMillrace({ engine: redis({ url: url(), connectTimeoutMs: 3_000 }) })
    const error = await millrace.start().then(
      () => undefined,
      (failure: unknown) => failure as Error,
    )
    expect(error).toMatchObject({ code: 'engine_unreachable' })
    expect(`${error?.message} ${String(error?.cause)}`).toMatch(/certificate/i)
    expect(`${error?.stack} ${String(error?.cause)}`).not.toContain('w0rd')
  })

  test('is refused by a connection without TLS', async () => {
    const plain = url().replace('rediss:', 'redis:')
    await using millrace = createMillrace({ engine: redis({ url: plain, connectTimeoutMs: 3_000 }) })
    await expect(millrace.start()).rejects.toMatchObject({ code: 'engine_unreachable' })
  })
})
