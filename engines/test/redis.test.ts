import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { Redis } from 'ioredis'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { startRedis } from '../src/index.ts'

beforeEach(() => void vi.stubEnv('MILLRACE_TEST_REDIS_URL', ''))
afterEach(() => void vi.unstubAllEnvs())

test('a server of its own answers, and is gone after stop', async () => {
  const server = await startRedis()
  expect(server.version).toMatch(/^\d+\.\d+/)
  expect(server.url).toMatch(/^redis:\/\/127\.0\.0\.1:\d+$/)
  const client = connect(server.url)
  expect(await client.ping()).toBe('PONG')
  expect(await client.config('GET', 'bind')).toEqual(['bind', '127.0.0.1'])
  const folder = await dataFolder(client)
  client.disconnect()
  const pid = server.pid
  await server.stop()
  await server.stop()
  expect(server.pid).toBeUndefined()
  expect(isAlive(pid)).toBe(false)
  expect(existsSync(folder)).toBe(false)
})

test('what was synced survives a kill, on the same port', async () => {
  await using server = await startRedis({ appendfsync: 'always' })
  const { url, pid } = server
  const before = connect(url)
  expect(await before.config('GET', 'appendfsync')).toEqual(['appendfsync', 'always'])
  await before.set('kept', 'yes')
  before.disconnect()
  await server.kill()
  expect(isAlive(pid)).toBe(false)
  expect(server.pid).toBeUndefined()
  await expect(ping(url)).rejects.toThrow()
  await server.restart()
  expect(server.url).toBe(url)
  expect(server.pid).not.toBe(pid)
  const after = connect(url)
  expect(await after.get('kept')).toBe('yes')
  after.disconnect()
})

test('two servers run side by side', async () => {
  await using one = await startRedis()
  await using two = await startRedis()
  expect(one.url).not.toBe(two.url)
  expect(await ping(one.url)).toBe('PONG')
  expect(await ping(two.url)).toBe('PONG')
})

test('a port in use is refused, with what the server said', async () => {
  await using server = await startRedis()
  const port = Number(new URL(server.url).port)
  await expect(startRedis({ port })).rejects.toThrow(/in use/)
})

test('a server does not outlive the process that started it', async () => {
  const script = `
    import { startRedis } from ${JSON.stringify(import.meta.resolve('../src/index.ts'))}
    const server = await startRedis()
    console.log(JSON.stringify({ pid: server.pid, url: server.url }))
    setInterval(() => {}, 1000)`
  const parent = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const line = await new Promise<string>((resolve) => createInterface(parent.stdout).once('line', resolve))
  const { pid, url } = JSON.parse(line) as { pid: number; url: string }
  const client = connect(url)
  const folder = await dataFolder(client)
  client.disconnect()
  expect(existsSync(folder)).toBe(true)
  parent.kill('SIGKILL')
  await expect.poll(() => [isAlive(pid), existsSync(folder)]).toEqual([false, false])
})

test('a server that is given is used and left alone', async () => {
  await using own = await startRedis()
  vi.stubEnv('MILLRACE_TEST_REDIS_URL', own.url)
  const given = await startRedis()
  expect(given).toMatchObject({ url: own.url, version: own.version, pid: undefined })
  await expect(given.kill()).rejects.toThrow(/environment variable/)
  await given.stop()
  expect(await ping(own.url)).toBe('PONG')
})

function connect(url: string): Redis {
  const client = new Redis(url, { maxRetriesPerRequest: 0, retryStrategy: () => null })
  client.on('error', () => undefined)
  return client
}

async function ping(url: string): Promise<string> {
  const client = connect(url)
  return client.ping().finally(() => client.disconnect())
}

async function dataFolder(client: Redis): Promise<string> {
  const [, folder] = (await client.config('GET', 'dir')) as string[]
  return folder ?? ''
}

function isAlive(pid: number | undefined): boolean {
  try {
    return pid !== undefined && process.kill(pid, 0)
  } catch {
    return false
  }
}
