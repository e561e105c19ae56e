import type { Runtime } from '../runtime/runtime.ts'

/** How long work that never waits may keep the event loop before it turns once. */
const SLICE_MS = 10
/** Looking at the clock costs as much as a small step. */
const STEPS_PER_LOOK = 16

/**
 * A function that takes steps for as long as `step` gives true, in slices between which the event loop turns. Called from
 * within a step it does nothing: the steps go on anyway.
 */
export function slicedWork(runtime: Runtime, step: () => boolean): () => void {
  let isWorking = false
  let isDeferred = false

  function work(): void {
    if (isWorking) return
    isWorking = true
    const until = runtime.monotonic() + SLICE_MS
    for (let steps = 1; step(); steps += 1) {
      if (steps % STEPS_PER_LOOK !== 0 || runtime.monotonic() < until) continue
      goOnLater()
      break
    }
    isWorking = false
  }

  function goOnLater(): void {
    if (isDeferred) return
    isDeferred = true
    runtime.defer(() => {
      isDeferred = false
      work()
    })
  }

  return work
}
