import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { EngineServer } from 'engines'

/** An engine that has been started, with the server behind it if it has one. */
export interface StartedEngine {
  readonly url: string
  readonly server?: EngineServer
}

/** Starts an engine whose files are in the folder. */
export type StartEngine = (folder: string) => Promise<StartedEngine>

/** A folder of its own, with one for the histories of workers. It is gone, and the server ended, when it is disposed of. */
export interface Place extends AsyncDisposable {
  readonly folder: string
  readonly histories: string
}

export async function openPlace<Engine extends StartedEngine>(
  name: string,
  start: (folder: string) => Promise<Engine>,
): Promise<Place & Engine> {
  const folder = mkdtempSync(join(tmpdir(), `millrace-${name}-`))
  const histories = join(folder, 'histories')
  mkdirSync(histories)
  const started = await start(folder)
  return {
    ...started,
    folder,
    histories,
    async [Symbol.asyncDispose]() {
      await started.server?.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
