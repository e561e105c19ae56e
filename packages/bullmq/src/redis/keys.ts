/** The keys of one queue of BullMQ, and those of the bridge beside them. */
export interface QueueKeys {
  /** What every key of the queue begins with: `bull:emails:`. */
  readonly base: string
  readonly meta: string
  readonly active: string
  readonly completed: string
  readonly failed: string
  readonly waitingChildren: string
  readonly repeat: string
  readonly events: string
  readonly marker: string
  readonly wait: string
  readonly paused: string
  readonly prioritized: string
  readonly delayed: string
  /** What the bridge has taken out and not yet brought home: job id -> copy of the job and where it was. */
  readonly held: string
  /** The ids of what is held, in the order of their taking. */
  readonly order: string
  /** Schedulers that were taken out. */
  readonly heldSchedulers: string
}

/** Where jobs wait to be run, in the order in which a worker of BullMQ looks there. */
export const SOURCES = ['wait', 'paused', 'prioritized', 'delayed'] as const

export type Source = (typeof SOURCES)[number]

/** The keys of a queue; in a cluster the prefix holds the hash tag that keeps them together, as BullMQ asks for. */
export function keysOf(prefix: string, queue: string): QueueKeys {
  const base = `${prefix}:${queue}:`
  return {
    base,
    meta: `${base}meta`,
    active: `${base}active`,
    completed: `${base}completed`,
    failed: `${base}failed`,
    waitingChildren: `${base}waiting-children`,
    repeat: `${base}repeat`,
    events: `${base}events`,
    marker: `${base}marker`,
    wait: `${base}wait`,
    paused: `${base}paused`,
    prioritized: `${base}prioritized`,
    delayed: `${base}delayed`,
    held: `${base}millrace:held`,
    order: `${base}millrace:order`,
    heldSchedulers: `${base}millrace:schedulers`,
  }
}
