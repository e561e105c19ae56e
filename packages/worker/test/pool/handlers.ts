import { appendFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { threadId } from 'node:worker_threads'
import type { TaskContext } from '@millrace/core'

const place = (): string => `${process.pid}:${threadId}`

export default function twice({ n }: { n: number }): number {
  return n * 2
}

export function where(): string {
  return place()
}

export function echo(input: unknown): unknown {
  return input
}

export function context(_: unknown, { id, name, queue, key, attempt, metadata }: TaskContext): unknown {
  return { id, name, queue, key, attempt, metadata }
}

export async function talk(_: unknown, task: TaskContext): Promise<unknown> {
  for (let done = 1; done <= 1_000; done += 1) task.progress({ done, total: 1_000, stage: 'counting' })
  task.log('first')
  task.log('last')
  return task.children()
}

export function fail(): never {
  throw Object.assign(new TypeError('the picture is upside down'), { code: 'upside_down' })
}

export function wish({ kind }: { kind: string }, task: TaskContext): unknown {
  return kind === 'retry' ? task.retry({ after: 50 }) : task.reject('no picture')
}

export function leave(): Promise<never> {
  process.exit(3)
}

/** Leaves a line and exits. */
export function exitAndTell({ into }: { into: string }): never {
  appendFileSync(into, 'exit\n')
  return process.exit(3)
}

/** Fails outside of what its caller awaits. */
export async function throwOutside(): Promise<void> {
  setTimeout(() => {
    throw new Error('thrown by a timer')
  }, 1)
  await new Promise(() => {})
}

/** Is done, and throws afterwards. */
export function throwLater({ afterMs }: { afterMs: number }): string {
  setTimeout(() => {
    throw new Error('thrown after the end')
  }, afterMs)
  return place()
}

let whenNextRuns: (() => void) | undefined

/** Is done, and throws as soon as the next task is running. */
export function throwBeside(): string {
  void new Promise<void>((resolve) => (whenNextRuns = resolve)).then(() =>
    setTimeout(() => {
      throw new Error('thrown after the end')
    }, 20),
  )
  return place()
}

export async function slow({ ms }: { ms: number }): Promise<string> {
  await pause(ms)
  return place()
}

export function block(_: unknown, task: TaskContext): never {
  task.progress({ stage: 'begun' })
  for (;;);
}

export async function waitForAbort(_: unknown, { signal, progress }: TaskContext): Promise<never> {
  progress({ stage: 'begun' })
  return new Promise((_resolve, reject) =>
    signal.addEventListener('abort', () => reject(new Error(`stopped because: ${String(signal.reason.message)}`))),
  )
}

export function unsendable(): unknown {
  return { call: () => 1 }
}

/** Uses up the heap in many small pieces. */
export function leak(): number {
  const kept: unknown[] = []
  for (;;) kept.push(Array.from({ length: 1_000 }, (_unused, index) => ({ index })))
}

/** Uses up the heap in one large piece, which V8 answers by ending the whole process. */
export function hog(): number {
  const all: number[] = []
  for (;;) all.push(all.length + 0.5)
}

/** Takes 640 MiB beside the heap, and holds them. */
export function hoard(): number {
  const kept = Array.from({ length: 64 }, () => Buffer.alloc(10 * 1024 * 1024, 1))
  for (const until = Date.now() + 60_000; Date.now() < until;);
  return kept.length
}

/** Runs another one of these, so that one pool runs them all in the same place. */
export async function dispatch(
  { handler, input }: { handler: string; input?: unknown },
  task: TaskContext,
): Promise<unknown> {
  whenNextRuns?.()
  whenNextRuns = undefined
  const all: Record<string, (input: never, task: TaskContext) => unknown> = {
    where,
    echo,
    talk,
    leave,
    throwOutside,
    throwLater,
    throwBeside,
    slow,
    block,
    waitForAbort,
    unsendable,
    leak,
    hog,
    hoard,
  }
  return all[handler]?.(input as never, task)
}
