import type { Socket } from 'node:net'
import type { Direction, ProxyEventKind, ProxyFaults } from './faults.ts'
import { covers } from './faults.ts'

/** One direction of a connection. */
export interface Pipe {
  /** The faults have changed: what waits may travel. */
  changed(): void
  /** Ends the direction behind what waits. */
  end(): void
}

/** What a pipe needs to know of its connection. */
export interface PipeSurroundings {
  readonly faults: () => ProxyFaults
  readonly tell: (kind: ProxyEventKind) => void
  /** Looks at bytes that came; false: they do not travel. */
  readonly pass: (bytes: Buffer) => boolean
  /** Resets both sides of the connection. */
  readonly reset: () => void
  /** Whether the connection has lost bytes, and that it has. */
  readonly hasGap: () => boolean
  readonly gap: () => void
  /** How many bytes of the direction may still travel before the cut. */
  readonly allowed: (direction: Direction) => number
  readonly travelled: (direction: Direction, bytes: number) => void
}

/** Waiting bytes above this stop the reading, so that a fault does not fill the memory. */
const HIGH_WATER = 16 << 20
const END = Symbol('end')

interface Waiting {
  readonly dueAt: number
  readonly piece: Buffer | typeof END
}

/** Carries bytes from one socket to the other, through the faults of its direction. */
export function createPipe(
  { from, to, direction }: { readonly from: Socket; readonly to: Socket; readonly direction: Direction },
  surroundings: PipeSurroundings,
): Pipe {
  const { faults, tell, pass, reset, hasGap, gap, allowed, travelled } = surroundings
  const waiting: Waiting[] = []
  let waitingBytes = 0
  let freeAt = 0
  let timer: NodeJS.Timeout | undefined

  from.on('data', (chunk: Buffer) => {
    if (covers(faults().swallow, direction)) return swallow()
    if (hasGap() || to.destroyed) return reset()
    if (!pass(chunk)) return undefined
    for (const piece of pieces(chunk, faults().pieceBytes)) enqueue(piece)
    return travel()
  })
  from.on('end', end)
  to.on('drain', () => from.resume())
  for (const socket of [from, to]) socket.once('close', () => clearTimeout(timer))

  function swallow(): void {
    gap()
    tell('swallowed')
  }

  function end(): void {
    if (covers(faults().swallow, direction)) return swallow()
    if (hasGap()) return reset()
    enqueue(END)
    travel()
  }

  function enqueue(piece: Buffer | typeof END): void {
    const { latencyMs, bytesPerSecond } = faults()
    const size = piece === END ? 0 : piece.length
    const sendingMs = bytesPerSecond === undefined ? 0 : (size / bytesPerSecond) * 1_000
    freeAt = Math.max(freeAt, performance.now()) + sendingMs
    waiting.push({ dueAt: freeAt + (latencyMs?.[direction] ?? 0), piece })
    waitingBytes += size
    if (waitingBytes > HIGH_WATER) from.pause()
  }

  function travel(): void {
    clearTimeout(timer)
    for (let first = waiting[0]; first !== undefined; first = waiting[0]) {
      if (to.destroyed) return
      if (covers(faults().hold, direction)) return tell('held')
      const now = performance.now()
      if (first.dueAt > now) {
        timer = setTimeout(travel, first.dueAt - now)
        return
      }
      waiting.shift()
      if (first.piece === END) {
        to.end()
        continue
      }
      waitingBytes -= first.piece.length
      send(first.piece)
      if (waitingBytes < HIGH_WATER && !to.writableNeedDrain) from.resume()
    }
  }

  function send(piece: Buffer): void {
    const bytes = piece.subarray(0, allowed(direction))
    if (bytes.length > 0 && !to.write(bytes)) from.pause()
    travelled(direction, bytes.length)
  }

  return { changed: travel, end }
}

function pieces(chunk: Buffer, size: number | undefined): readonly Buffer[] {
  if (size === undefined || chunk.length <= size) return [chunk]
  const parts: Buffer[] = []
  for (let at = 0; at < chunk.length; at += size) parts.push(chunk.subarray(at, at + size))
  return parts
}
