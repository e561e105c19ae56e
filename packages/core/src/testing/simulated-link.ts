import type { Driver } from '../driver/driver.ts'
import { MillraceError } from '../runtime/error.ts'
import type { NetworkFaults } from './network-faults.ts'
import type { Random } from './random.ts'
import { unreachable, type ServerReply, type ServerRequest, type SimulatedServer } from './simulated-server.ts'
import type { SimulatedProcess, World } from './world.ts'

/** What of a call may go wrong beyond the usual. */
export interface CallTraits {
  /** It may be carried out after the caller has given up. */
  readonly mayBeLate?: boolean
  /** It may be carried out twice. */
  readonly mayRepeat?: boolean
  /** Calls of this kind arrive in the order in which they were made. */
  readonly inOrder?: boolean
}

/** Calls the server for one opened driver. */
export type Remote = <Answer>(
  isChange: boolean,
  run: (driver: Driver) => Promise<Answer>,
  traits?: CallTraits,
) => Promise<Answer>

/** The way of one process to the server. */
export interface SimulatedLink {
  call<Answer>(request: ServerRequest<Answer>, traits?: CallTraits): Promise<Answer>
  /** One way, without an answer. */
  tell(run: (server: SimulatedServer) => void): void
  /** Runs `run` when an answer should long have come, unless the process is dead by then. */
  later(run: () => void): void
  /** Nothing comes through for `ms` milliseconds. */
  cut(ms: number): void
  /** Whether an error says that the call was certainly not carried out. */
  isRefusal(error: unknown): boolean
}

/** After this many milliseconds without an answer a call fails. */
const CALL_TIMEOUT_MS = 400

export function createSimulatedLink(setup: {
  readonly world: World
  readonly server: SimulatedServer
  readonly process: SimulatedProcess
  readonly random: Random
  readonly faults: () => NetworkFaults
}): SimulatedLink {
  const { world, server, process, random, faults } = setup
  const refusals = new WeakSet<MillraceError>()
  let cutUntil = 0
  let lastArrival = 0

  function way(): number {
    const { latencyMs, slow, slowMs } = faults()
    return latencyMs * (0.5 + random.next()) + (random.chance(slow) ? random.next() * slowMs : 0)
  }

  function arrivalIn(inOrder: boolean): number {
    const at = world.now + way()
    if (!inOrder) return at - world.now
    lastArrival = Math.max(lastArrival, at)
    return lastArrival - world.now
  }

  return {
    call<Answer>(
      request: ServerRequest<Answer>,
      { mayBeLate = false, mayRepeat = false, inOrder = false }: CallTraits = {},
    ): Promise<Answer> {
      return new Promise((resolve, reject) => {
        if (!process.alive) return
        const { dropRequest, dropReply, late, duplicate } = faults()
        const isCut = cutUntil > world.now
        const isLate = mayBeLate && random.chance(late)
        const isDropped = isCut || random.chance(dropRequest)
        const losesReply = random.chance(dropReply)
        const repeats = mayRepeat && random.chance(duplicate)
        const fail = (kind: 'refused' | 'lost'): void => {
          const error = unreachable(kind)
          if (kind === 'refused') refusals.add(error)
          reject(error)
        }
        const receive = (reply: ServerReply<Answer>): void => {
          if (cutUntil > world.now || losesReply) return void process.after(CALL_TIMEOUT_MS, () => fail('lost'))
          process.after(way(), () => {
            if (reply.kind === 'answer') resolve(reply.answer)
            else if (reply.kind === 'error') reject(reply.error)
            else fail(reply.kind)
          })
        }
        if (isLate) {
          process.after(CALL_TIMEOUT_MS, () => fail('lost'))
          world.after(CALL_TIMEOUT_MS + random.next() * 1_500, () => server.handle(request, () => {}))
        } else if (isDropped) {
          process.after(CALL_TIMEOUT_MS, () => fail('lost'))
        } else {
          world.after(arrivalIn(inOrder), () => {
            server.handle(request, receive)
            if (repeats) server.handle(request, () => {})
          })
        }
      })
    },
    tell(run) {
      if (!process.alive || cutUntil > world.now || random.chance(faults().dropRequest)) return
      world.after(way(), () => run(server))
    },
    later: (run) => void process.after(CALL_TIMEOUT_MS, run),
    cut: (ms) => void (cutUntil = Math.max(cutUntil, world.now + ms)),
    isRefusal: (error) => error instanceof MillraceError && refusals.has(error),
  }
}
