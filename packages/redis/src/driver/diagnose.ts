import type { Durability, Finding } from '@millrace/core/driver'
import { type Probe, probe } from '../client/probe.ts'
import { readStates } from '../log/states.ts'
import type { Session } from './lifecycle.ts'

/** What `doctor` shows of a Redis: its settings, its memory, and partitions that are missing. Reads only. */
export async function diagnose(session: Session): Promise<readonly Finding[]> {
  const now = await probe(session.redis)
  return [
    versionOf(now),
    durabilityOf(now, session),
    memoryOf(now),
    replicationOf(now, session),
    await partitionsOf(session),
  ]
}

function versionOf({ product, productVersion }: Probe): Finding {
  return { check: 'version', level: 'fine', text: `${product === 'valkey' ? 'Valkey' : 'Redis'} ${productVersion}` }
}

const WORDS: Readonly<Record<Durability, string>> = {
  memory:
    'An event that is stored is in the memory of the server only: the append-only file is off, and a crash of the server loses all since its last snapshot. Set appendonly yes.',
  'os-cache':
    'An event that is stored survives the crash of the server; a power failure may take the last second or two (appendfsync everysec, or not to be asked). Set appendfsync always for more.',
  fsync: 'An event that is stored is on the disk of the server (appendfsync always).',
  'replicated-memory':
    'An event that is stored is in the memory of replicas too; a failover may still lose what was stored last.',
  'quorum-fsync': 'An event that is stored is on several disks.',
}

function durabilityOf({ durability, appendfsync, aof, pausesSync }: Probe, { capabilities }: Session): Finding {
  const level = capabilities.durability
  const unasked = aof && appendfsync === undefined ? ' The user may not read appendfsync: grant +config|get.' : ''
  const paused = pausesSync ? ' no-appendfsync-on-rewrite yes lets syncing rest while the file is rewritten.' : ''
  const changed =
    durability === level || level === 'replicated-memory'
      ? ''
      : ' The setting was changed since this process connected.'
  return {
    check: 'durability',
    level: level === 'memory' ? 'problem' : level === 'os-cache' ? 'notice' : 'fine',
    text: `${WORDS[level]}${unasked}${paused}${changed}`,
  }
}

function memoryOf({ usedMemory, maxMemory }: Probe): Finding {
  const used = `${Math.round(usedMemory / 2 ** 20)} MiB`
  if (maxMemory === 0) {
    return {
      check: 'memory',
      level: 'notice',
      text: `${used} are used, and maxmemory is not set: a full machine may end the server. Set maxmemory (with noeviction), and a retention.`,
    }
  }
  const share = Math.round((usedMemory / maxMemory) * 100)
  const text = `${used} of ${Math.round(maxMemory / 2 ** 20)} MiB are used (${share} %).`
  if (share < 85) return { check: 'memory', level: 'fine', text }
  return {
    check: 'memory',
    level: 'problem',
    text: `${text} At 100 % publishes are refused: set a retention, or raise maxmemory.`,
  }
}

function replicationOf({ role, replicas }: Probe, { redis }: Session): Finding {
  const text =
    replicas === 0
      ? 'No replica is connected.'
      : `${replicas} replicas are connected. Replication is asynchronous: a failover loses what had not reached them.`
  return {
    check: 'replication',
    level: role === 'master' ? 'fine' : 'problem',
    text: redis.clustered ? `This master: ${text}` : text,
  }
}

async function partitionsOf({ redis, registry }: Session): Promise<Finding> {
  const topics = await registry.all()
  const states = await readStates(redis, topics)
  const missing = topics.filter((topic, at) => states[at]?.some(({ incarnation }) => incarnation !== topic.incarnation))
  if (missing.length === 0) return { check: 'partitions', level: 'fine', text: `${topics.length} topics are whole.` }
  const names = missing.slice(0, 5).map(({ topic }) => topic)
  return {
    check: 'partitions',
    level: 'problem',
    text: `Partitions of ${names.join(', ')} are missing: keys were removed by somebody else. They are made anew, empty, with the next publish; restore a backup to have their events.`,
  }
}
