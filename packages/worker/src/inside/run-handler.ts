import { AsyncLocalStorage } from 'node:async_hooks'
import type { TaskContext } from '@millrace/core'
import {
  errorFrom,
  plainError,
  type FromHandler,
  type HandlerOrder,
  type PlainError,
  type ToHandler,
} from '../pool/messages.ts'
import { createNews } from './news.ts'

/** The way to the worker of the queue. */
export interface Link {
  post(message: FromHandler): void
  /** Returns what stops the listening. */
  listen(listener: (message: ToHandler) => void): () => void
}

interface Run {
  readonly order: HandlerOrder
  /** Ends the run by an error that its handler did not throw to its caller. */
  fail(thrown: unknown): void
}

/** Which run the code that is running belongs to, across its timers and promises. */
const runs = new AsyncLocalStorage<Run>()
let current: Run | undefined
let strays: PlainError[] = []
let isWorn = false
let ran = 0
let isWatching = false

/**
 * Runs one handler here, in a thread or process of a pool. Settles when it has ended; never settles when this place must not be used again, and
 * is ended by the other side then. Never rejects: a rejection always is a failure of the pool.
 */
export async function runHandler(order: HandlerOrder, link: Link): Promise<void> {
  watch()
  link.post({ run: order.run, say: 'begun' })
  await new Promise<void>((resolve) => void attempt(order, link, () => !isWorn && resolve()))
}

async function attempt(order: HandlerOrder, link: Link, onEnd: () => void): Promise<void> {
  const { run: id } = order
  const abort = new AbortController()
  const asking = new Set<{ resolve(results: unknown): void; reject(error: Error): void }>()
  const news = createNews((progress, log) => link.post({ run: id, say: 'news', progress, log }))
  let isOver = false

  const unlisten = link.listen((message) => {
    if (message.run !== id) return
    if (message.say === 'abort') return abort.abort(errorFrom(message.reason))
    for (const asker of asking) {
      if (message.error === undefined) asker.resolve(message.results)
      else asker.reject(errorFrom(message.error))
    }
    asking.clear()
  })

  function end(last: () => void): void {
    if (isOver) return
    isOver = true
    if (current === run) current = undefined
    unlisten()
    news.flush()
    for (const error of strays.splice(0)) link.post({ run: id, say: 'stray', error })
    last()
    onEnd()
  }

  const failed = (error: PlainError): void => link.post({ run: id, say: 'failed', error, worn: isWorn })
  const run: Run = {
    order,
    fail(thrown) {
      isWorn = true
      end(() => failed(plainError(thrown)))
    },
  }
  current = run
  ran += 1
  if (ran >= order.tasksEach) isWorn = true

  function children(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      asking.add({ resolve, reject })
      if (asking.size === 1) link.post({ run: id, say: 'children' })
    })
  }

  const context = {
    ...order.task,
    signal: abort.signal,
    progress: (report) => !isOver && news.progress(report),
    log: (line) => !isOver && news.log(line),
    children: children as TaskContext['children'],
    retry: ({ after }) => ({ outcome: 'retry', afterMs: after }),
    reject: (reason) => ({ outcome: 'reject', reason }),
  } as TaskContext

  try {
    const output = await runs.run(run, async () => (await load(order))(order.input, context))
    end(() => hand(output))
  } catch (thrown) {
    end(() => failed(plainError(thrown)))
  }

  function hand(output: unknown): void {
    try {
      link.post({ run: id, say: 'done', output, worn: isWorn })
    } catch (error) {
      const { message } = plainError(error)
      failed({
        name: 'MillraceError',
        code: 'task_output_invalid',
        message: `The output of the task "${order.task.name}" cannot leave its thread or process: ${message.replace(/\.$/, '')}. Return plain data.`,
        stack: undefined,
        retriable: false,
      })
    }
  }
}

async function load({ file, name }: HandlerOrder): Promise<(input: unknown, task: TaskContext) => unknown> {
  const module = (await import(file)) as Record<string, unknown>
  const handler = module[name]
  if (typeof handler === 'function') return handler as (input: unknown, task: TaskContext) => unknown
  throw Object.assign(new Error(`${file} exports no function "${name}": export the handler under that name.`), {
    name: 'MillraceError',
    code: 'config_invalid',
  })
}

/**
 * An error that nobody catches ends the run whose timer, promise or callback threw it, not the one that happens to run now. What belongs to a
 * run that is over is told at the end of the next one; this place is then not used again, for nobody knows what else is broken.
 */
function watch(): void {
  if (isWatching) return
  isWatching = true
  process.on('uncaughtException', (error) => {
    const owner = runs.getStore() ?? current
    if (owner !== undefined && owner === current) return owner.fail(error)
    isWorn = true
    strays = [...strays, plainError(error)].slice(-10)
  })
}
