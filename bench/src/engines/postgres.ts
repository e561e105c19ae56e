import { startPostgres } from 'engines'
import { Client } from 'pg'
import type { BenchEngine, CountingServer, Peer } from '../engine.ts'
import { withVersion } from '../installed-version.ts'

/** The database that is made anew for each measurement. */
const DATABASE = 'millrace_bench'

/** PostgreSQL as it is after its installation; `given` is the URL of a server that is there, in which a database is made and dropped. */
export async function postgresEngine(given?: string): Promise<BenchEngine> {
  const own = given === undefined ? await startPostgres({ own: true }) : undefined
  const admin = new Client({ connectionString: own?.url ?? given })
  await admin.connect()
  if (own === undefined) await refuseForeign(admin)
  const url = new URL(own?.url ?? given ?? '')
  url.pathname = `/${DATABASE}`
  return {
    name: 'postgres',
    about: await describe(admin),
    place: { url: url.href, reset: () => makeAnew(admin), calm: () => calm(url.href) },
    limit: {
      contender: 'bare-postgres',
      about:
        'pg: what is asked for in one turn in one INSERT with unnest, at most 500 rows, two at once; reads of 500, JSON.parse, one update a read',
    },
    peers: PEERS,
    publish: { count: 100_000, inFlight: 500 },
    large: { backlog: 1_000_000, runs: 1 },
    startCounting,
    async stop() {
      await admin.query(`DROP DATABASE IF EXISTS ${DATABASE} WITH (FORCE)`)
      await admin.end()
      await own?.stop()
    },
  }
}

const PEERS: readonly Peer[] = [
  {
    contender: 'pg-boss',
    name: withVersion('pg-boss'),
    about:
      'send, 500 in flight, pool of 20; insert by 1,000; work with batchSize 500, burstWhenBatchFull, localConcurrency 4 and polling every 500 ms; LISTEN/NOTIFY for latency and idle',
    scenarios: {
      publish: 0.08,
      'publish-batch': 0.5,
      consume: 0.5,
      roundtrip: 0.04,
      latency: 1,
      idle: 1,
      'tasks-enqueue': 0.08,
      'tasks-process': 0.25,
      'tasks-latency': 1,
    },
  },
  {
    contender: 'pg-boss-fetch',
    name: `${withVersion('pg-boss')}+fetch`,
    about: 'a loop of fetch with batchSize 500 and complete of the whole batch',
    scenarios: { consume: 0.5, 'tasks-process': 0.5 },
  },
  {
    contender: 'graphile-worker',
    name: withVersion('graphile-worker'),
    about:
      'addJob, 500 in flight, pool of 26; addJobs by 1,000; 24 concurrent jobs, maxPoolSize 26, no batching (its default)',
    scenarios: {
      publish: 0.04,
      'publish-batch': 0.5,
      consume: 0.1,
      roundtrip: 0.03,
      latency: 1,
      idle: 1,
      'tasks-enqueue': 0.04,
      'tasks-enqueue-batch': 0.25,
      'tasks-process': 0.1,
      'tasks-latency': 1,
    },
  },
  {
    contender: 'graphile-local-queue',
    name: `${withVersion('graphile-worker')}+local-queue`,
    about:
      '24 concurrent jobs, localQueue.size 500, completeJobBatchDelay 0 and failJobBatchDelay 0, as its page on performance has it',
    scenarios: { consume: 0.5, roundtrip: 0.03, 'tasks-process': 0.5 },
  },
  {
    contender: 'bullmq-postgres',
    name: `${withVersion('bullmq')}+postgres`,
    about: 'its PostgreSQL backend, concurrency 32, pool of 32, removeOnComplete, 500 adds in flight, addBulk by 1,000',
    scenarios: {
      publish: 0.1,
      'publish-batch': 0.25,
      consume: 0.1,
      roundtrip: 0.05,
      latency: 1,
      idle: 1,
      'tasks-enqueue': 0.1,
      'tasks-process': 0.1,
    },
  },
]

async function refuseForeign(admin: Client): Promise<void> {
  const { rowCount } = await admin.query('SELECT 1 FROM pg_database WHERE datname = $1', [DATABASE])
  if (rowCount === 0) return
  await admin.end()
  throw new Error(
    `That PostgreSQL has a database "${DATABASE}", which the benchmark would drop; drop it yourself if it may go.`,
  )
}

async function makeAnew(admin: Client): Promise<void> {
  await admin.query(`DROP DATABASE IF EXISTS ${DATABASE} WITH (FORCE)`)
  await admin.query(`CREATE DATABASE ${DATABASE}`)
}

/** What autovacuum and the checkpointer would do of themselves in the next minutes. */
async function calm(url: string): Promise<string> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    await client.query('VACUUM ANALYZE')
    await client.query('CHECKPOINT')
  } finally {
    await client.end()
  }
  return 'VACUUM ANALYZE, CHECKPOINT'
}

async function describe(admin: Client): Promise<string> {
  const setting = async (name: string): Promise<string> => {
    const { rows } = await admin.query<{ setting: string }>('SELECT current_setting($1) AS setting', [name])
    return rows[0]?.setting ?? ''
  }
  const [version = ''] = (await setting('server_version')).split(' ')
  const [fsync, commit, buffers] = [
    await setting('fsync'),
    await setting('synchronous_commit'),
    await setting('shared_buffers'),
  ]
  return `PostgreSQL ${version}, fsync ${fsync}, synchronous_commit ${commit}, shared_buffers ${buffers}`
}

async function startCounting(): Promise<CountingServer> {
  const server = await startPostgres({ own: true, settings: { shared_preload_libraries: "'pg_stat_statements'" } })
  return { url: server.url, stop: () => server.stop() }
}
