/** How often things go wrong, as probabilities from 0 to 1, and how slow they are, in milliseconds. */
export interface NetworkFaults {
  /** The request does not arrive. */
  readonly dropRequest: number
  /** The request is carried out, its reply does not arrive: the outcome is unknown. */
  readonly dropReply: number
  /** A publish, a claim, a hand-over or a join is carried out after its caller has given up. */
  readonly late: number
  /** The request arrives twice, where the port says that this is harmless. */
  readonly duplicate: number
  /** A request or its reply takes up to `slowMs` longer. */
  readonly slow: number
  readonly slowMs: number
  /** A publish stores the first records of its batch and fails. */
  readonly torn: number
  /** The engine refuses single records of a publish. */
  readonly reject: number
  /** The ordinary time of one way. */
  readonly latencyMs: number
}

/** A network that always works. */
export const NO_FAULTS: NetworkFaults = {
  dropRequest: 0,
  dropReply: 0,
  late: 0,
  duplicate: 0,
  slow: 0,
  slowMs: 0,
  torn: 0,
  reject: 0,
  latencyMs: 0.4,
}
