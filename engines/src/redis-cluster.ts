import type { EngineServer } from './engine-server.ts'
import { freePort } from './free-port.ts'
import { askRedis } from './redis-client.ts'
import { startRedisProcess } from './redis-process.ts'
import type { RedisProcess } from './redis-process.ts'
import { until } from './until.ts'

/** Options of `startRedisCluster`. */
export interface RedisClusterOptions {
  /** Masters; each holds an equal part of the slots. Default 3. */
  readonly masters?: number
  readonly appendfsync?: 'everysec' | 'always' | 'no'
  /** Milliseconds of silence after which the others take a node for dead. Default 15,000. */
  readonly nodeTimeoutMs?: number
}

/** A Redis Cluster without replicas: the slots of a master that is down are away until it is back. */
export interface RedisCluster {
  /** `redis+cluster://127.0.0.1:port,127.0.0.1:port,...` */
  readonly url: string
  readonly version: string
  readonly nodes: readonly EngineServer[]
  /** Moves a slot, with the keys in it, to another master, as an operator would while clients are at work. */
  moveSlot(slot: number, to: EngineServer): Promise<void>
  stop(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

const SLOTS = 16_384

/** Starts the masters, shares the slots out, and settles when each of them sees the whole cluster. */
export async function startRedisCluster(options: RedisClusterOptions = {}): Promise<RedisCluster> {
  const { masters = 3, appendfsync = 'everysec', nodeTimeoutMs = 15_000 } = options
  const nodes: RedisProcess[] = []
  const busPorts: number[] = []
  const stop = async (): Promise<void> => void (await Promise.all(nodes.map((node) => node.stop())))
  try {
    for (let index = 0; index < masters; index += 1) {
      const busPort = await freePort()
      busPorts.push(busPort)
      const settings = {
        appendonly: 'yes',
        appendfsync,
        'cluster-enabled': 'yes',
        'cluster-port': String(busPort),
        'cluster-node-timeout': String(nodeTimeoutMs),
      }
      nodes.push(await startRedisProcess({ name: 'redis-cluster', settings: () => settings }))
    }
    await shareSlots(nodes)
    await introduce(nodes, busPorts)
  } catch (error) {
    await stop()
    throw error
  }
  return {
    url: `redis+cluster://${nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}`,
    version: nodes[0]?.version ?? 'unknown',
    nodes,
    moveSlot: (slot, to) => moveSlot(nodes, slot, portOf(to)),
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

async function shareSlots(nodes: readonly RedisProcess[]): Promise<void> {
  for (const [index, { port }] of nodes.entries()) {
    const [first, last] = [index, index + 1].map((part) => Math.floor((part * SLOTS) / nodes.length))
    await askPort(port, 'CLUSTER', 'ADDSLOTSRANGE', String(first), String((last ?? 0) - 1))
    // Epochs of their own from the start: nodes with the same one would first have to settle that by themselves.
    await askPort(port, 'CLUSTER', 'SET-CONFIG-EPOCH', String(index + 1))
  }
}

async function introduce(nodes: readonly RedisProcess[], busPorts: readonly number[]): Promise<void> {
  const [first, ...others] = nodes
  for (const { port } of others) {
    await askPort(port, 'CLUSTER', 'MEET', '127.0.0.1', String(first?.port), String(busPorts[0]))
  }
  for (const { port } of nodes) {
    await until('the cluster is whole', async () => {
      const info = String(await askPort(port, 'CLUSTER', 'INFO'))
      return info.includes('cluster_state:ok') && info.includes(`cluster_known_nodes:${nodes.length}`)
    })
  }
}

async function moveSlot(nodes: readonly RedisProcess[], slot: number, to: number): Promise<void> {
  const owner = await ownerOf(nodes, slot)
  if (owner === to) return
  const [source, target] = await Promise.all([owner, to].map((port) => askPort(port, 'CLUSTER', 'MYID')))
  await askPort(to, 'CLUSTER', 'SETSLOT', String(slot), 'IMPORTING', String(source))
  await askPort(owner, 'CLUSTER', 'SETSLOT', String(slot), 'MIGRATING', String(target))
  for (;;) {
    const keys = (await askPort(owner, 'CLUSTER', 'GETKEYSINSLOT', String(slot), '100')) as string[]
    if (keys.length === 0) break
    await askPort(owner, 'MIGRATE', '127.0.0.1', String(to), '', '0', '5000', 'KEYS', ...keys)
  }
  for (const port of [to, ...nodes.map((node) => node.port)]) {
    await askPort(port, 'CLUSTER', 'SETSLOT', String(slot), 'NODE', String(target))
  }
}

async function ownerOf(nodes: readonly RedisProcess[], slot: number): Promise<number> {
  const shares = (await askPort(nodes[0]?.port ?? 0, 'CLUSTER', 'SLOTS')) as [number, number, [string, number]][]
  const share = shares.find(([from, until_]) => slot >= from && slot <= until_)
  if (share === undefined) throw new Error(`No master has slot ${slot}.`)
  return share[2][1]
}

function portOf({ url }: EngineServer): number {
  return Number(new URL(url).port)
}

function askPort(port: number, command: string, ...args: readonly string[]): Promise<unknown> {
  return askRedis(`redis://127.0.0.1:${port}`, command, ...args)
}
