/** What a task has beside its order, so that every feature that is compared is switched on. */
export interface JobExtras {
  /** 0 goes first. */
  readonly urgency: 0 | 1 | 2
  /** Each task has its own: nothing is dropped, but it must be looked for. */
  readonly dedupe: string
  readonly delayMs: number
}

const LATER_MS = 3_600_000

/** The extras of task `n`: three priorities take turns; with `someLater` one in ten is due in an hour. */
export function extrasOf(n: number, someLater: boolean): JobExtras {
  return {
    urgency: (n % 3) as 0 | 1 | 2,
    dedupe: `order-${process.pid}-${n}`,
    delayMs: someLater && n % 10 === 9 ? LATER_MS : 0,
  }
}
