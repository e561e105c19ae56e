import { isMillraceError } from '@millrace/core/driver'
import {
  askRedis,
  available,
  type EngineServer,
  freePort,
  startRedis,
  type RedisOptions as ServerOptions,
} from 'engines'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { eventually } from '../../conformance/src/eventually.ts'
import { atEnd, connected, keepingLog, openDriver, publishOne } from './driver-of.ts'

async function server(options: ServerOptions = {}): Promise<EngineServer> {
  const started = await startRedis({ ...options, own: true })
  atEnd(() => started.stop())
  return started
}

/** The code and the message of what connecting fails with. */
async function connectError(
  url: string,
  connectTimeoutMs = 30_000,
): Promise<{ readonly code: string; readonly message: string }> {
  const failure: unknown = await openDriver({ url, connectTimeoutMs })
    .transport.connect()
    .catch((error: unknown) => error)
  if (!isMillraceError(failure)) throw new Error(`Expected an error of ours, got ${String(failure)}.`)
  return failure
}

describe.runIf(await available('redis-server'))('a server that cannot be used says so, once and for good', () => {
  test('a wrong password is refused, and never shown', async () => {
    const { url } = await server({ settings: { requirepass: 'the-right-one' } })
    const wrong = await connectError(url.replace('redis://', 'redis://default:s3cret-typo@'))
    expect(wrong.code).toBe('engine_permission')
    expect(JSON.stringify(wrong) + wrong.message).not.toContain('s3cret-typo')
    expect((await connectError(url)).code).toBe('engine_permission')
    await connected(url.replace('redis://', 'redis://:the-right-one@'))
  })

  test('a server that evicts keys is refused', async () => {
    const { url } = await server({ settings: { 'maxmemory-policy': 'allkeys-lru', maxmemory: '64mb' } })
    const error = await connectError(url)
    expect(error.code).toBe('config_invalid')
    expect(error.message).toContain('noeviction')
  })

  test('a server that is not there is unreachable', async () => {
    const { url, stop } = await startRedis({ own: true })
    await stop()
    expect((await connectError(url, 3_000)).code).toBe('engine_unreachable')
  })

  test('Sentinels that are all away are named, with what to check, and without the password', async () => {
    const [one, other] = [await freePort(), await freePort()]
    const error = await connectError(
      `redis+sentinel://user:s3cret-word@127.0.0.1:${one},127.0.0.1:${other}/mymaster`,
      3_000,
    )
    expect(error).toMatchObject({ code: 'engine_unreachable', retriable: true })
    expect(error.message).toMatch(
      new RegExp(`its Sentinels do not answer \\(127.0.0.1:${one}, 127.0.0.1:${other}; .*ECONNREFUSED`),
    )
    expect(error.message).toContain(`redis-cli -h 127.0.0.1 -p ${one} SENTINEL GET-MASTER-ADDR-BY-NAME mymaster`)
    expect(JSON.stringify(error) + error.message).not.toContain('s3cret-word')
  })

  test('a Redis where a Sentinel is expected is told so', async () => {
    const { port } = new URL((await server()).url)
    const error = await connectError(`redis+sentinel://127.0.0.1:${port}/mymaster`, 3_000)
    expect(error.code).toBe('config_invalid')
    expect(error.message).toContain(`127.0.0.1:${port} is a Redis and no Sentinel`)
  })

  test('a master that the Sentinels do not know is named', async () => {
    const sentinel = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.on('data', (data) => {
        const commands = data.toString().match(/^\*/gm)?.length ?? 1
        socket.write('-ERR No such master with that name\r\n'.repeat(commands))
      })
    }).listen(0, '127.0.0.1')
    await once(sentinel, 'listening')
    atEnd(() => sentinel.close())
    const address = sentinel.address()
    const port = typeof address === 'object' ? address?.port : 0
    const error = await connectError(`redis+sentinel://127.0.0.1:${port}/mymistress`, 3_000)
    expect(error.code).toBe('config_invalid')
    expect(error.message).toContain('watch no master called "mymistress"')
  })

  test('a server of an older version is refused', async () => {
    const old = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.on('data', (data) => {
        const info = 'redis_version:6.2.14\r\naof_enabled:0\r\n'
        socket.write(data.toString().includes('INFO') ? `$${info.length}\r\n${info}\r\n` : '+OK\r\n')
      })
    }).listen(0, '127.0.0.1')
    await once(old, 'listening')
    atEnd(() => old.close())
    const address = old.address()
    const port = typeof address === 'object' ? address?.port : 0
    const error = await connectError(`redis://127.0.0.1:${port}`)
    expect([error.code, error.message.includes('6.2.14')]).toEqual(['engine_version', true])
  })

  test('a replica is no place to write', async () => {
    const { url } = await server({ settings: { replicaof: '127.0.0.1 1' } })
    expect((await connectError(url)).code).toBe('engine_read_only')
  })

  test('a command that was renamed is named', async () => {
    const { url } = await server({ settings: { 'rename-command': 'XADD ""' } })
    const driver = await connected(url)
    expect(await publishOne(driver)).toBe('rejected engine_version')
  })
})

describe.runIf(await available('redis-server'))('trouble that passes', () => {
  test('a key of another type is named as damage, and publishing goes on when it is gone', async () => {
    const { url } = await server()
    const driver = await connected(url)
    await askRedis(url, 'SET', 'millrace:{order/0}:log', 'mine')
    expect(await publishOne(driver)).toBe('rejected engine_corrupt')
    expect(await publishOne(driver, { partition: 1 })).toBe('stored')
    await askRedis(url, 'DEL', 'millrace:{order/0}:log')
    expect(await publishOne(driver)).toBe('stored')
  })

  test('a full memory refuses publishes until there is room', async () => {
    const { url } = await server()
    const driver = await connected(url)
    await askRedis(url, 'CONFIG', 'SET', 'maxmemory', '1mb')
    expect(await publishOne(driver)).toBe('rejected engine_full')
    await askRedis(url, 'CONFIG', 'SET', 'maxmemory', '0')
    expect(await publishOne(driver)).toBe('stored')
  })

  test('a server that forgets its scripts is told them again', async () => {
    const { url } = await server()
    const driver = await connected(url)
    expect(await publishOne(driver)).toBe('stored')
    await askRedis(url, 'SCRIPT', 'FLUSH')
    expect(await publishOne(driver)).toBe('stored')
  })

  test('a flushed database is noticed, said once, and used again', async () => {
    const { url } = await server()
    const log = keepingLog()
    const driver = await connected(url, log)
    await publishOne(driver)
    await askRedis(url, 'FLUSHALL')
    expect([await publishOne(driver), await publishOne(driver, { partition: 1 })]).toEqual(['stored', 'stored'])
    expect(log.lines.filter((line) => line.includes('flushed'))).toHaveLength(1)
    const lag = await driver.transport.lag('order', 'readers')
    expect(lag.map((each) => each.lag)).toEqual([1, 1])
  })

  test('a restarted server is found again, with few words', async () => {
    // Synced before each answer: what the system was to write later would be lost with the server.
    const started = await server({ appendfsync: 'always' })
    const log = keepingLog()
    const driver = await connected({ url: started.url, callTimeoutMs: 2_000 }, log)
    await publishOne(driver)
    await started.kill()
    expect(await publishOne(driver)).toBe('unknown engine_unreachable')
    await started.restart()
    await eventually('it publishes again', async () => (await publishOne(driver)) === 'stored')
    expect(log.lines.length).toBeLessThanOrEqual(4)
  })

  test('a server that stops answering leaves the outcome unknown, and nobody waits for ever', async () => {
    const started = await server()
    const driver = await connected({ url: started.url, callTimeoutMs: 2_000 })
    const { pid } = started
    if (pid === undefined) throw new Error('The server has no process.')
    process.kill(pid, 'SIGSTOP')
    const outcome = await publishOne(driver, { id: 'asked-while-stopped' })
    process.kill(pid, 'SIGCONT')
    expect(outcome).toBe('unknown engine_unreachable')
    const again = await eventually('it answers again', async () => {
      const said = await publishOne(driver, { id: 'asked-while-stopped' })
      return said.startsWith('unknown') ? undefined : said
    })
    expect(['stored', 'duplicate']).toContain(again)
    const read = await driver.transport.read({ topic: 'order', limit: 10 })
    expect(read.filter(({ id }) => id === 'asked-while-stopped')).toHaveLength(1)
  })
})

describe.runIf(await available('redis-server'))('what the server promises is asked, not hoped', () => {
  test.each([
    [{ appendonly: false }, 'memory'],
    [{ appendfsync: 'everysec' }, 'os-cache'],
    [{ appendfsync: 'no' }, 'os-cache'],
    [{ appendfsync: 'always' }, 'fsync'],
    [{ appendfsync: 'always', settings: { 'no-appendfsync-on-rewrite': 'yes' } }, 'os-cache'],
  ] as const)('%j is %s', async (options, durability) => {
    const { url } = await server(options)
    const driver = await connected(url)
    expect(driver.transport.capabilities.durability).toBe(durability)
    const findings = await driver.diagnose()
    expect(findings.find(({ check }) => check === 'durability')?.level).toBe(
      durability === 'memory' ? 'problem' : durability === 'fsync' ? 'fine' : 'notice',
    )
  })

  test('replicas that are asked for must be there', async () => {
    const { url } = await server()
    const failure = await connectError(`${url}?waitReplicas=1`)
    expect(failure.code).toBe('durability_too_low')
  })

  test('a user with the rights of the ACL file can do everything, and nothing beside', async () => {
    const { url } = await server()
    const rules = await readFile(new URL('../acl/millrace.acl', import.meta.url), 'utf8')
    await askRedis(url, 'ACL', 'SETUSER', ...rules.trim().split(' ').slice(1))
    const driver = await connected(url.replace('redis://', 'redis://millrace:change-me@'))
    expect(driver.transport.capabilities.durability).toBe('os-cache')
    expect(await publishOne(driver, { correlationId: 'flow' })).toBe('stored')
    await driver.transport.ensureTopic('order', { retention: { maxAgeMs: 3_600_000 } })
    const { leases, lane, deadLetters, index } = driver.stores
    const [place] = (await leases.observe('readers')).partitions
    const lease = await leases.claim({
      group: 'readers',
      topic: 'order',
      partition: 0,
      member: 'm',
      expectedOwner: undefined,
      expectedToken: place?.token ?? 0,
    })
    const [stored] = await driver.transport.read({ topic: 'order', limit: 1 })
    if (lease === undefined || stored === undefined) throw new Error('There is no lease, or no event.')
    const waiting = {
      group: 'readers',
      laneKey: 'k',
      record: stored,
      delayMs: 0,
      attempts: 1,
      firstFailedAt: 1,
      reason: 'retry',
      generation: 0,
    } as const
    expect(await lane.add([waiting], { token: lease.token, capacity: 10 })).toBe('added')
    expect(await lane.due({ group: 'readers', topic: 'order', partition: 0, limit: 1 })).toHaveLength(1)
    const letter = {
      ...waiting,
      ...stored,
      code: 'c',
      message: 'm',
      stack: undefined,
      lastFailedAt: 1,
      fingerprint: 'f',
    }
    expect(await deadLetters.put([letter], lease.token, { park: true })).toBe('stored')
    expect(await deadLetters.counts()).toHaveLength(1)
    const [dead] = await deadLetters.list({ limit: 1 })
    expect(await deadLetters.requeue([dead?.id ?? ''])).toEqual([dead?.id])
    expect(await index.byCorrelation('flow', 5)).toHaveLength(1)
    await driver.transport.seek('readers', 'order', 'latest')
    await driver.transport.remove({ group: 'readers' })
    await driver.transport.remove({ topic: 'order' })
    const foreign = openDriver({ url: url.replace('redis://', 'redis://millrace:change-me@'), prefix: 'other:' })
    const refused: unknown = await foreign.transport.connect().catch((error: unknown) => error)
    expect(isMillraceError(refused, 'engine_permission')).toBe(true)
  })
})
