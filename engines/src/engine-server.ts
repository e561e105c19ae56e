/** A real server for a test or a benchmark. Every engine's file returns one. */
export interface EngineServer {
  /** What a driver connects to. */
  readonly url: string
  /** As the server itself tells it. */
  readonly version: string
  /** The server's process; undefined while it is down, and for a server that this process did not start. */
  readonly pid: number | undefined
  /** Ends it at once (SIGKILL), as a crash would; its data stay. Settles when the process is gone. */
  kill(): Promise<void>
  /** Starts it again on the same port with the same data, ending it in an orderly way first if it runs. Settles when it is ready. */
  restart(): Promise<void>
  /** Ends it and removes its data. Idempotent. */
  stop(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** A server that somebody else runs: it can be used, not ended. */
export function foreignServer(url: string, version: string): EngineServer {
  const refuse = async (): Promise<void> => {
    throw new Error('This server was given by an environment variable; a test that ends it needs one of its own.')
  }
  const leave = async (): Promise<void> => undefined
  return { url, version, pid: undefined, kill: refuse, restart: refuse, stop: leave, [Symbol.asyncDispose]: leave }
}
