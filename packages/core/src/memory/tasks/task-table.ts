import { DEFAULT_QUEUE_SETTINGS, type QueueSettings } from '../../driver/queue-settings.ts'
import { TASK_STATES, type TaskDedupe, type TaskError, type TaskRow, type TaskState } from '../../driver/task.ts'
import { createBucket, type Bucket } from './bucket.ts'
import { createIndexedHeap, type IndexedHeap } from './indexed-heap.ts'

/** A task as the engine holds it. Times are milliseconds since the epoch, with fractions. */
export interface Task {
  readonly id: string
  readonly queue: Queue
  readonly name: string
  body: string
  readonly keyName: string | undefined
  key: Key | undefined
  readonly tenant: string | undefined
  headStartMs: number
  /** Counts up with the adding. */
  number: number
  /** Its rank, were it not for its head start. */
  time: number
  state: TaskState
  attempts: number
  starts: number
  crashes: number
  worker: string | undefined
  addedAt: number
  dueAt: number
  readyAt: number
  startedAt: number | undefined
  endedAt: number | undefined
  expiresAt: number | undefined
  delayedBy: TaskRow['delayedBy']
  cancelling: boolean
  readonly dedupeKey: string | undefined
  readonly parent: string | undefined
  readonly hasChildren: boolean
  readonly failFast: boolean
  pendingChildren: number
  output: string | undefined
  error: TaskError | undefined
  progress: string | undefined
  log: string[]
  /** Whether it takes one of the places of its key. */
  hasPlace: boolean
  /** Where it is in the heap of its state. */
  index: number
  /** Where it is in the heap of what expires. */
  expiryIndex: number
}

/** What is known of a key of a queue while it has tasks or owes tokens. */
export interface Key {
  readonly name: string
  readonly queue: Queue
  /** Its tasks that have not ended. */
  tasks: number
  /** Places that are taken. */
  places: number
  /** Ready tasks: for each a token is there. */
  ready: number
  /** Tasks that are held until their token is there. */
  held: number
  bucket: Bucket | undefined
  waiting: IndexedHeap<Task>
}

/** The holder of a dedupe key. */
export interface Holder {
  readonly queue: Queue
  readonly dedupe: TaskDedupe
  readonly task: Task
  /** The end of its window. */
  readonly endsAt: number
  index: number
}

/** Ended tasks of a queue by the time from which they may be removed, oldest first. */
export interface Kept {
  readonly tasks: Set<Task>
  bytes: number
}

export interface Queue {
  readonly name: string
  version: number
  settings: QueueSettings
  note: string
  readonly counts: Record<TaskState, number>
  bucket: Bucket | undefined
  readonly delayed: IndexedHeap<Task>
  readonly ready: Map<string, IndexedHeap<Task>>
  readonly suspect: Map<string, IndexedHeap<Task>>
  /** Ready tasks in the order in which they became ready. */
  readonly readySince: Set<Task>
  readonly keys: Map<string, Key>
  /** The last turn by tenant and head start. */
  readonly turns: Map<string, number>
  readonly dedupe: Map<string, Holder>
  readonly kept: Kept
  readonly keptDead: Kept
}

/** Who wants to hear of changes that others make. */
export interface TaskListener {
  readonly owner: object
  tell(queues: Iterable<string>): void
}

/** All tasks of an engine. */
export interface TaskTable {
  /** In the order of their adding. */
  readonly tasks: Map<string, Task>
  readonly queues: Map<string, Queue>
  readonly running: Map<string, Set<Task>>
  /** In the order of their ends. */
  readonly ended: Set<Task>
  readonly children: Map<string, string[]>
  readonly expiring: IndexedHeap<Task>
  readonly windows: IndexedHeap<Holder>
  /** Keys whose places may be free, until they are given. */
  readonly touched: Set<Key>
  /** Keys that are only remembered for the tokens that they owe. */
  readonly idleKeys: Set<Key>
  /** Queues of which those who listen have not been told yet. */
  readonly changed: Set<string>
  readonly listeners: Set<TaskListener>
  /** What the clock of the engine adds to the monotonic one; fixed by the first operation. */
  offsetMs: number | undefined
  /** Bytes that the tasks take, roughly. */
  bytes: number
  lastNumber: number
}

export function createTaskTable(): TaskTable {
  return {
    tasks: new Map(),
    queues: new Map(),
    running: new Map(),
    ended: new Set(),
    children: new Map(),
    expiring: createIndexedHeap<Task>({
      isBefore: (one, other) => (one.expiresAt ?? 0) < (other.expiresAt ?? 0),
      indexOf: ({ expiryIndex }) => expiryIndex,
      setIndex: (task, at) => void (task.expiryIndex = at),
    }),
    windows: createIndexedHeap<Holder>({
      isBefore: (one, other) => one.endsAt < other.endsAt,
      indexOf: ({ index }) => index,
      setIndex: (holder, at) => void (holder.index = at),
    }),
    touched: new Set(),
    idleKeys: new Set(),
    changed: new Set(),
    listeners: new Set(),
    offsetMs: undefined,
    bytes: 0,
    lastNumber: 0,
  }
}

/** The queue; made with default settings when it is not there. */
export function queueNamed(table: TaskTable, name: string): Queue {
  const known = table.queues.get(name)
  if (known !== undefined) return known
  const queue: Queue = {
    name,
    version: 0,
    settings: DEFAULT_QUEUE_SETTINGS,
    note: '',
    counts: Object.fromEntries(TASK_STATES.map((state) => [state, 0])) as Record<TaskState, number>,
    bucket: undefined,
    delayed: heapOfTasks((one, other) => one.dueAt < other.dueAt || (one.dueAt === other.dueAt && isOlder(one, other))),
    ready: new Map(),
    suspect: new Map(),
    readySince: new Set(),
    keys: new Map(),
    turns: new Map(),
    dedupe: new Map(),
    kept: { tasks: new Set(), bytes: 0 },
    keptDead: { tasks: new Set(), bytes: 0 },
  }
  table.queues.set(name, queue)
  return queue
}

/** What is known of a key; begins with a full bucket. */
export function keyNamed(queue: Queue, name: string, at: number): Key {
  const known = queue.keys.get(name)
  if (known !== undefined) return known
  const { order, rate } = queue.settings.key
  const bucket = rate === undefined ? undefined : createBucket(rate, at)
  const key: Key = {
    name,
    queue,
    tasks: 0,
    places: 0,
    ready: 0,
    held: 0,
    bucket,
    waiting: heapOfTasks(waitingOrder(order)),
  }
  queue.keys.set(name, key)
  return key
}

/** How the waiting tasks of a key follow one another. */
export function waitingOrder(order: boolean): (one: Task, other: Task) => boolean {
  return order ? isOlder : isBefore
}

/** Whether a task is claimed before another: by rank, then in the order of adding. */
export function isBefore(one: Task, other: Task): boolean {
  const rank = one.time - one.headStartMs
  const otherRank = other.time - other.headStartMs
  return rank < otherRank || (rank === otherRank && isOlder(one, other))
}

export function isOlder(one: Task, other: Task): boolean {
  return one.number < other.number
}

export function heapOfTasks(isFirst: (one: Task, other: Task) => boolean): IndexedHeap<Task> {
  return createIndexedHeap<Task>({
    isBefore: isFirst,
    indexOf: ({ index }) => index,
    setIndex: (task, at) => void (task.index = at),
  })
}

export function hasEnded({ state }: Task): boolean {
  return state === 'done' || state === 'dead' || state === 'cancelled' || state === 'expired'
}
