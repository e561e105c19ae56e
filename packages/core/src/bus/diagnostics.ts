import { channel, type Channel } from 'node:diagnostics_channel'

/** A flush of publishes came back. */
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
  readonly group: string
  readonly topic: string | undefined
  readonly partition: number | undefined
}

/** A batch of the outbox was forwarded. */
export interface RelayDiagnosis {
  readonly millrace: string
  readonly forwarded: number
  readonly failed: number
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
} = {
  publish: channel('millrace:publish'),
  handle: channel('millrace:handle'),
  store: channel('millrace:store'),
  incident: channel('millrace:incident'),
  loopLag: channel('millrace:loop-lag'),
  relay: channel('millrace:relay'),
}
