import { join } from 'node:path'
import { GROUNDS, type Ground } from '../faults/grounds.ts'
import type { StartedEngine, StartEngine } from './place.ts'

/** An engine that tests of killed processes start for themselves. */
export interface CrashGround {
  readonly name: string
  readonly start: StartEngine
}

/** SQLite in a file of the folder, and the servers that are there. */
export const CRASH_GROUNDS: readonly CrashGround[] = [
  { name: 'SQLite', start: async (folder) => ({ url: `sqlite:${join(folder, 'crash.db')}` }) },
  ...GROUNDS.map((ground) => ({ name: ground.name, start: startOn(ground) })),
]

/** Starts a server, with nothing in the folder. */
export function startOn(ground: Ground): () => Promise<Required<StartedEngine>> {
  return async () => {
    const server = await ground.start()
    return { url: server.url, server }
  }
}
