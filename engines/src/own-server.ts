import { removeDataFolder } from './data-folder.ts'
import type { EngineServer } from './engine-server.ts'
import type { ServerProcess } from './server-process.ts'

/** How a server that runs is ended and started again. */
export interface OwnServerOptions {
  /** What it is called in errors. */
  readonly name: string
  readonly server: ServerProcess
  /** Its data folder, which is removed when it is stopped for good. */
  readonly folder: string
  /** What it takes to let it end in order. */
  readonly endBy: 'SIGTERM' | 'SIGINT'
  /** Starts it once more in the same place. */
  readonly start: () => Promise<ServerProcess>
}

/** A server of ours in its place: it can be killed and restarted until it is stopped. */
export function ownServer<Place extends Pick<EngineServer, 'url' | 'version'>>(
  place: Place,
  { name, server, folder, endBy, start }: OwnServerOptions,
): Place & EngineServer {
  let current = server
  let stopped: Promise<void> | undefined
  const stop = (): Promise<void> => {
    stopped ??= current.end(endBy).then(() => removeDataFolder(folder))
    return stopped
  }
  return {
    ...place,
    get pid() {
      return current.running ? current.pid : undefined
    },
    kill: () => current.end('SIGKILL'),
    async restart() {
      if (stopped !== undefined) throw new Error(`The ${name} server was stopped for good; start another one.`)
      if (current.running) await current.end(endBy)
      current = await start()
    },
    stop,
    [Symbol.asyncDispose]: stop,
  }
}
