import type { Host } from '../host.ts'
import { duration } from './amount.ts'

/** Shows how far a long command is. */
export interface Progress {
  update(done: number, total?: number): void
  /** Removes the bar. Idempotent. */
  end(): void
}

const BAR = 24
const REDRAW_MS = 100

/** A bar on stderr; nothing at all when stderr is no terminal. */
export function createProgress(host: Host, noun: string): Progress {
  if (!host.stderr.isTTY) return { update: () => {}, end: () => {} }
  const started = performance.now()
  let drawn = Number.NEGATIVE_INFINITY
  let isShown = false
  return {
    update(done, total) {
      const now = performance.now()
      if (now - drawn < REDRAW_MS && done !== total) return
      drawn = now
      isShown = true
      const rate = done / Math.max(0.001, (now - started) / 1_000)
      const left = total === undefined || rate === 0 ? '' : `, ${duration(((total - done) / rate) * 1_000)} left`
      const bar = total === undefined ? '' : `${barOf(total === 0 ? 1 : done / total)} `
      const of = total === undefined ? '' : ` of ${total}`
      host.stderr.write(`\r\u001b[2K${bar}${done}${of} ${noun}, ${Math.round(rate)}/s${left}`)
    },
    end() {
      if (isShown) host.stderr.write('\r\u001b[2K')
      isShown = false
    },
  }
}

function barOf(share: number): string {
  const full = Math.round(Math.min(1, share) * BAR)
  return `[${'█'.repeat(full)}${'░'.repeat(BAR - full)}]`
}
