import type { AnyTaskDefinition } from '@millrace/core'
import type { Engine, Runtime } from '@millrace/core/driver'
import type { RedisClient } from './redis/connect.ts'

/** Which queue of BullMQ. */
export interface BullmqQueue {
  /** The URL of its Redis, or a connected client of the package `redis` or `ioredis`, which the caller closes. */
  readonly redis: string | RedisClient
  /** The name of the queue. */
  readonly queue: string
  /** Default `bull`, as in BullMQ. */
  readonly prefix?: string
}

/** Options of `importBullmq`. */
export interface ImportOptions extends BullmqQueue {
  /** Where the jobs go. It must be the engine that the workers of the tasks use. */
  readonly engine: Engine
  /** Only says what would happen: reads the queue and changes nothing. Default false. */
  readonly dryRun?: boolean
  /** Definitions that the data of jobs is checked by before they are moved; what does not fit stays. Other tasks are checked by their worker. */
  readonly tasks?: readonly AnyTaskDefinition[]
  /** Names of tasks by names of jobs. Without one `sendEmail` becomes `send-email`. */
  readonly names?: Readonly<Record<string, string>>
  /** The queue of tasks that have no definition here. Default: the name of the queue, made legal. */
  readonly toQueue?: string
  /** Gives each task the id of its job, for queues whose ids mean something. Default: an id derived from it. */
  readonly keepIds?: boolean
  /** The zone of schedulers that have none. Default: that of this process; BullMQ takes that of the machine of its workers. */
  readonly timeZone?: string
  /** Moves jobs of a queue that is paused, though workers of the tasks may run them at once. Default false: that is refused. */
  readonly evenIfPaused?: boolean
  /** Looks for new jobs every second until the signal fires: while producers of BullMQ are still running. Default false. */
  readonly follow?: boolean
  /** Stops between two batches. */
  readonly signal?: AbortSignal
  /** Is told after each batch how many jobs were moved so far. */
  readonly onProgress?: (moved: number) => void
  /** Jobs that are taken at once, 1-500. Default 500. */
  readonly batch?: number
  readonly runtime?: Runtime
}
