import { abortReason } from './abort-reason.ts'

/** Places for runs; who finds none waits in line. */
export interface Places {
  readonly taken: number
  readonly waiting: number
  /** Resolves with what gives the place back. Rejects with the signal's reason when that fires first. */
  take(signal: AbortSignal): Promise<() => void>
}

/** `count` places. */
export function createPlaces(count: number): Places {
  const line = new Set<() => void>()
  let taken = 0

  function occupy(): () => void {
    taken += 1
    let isBack = false
    return () => {
      if (isBack) return
      isBack = true
      taken -= 1
      const [next] = line
      next?.()
    }
  }

  return {
    get taken() {
      return taken
    },
    get waiting() {
      return line.size
    },
    take(signal) {
      if (signal.aborted) return Promise.reject(abortReason(signal))
      if (taken < count) return Promise.resolve(occupy())
      return new Promise((resolve, reject) => {
        const leave = (): void => {
          line.delete(enter)
          signal.removeEventListener('abort', giveUp)
        }
        const enter = (): void => {
          leave()
          resolve(occupy())
        }
        const giveUp = (): void => {
          leave()
          reject(abortReason(signal))
        }
        line.add(enter)
        signal.addEventListener('abort', giveUp, { once: true })
      })
    },
  }
}
