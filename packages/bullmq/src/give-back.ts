import { systemRuntime } from '@millrace/core'
import type { Engine, Runtime } from '@millrace/core/driver'
import { createLedger } from './home/ledger.ts'
import { openHome } from './home/open-home.ts'
import { scheduleName } from './jobs/schedule-of-scheduler.ts'
import type { BullmqQueue } from './options.ts'
import { byBatch } from './queue/bring-home.ts'
import { createHeld } from './queue/held.ts'
import { returnSchedulers } from './queue/move-schedulers.ts'
import { createSchedulers } from './queue/schedulers.ts'
import { connect } from './redis/connect.ts'
import { keysOf } from './redis/keys.ts'

/** Options of `giveBackBullmq`. */
export interface GiveBackOptions extends BullmqQueue {
  /** The engine that the jobs were on their way to. */
  readonly engine: Engine
  readonly runtime?: Runtime
}

/** What was given back. */
export interface GaveBack {
  /** Jobs that are in BullMQ again. */
  readonly jobs: number
  /** Jobs that were held, but are tasks already: they were only removed from BullMQ. */
  readonly moved: number
  readonly schedulers: number
}

/**
 * Gives back to BullMQ what an import holds that did not come to its end, each job to where it was. What has become a task already stays one.
 * Throws `engine_*`.
 */
export async function giveBackBullmq(options: GiveBackOptions): Promise<GaveBack> {
  const { prefix = 'bull', queue, engine, runtime = systemRuntime() } = options
  const commands = await connect(options.redis)
  try {
    const keys = keysOf(prefix, queue)
    const held = createHeld(commands, keys)
    const home = await openHome(engine, runtime)
    try {
      const ledger = createLedger(home.schedules, prefix, queue)
      let jobs = 0
      let moved = 0
      // The last batch first: what was taken first must be the next to run.
      for (const [batch, each] of [...byBatch(await held.list())].toReversed()) {
        const ids = each.map(({ id }) => id)
        if ((await ledger.returns(batch)) === 'returned') jobs += await held.giveBack(batch, ids)
        else {
          await held.settle(batch, each)
          moved += ids.length
        }
      }
      const schedulers = await returnSchedulers(
        createSchedulers(commands, keys),
        home.millrace.schedules,
        ({ scheduler }) => scheduleName(queue, scheduler),
      )
      return { jobs, moved, schedulers }
    } finally {
      await home.close()
    }
  } finally {
    await commands.close()
  }
}
