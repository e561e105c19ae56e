/** What a contender is asked to do, and where. */
export interface Work {
  readonly what:
    | 'publish'
    | 'consume'
    | 'roundtrip'
    | 'latency'
    | 'fill'
    | 'drain'
    | 'ingest'
    | 'idle'
    | 'fill-later'
    | 'schedules'
    | 'supervise'
  /** True: as tasks with priorities, delays and dedupe switched on, where a contender has them. */
  readonly asTasks?: boolean
  /** Events; seconds of `idle`, and of the tenfold rate of `supervise`. */
  readonly count: number
  /** Calls that wait at once; tasks a second before the step of `supervise`. */
  readonly inFlight: number
  /** A folder of its own, for engines that are files. */
  readonly folder: string
  /** The engine's URL, for engines that are servers. */
  readonly url?: string
  /** Where ours keeps what it has in that engine: the name of a schema, a prefix or a file. Default `millrace`. */
  readonly space?: string
}

/** What it measured: events a second, milliseconds, mebibytes or commands a minute, by the scenario. */
export interface Measured {
  readonly value: number
  readonly p99?: number
  /** Further figures by name. */
  readonly more?: Readonly<Record<string, number>>
  /** What belongs to the figure. */
  readonly note?: string
  readonly engine: string
  readonly engineVersion: string
  readonly durability: string
}

/** Runs `count` calls, `inFlight` of them at once, and gives calls a second. */
export async function callsPerSecond(
  count: number,
  inFlight: number,
  call: (n: number) => Promise<unknown>,
): Promise<number> {
  let next = 0
  const started = performance.now()
  const caller = async (): Promise<void> => {
    while (next < count) await call(next++)
  }
  await Promise.all(Array.from({ length: inFlight }, caller))
  return (count / (performance.now() - started)) * 1_000
}

/** A counter that resolves when `count` has come. */
export function countdown(count: number): { readonly done: Promise<void>; tick(): void; readonly seen: number } {
  let seen = 0
  let finish: () => void = () => {}
  const done = new Promise<void>((resolve) => (finish = resolve))
  return {
    done,
    tick() {
      seen += 1
      if (seen === count) finish()
    },
    get seen() {
      return seen
    },
  }
}

/** The value below which `share` of the sorted values lie. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((one, other) => one - other)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

/** Calls `once` again and again with a pause between, and gives how long it took each time, in milliseconds. */
export async function latencies(times: number, once: (n: number) => Promise<void>): Promise<number[]> {
  const values: number[] = []
  for (let n = 0; n < times; n += 1) {
    const started = performance.now()
    await once(n)
    values.push(performance.now() - started)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  return values.slice(Math.floor(times / 10))
}

/** Nothing happens for a while before it is counted: connections, leases and first looks are done by then. */
const SETTLING_MS = 5_000

/** Commands a minute that the server is sent while nothing happens, counted over `count` seconds. */
export async function idleCommands({
  url = '',
  count,
}: Work): Promise<{ readonly value: number; readonly note?: string }> {
  // Loaded only here: the clients would add to what `memory` measures.
  const { openCounter } = await import('./commands.ts')
  const counter = await openCounter(url)
  await new Promise((resolve) => setTimeout(resolve, SETTLING_MS))
  const before = await counter.read()
  await new Promise((resolve) => setTimeout(resolve, count * 1_000))
  const after = await counter.read()
  await counter.close()
  const perMinute = (from: number, to: number): number => ((to - from) / count) * 60
  const within = perMinute(before.within, after.within)
  return {
    value: perMinute(before.sent, after.sent),
    ...(within === 0 ? {} : { note: `${Math.round(within)} more within scripts` }),
  }
}
