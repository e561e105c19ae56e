/** What a contender works on: a server's address, or nothing where it makes a file in the folder it is given. */
export interface Place {
  readonly url?: string
  /** Brings it to an empty state; called before each measurement. */
  reset(): Promise<void>
  /** Does what the engine would do by itself in the background after a large load, and waits for it; says what that was. */
  calm?(): Promise<string>
}

/** The scenarios in which peers do the same work. */
export type ComparedScenario =
  | 'publish'
  | 'publish-batch'
  | 'consume'
  | 'roundtrip'
  | 'latency'
  | 'idle'
  | 'tasks-enqueue'
  | 'tasks-enqueue-batch'
  | 'tasks-process'
  | 'tasks-latency'

/** Another product that does the same work. */
export interface Peer {
  readonly contender: string
  /** `name@version`; what sets two ways of using it apart follows a plus sign: `graphile-worker@0.18.0+local-queue`. */
  readonly name: string
  /** Its configuration and durability, as they are printed. */
  readonly about: string
  /**
   * The scenarios that it takes part in, each with its share of our events: a peer's rate is steady, and a run with all of them
   * would take many times as long as ours.
   */
  readonly scenarios: Readonly<Partial<Record<ComparedScenario, number>>>
  /** Where it works, if not on the engine itself. */
  readonly place?: Place
}

/** A server that counts the commands it is sent. */
export interface CountingServer {
  readonly url: string
  stop(): Promise<void>
}

/** An engine under measurement, with everyone who is measured on it. */
export interface BenchEngine {
  readonly name: 'sqlite' | 'redis' | 'postgres'
  /** Version and the settings that decide about durability, as they are printed. */
  readonly about: string
  readonly place: Place
  /** The contender with the bare client, and what it does. */
  readonly limit: { readonly contender: string; readonly about: string }
  readonly peers: readonly Peer[]
  /** Events of the `publish` scenario, and single calls that wait at once in it. */
  readonly publish: { readonly count: number; readonly inFlight: number }
  /** Events of the large backlog in `growth`, and measurements of `memory` at most. */
  readonly large: { readonly backlog: number; readonly runs: number }
  /** A server of its own for `idle`; undefined where there is no server. */
  readonly startCounting?: () => Promise<CountingServer>
  stop(): Promise<void>
}
