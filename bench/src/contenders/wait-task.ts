import { defineTask, type TaskDefinition } from '@millrace/core'
import { z } from 'zod'

/** A task that waits for something else, such as a database or an API: it takes no CPU. */
export interface Wait {
  readonly n: number
  readonly ms: number
}

export const WaitForOthers: TaskDefinition<'others.wait', Wait, Wait, unknown, unknown> = defineTask('others.wait', {
  input: z.object({ n: z.number(), ms: z.number() }),
  keep: { count: 0 },
})

/** Now, by a clock that all processes of this machine share and that has fractions of a millisecond. */
export function sharedNow(): number {
  return performance.timeOrigin + performance.now()
}
