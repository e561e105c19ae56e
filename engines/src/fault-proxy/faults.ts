/** Where bytes go: from our process to the server, or back. */
export type Direction = 'toServer' | 'toClient'

/** What connections through a proxy suffer until it is changed. Those that are open suffer it too. */
export interface ProxyFaults {
  /** Milliseconds that each piece of bytes waits, in order. */
  readonly latencyMs?: Partial<Readonly<Record<Direction, number>>>
  /** The most bytes a second in each direction of each connection. */
  readonly bytesPerSecond?: number
  /** Bytes travel in pieces of at most this size. */
  readonly pieceBytes?: number
  /** A partition: bytes and ends of connections wait in the proxy, and travel on when it is over. */
  readonly hold?: Direction | 'both'
  /**
   * Half-open: bytes and ends of connections vanish, and no connection is closed. A connection that has lost any is reset with its first
   * bytes after the fault is over, as by a host that has forgotten it.
   */
  readonly swallow?: Direction | 'both'
  /** After so many bytes in the direction, counted over all connections since the fault was set, every connection ends; the bytes before arrive. */
  readonly cut?: { readonly direction: Direction; readonly afterBytes: number; readonly how: 'reset' | 'close' }
  /** Nobody listens: new connections are refused. Those that are open stay. */
  readonly refuse?: boolean
  /** Requests of new connections are sent to the server twice, over a second connection whose answers nobody reads. */
  readonly duplicate?: boolean
}

/** A fault that happens at a request: the first pieces of bytes to the server that hold the text. */
export interface ProxyStrike {
  /** Text in the bytes of the request, such as the name of a command. */
  readonly at: string
  /**
   * - `reset-request`: the request does not reach the server, the connection is reset.
   * - `reset-reply`: the server answers, and the connection is reset instead of the answer.
   * - `swallow-reply`: the server answers, and nothing comes back any more; nothing is closed.
   * - `close-request`: the request reaches the server, and the connection is closed half-way behind it: the server sees the end, and its answer still arrives.
   */
  readonly does: 'reset-request' | 'reset-reply' | 'swallow-reply' | 'close-request'
  /** How many requests are struck. Default 1. */
  readonly times?: number
}

/** What a proxy tells. */
export interface ProxyEvent {
  readonly kind: ProxyEventKind
  /** Counts the connections of the proxy from 1. */
  readonly connection: number
}

/**
 * - `opened`, `closed`: a connection.
 * - `held`, `swallowed`: bytes or an end came that a fault kept back; told for each piece.
 * - `cut`: the bytes of `cut` are through.
 * - `struck`: a request was found that a strike waited for.
 * - `reset`: a connection was reset by a fault.
 */
export type ProxyEventKind = 'opened' | 'closed' | 'held' | 'swallowed' | 'cut' | 'struck' | 'reset'

/** Whether a fault of this direction covers the other. */
export function covers(fault: Direction | 'both' | undefined, direction: Direction): boolean {
  return fault === 'both' || fault === direction
}
