import { available, type Program } from 'engines'
import type { BenchEngine } from '../engine.ts'
import { postgresEngine } from './postgres.ts'
import { redisEngine } from './redis.ts'
import { sqliteEngine } from './sqlite.ts'

/** An engine that was asked for: its name, and the URL of the server if one was given. */
export interface AskedEngine {
  readonly name: BenchEngine['name']
  readonly url?: string
}

const ENGINES: Readonly<
  Record<BenchEngine['name'], { readonly needs: Program; start(url?: string): Promise<BenchEngine> }>
> = {
  sqlite: { needs: 'redis-server', start: sqliteEngine },
  redis: { needs: 'redis-server', start: redisEngine },
  postgres: { needs: 'postgres', start: postgresEngine },
}

/** What `--engine` names: nothing for all, a name, or a URL; undefined for what is neither. */
export function askedEngines(engine: string | undefined): readonly AskedEngine[] | undefined {
  if (engine === undefined) return [{ name: 'sqlite' }, { name: 'redis' }, { name: 'postgres' }]
  const name = /^rediss?:\/\//.test(engine) ? 'redis' : /^postgres(ql)?:\/\//.test(engine) ? 'postgres' : undefined
  if (name !== undefined) return [{ name, url: engine }]
  return engine === 'sqlite' || engine === 'redis' || engine === 'postgres' ? [{ name: engine }] : undefined
}

/** Starts it; undefined, with a loud line, where its server cannot be had. */
export async function startEngine({ name, url }: AskedEngine): Promise<BenchEngine | undefined> {
  const { needs, start } = ENGINES[name]
  if (url === undefined && !(await available(needs))) return undefined
  return start(url)
}
