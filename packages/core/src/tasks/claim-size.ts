import type { ClaimedTask } from '../driver/task-store.ts'
import { MOST_CHARACTERS } from './settle-queue.ts'

/** How many tasks one claim may bring, so that their inputs are through before the call is given up: learned from those that came. */
export interface ClaimSize {
  readonly most: number
  saw(tasks: readonly ClaimedTask[]): void
  /** A claim got no answer: perhaps what it asked for was too large. */
  unanswered(): void
}

/** Characters of an input, before the first has come. */
const LIKELY_BODY = 16 * 1024
const WEIGHT = 0.5
const GROWTH = 4

export function createClaimSize(): ClaimSize {
  let mean = LIKELY_BODY
  return {
    get most() {
      return Math.ceil(MOST_CHARACTERS / mean)
    },
    saw(tasks) {
      if (tasks.length === 0) return
      const characters = tasks.reduce((sum, { body }) => sum + body.length, 0)
      mean += (Math.max(1, characters / tasks.length) - mean) * WEIGHT
    },
    unanswered() {
      mean = Math.min(MOST_CHARACTERS, mean * GROWTH)
    },
  }
}
