import type { Measured, Work } from './work.ts'

/** One measurement in a process of its own: `contend.ts NAME WORK` prints what it measured as JSON on the last line. */
const CONTENDERS: Readonly<
  Record<string, () => Promise<{ run(work: Work): Promise<{ readonly value: number } & Partial<Measured>> }>>
> = {
  'millrace-sqlite': () => import('./contenders/millrace-sqlite.ts'),
  'millrace-ingest': () => import('./contenders/millrace-ingest.ts'),
  'millrace-redis': () => import('./contenders/millrace-redis.ts'),
  'millrace-postgres': () => import('./contenders/millrace-postgres.ts'),
  'bare-postgres': () => import('./contenders/bare-postgres.ts'),
  'bare-redis': () => import('./contenders/bare-redis.ts'),
  'bare-sqlite': () => import('./contenders/bare-sqlite.ts'),
  bullmq: () => import('./contenders/bullmq.ts'),
  plainjob: () => import('./contenders/plainjob.ts'),
}

const [name = '', text = ''] = process.argv.slice(2)
const contender = await CONTENDERS[name]?.()
if (contender === undefined) throw new Error(`There is no contender "${name}".`)
const measured = await contender.run(JSON.parse(text) as Work)
process.stdout.write(`\n${JSON.stringify(measured)}\n`, () => process.exit(0))
