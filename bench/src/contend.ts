import type { Measured, Work } from './work.ts'

type Run = (work: Work) => Promise<{ readonly value: number } & Partial<Measured>>

/** One measurement in a process of its own: `contend.ts NAME WORK` prints what it measured as JSON on the last line. */
const CONTENDERS: Readonly<Record<string, () => Promise<Run>>> = {
  'millrace-sqlite': async () => (await import('./contenders/millrace-sqlite.ts')).run,
  'millrace-redis': async () => (await import('./contenders/millrace-redis.ts')).run,
  'millrace-postgres': async () => (await import('./contenders/millrace-postgres.ts')).run,
  'millrace-ingest': async () => (await import('./contenders/millrace-ingest.ts')).run,
  'millrace-supervisor': async () => (await import('./contenders/millrace-supervisor.ts')).run,
  'bare-sqlite': async () => (await import('./contenders/bare-sqlite.ts')).run,
  'bare-redis': async () => (await import('./contenders/bare-redis.ts')).run,
  'bare-postgres': async () => (await import('./contenders/bare-postgres.ts')).run,
  bullmq: async () => (await import('./contenders/bullmq.ts')).run,
  'bullmq-postgres': async () => (await import('./contenders/bullmq-postgres.ts')).run,
  plainjob: async () => (await import('./contenders/plainjob.ts')).run,
  'pg-boss': async () => (await import('./contenders/pg-boss.ts')).run,
  'pg-boss-fetch': async () => (await import('./contenders/pg-boss.ts')).runFetching,
  'graphile-worker': async () => (await import('./contenders/graphile-worker.ts')).run,
  'graphile-local-queue': async () => (await import('./contenders/graphile-worker.ts')).runLocalQueue,
}

const [name = '', text = ''] = process.argv.slice(2)
const run = await CONTENDERS[name]?.()
if (run === undefined) throw new Error(`There is no contender "${name}".`)
const measured = await run(JSON.parse(text) as Work)
process.stdout.write(`\n${JSON.stringify(measured)}\n`, () => process.exit(0))
