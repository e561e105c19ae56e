import { channel, type Channel } from 'node:diagnostics_channel'

/** A flush of publishes came back, or the time of some was up before it did: those are told twice, at last with what became of them. */
export interface PublishDiagnosis {
  readonly millrace: string
  readonly topic: string
  readonly count: number
  readonly outcome: 'stored' | 'rejected' | 'unknown'
  readonly durationMs: number
}

/** An attempt of a handler came to its end. */
export interface HandleDiagnosis {
  readonly millrace: string
  readonly group: string
  readonly topic: string
  readonly type: string
  readonly outcome: 'done' | 'retry' | 'dead-letter' | 'expired'
  readonly attempt: number
  readonly durationMs: number
  /** From the engine's recording to the end of this attempt. */
  readonly endToEndMs: number
}

/** A call of the engine came back. */
export interface StoreDiagnosis {
  readonly millrace: string
  readonly operation: string
  readonly durationMs: number
  readonly failed: boolean
}

/** Something that an operator may want to know: a lease lost, a lane full, a poison event isolated. */
export interface IncidentDiagnosis {
  readonly millrace: string
  readonly kind:
    | 'lease-lost'
    | 'lane-full'
    | 'isolating'
    | 'member-expelled'
    | 'partition-claimed'
    | 'partition-released'
    /** A task was taken from a worker that still ran it. */
    | 'task-lease-lost'
    /** The tasks of a worker that is gone were given to others. */
    | 'worker-reclaimed'
    /** Ready tasks whose name no worker knows. */
    | 'task-without-worker'
  /** Of subscriptions, or `queue:<name>`. */
  readonly group: string
  readonly topic: string | undefined
  readonly partition: number | undefined
}

/** An attempt of a task came to its end. */
export interface TaskDiagnosis {
  readonly millrace: string
  readonly queue: string
  readonly task: string
  readonly outcome: 'done' | 'retry' | 'dead' | 'cancelled' | 'expired' | 'release'
  /** 1 for the first. */
  readonly attempt: number
  readonly durationMs: number
  /** How long it waited in its queue before it was claimed. */
  readonly waitMs: number
  /** From its adding to the end of this attempt. */
  readonly endToEndMs: number
  /** Of what is dead. */
  readonly code: string | undefined
}

/** How busy a worker is; once a second. */
export interface WorkerDiagnosis {
  readonly millrace: string
  readonly queue: string
  readonly task: string
  readonly concurrency: number
  readonly running: number
  readonly buffered: number
  /** Handlers whose time was up and that have not come back. */
  readonly abandoned: number
  /** The share of its handlers that were busy of late, from 0 to 1. */
  readonly utilisation: number
  /** Smoothed milliseconds that tasks waited before they were claimed. */
  readonly queueWaitMs: number
}

/** A batch of the outbox was forwarded. */
export interface RelayDiagnosis {
  readonly millrace: string
  readonly forwarded: number
  readonly failed: number
  readonly durationMs: number
}

/** A call of an operation has ended. Of many tasks at once only some are followed to their end. */
export interface OperationDiagnosis {
  readonly millrace: string
  readonly operation: string
  readonly mode: 'sync' | 'async'
  /** Why it ran there: `mode`, `rollout`, `queue-down`, `queue-slow`, `queue-failed`, `queue-unknown`. */
  readonly reason: string
  readonly outcome: 'done' | 'failed'
  readonly durationMs: number
}

/** The event loop did not turn for a while. */
export interface LoopLagDiagnosis {
  readonly millrace: string
  readonly lagMs: number
}

/**
 * What tracers, metrics and logs listen to (`node:diagnostics_channel`). Nothing is built for a channel without listeners.
 * No message carries a payload.
 */
export const channels: {
  readonly publish: Channel
  readonly handle: Channel
  readonly store: Channel
  readonly incident: Channel
  readonly loopLag: Channel
  readonly relay: Channel
  readonly operation: Channel
  readonly task: Channel
  readonly worker: Channel
} = {
  publish: channel('millrace:publish'),
  handle: channel('millrace:handle'),
  store: channel('millrace:store'),
  incident: channel('millrace:incident'),
  loopLag: channel('millrace:loop-lag'),
  relay: channel('millrace:relay'),
  operation: channel('millrace:operation'),
  task: channel('millrace:task'),
  worker: channel('millrace:worker'),
}
