import type { Millrace } from '@millrace/core'
import { Call, DEDUPE_KEYS, Job, KEYS, Part, Step, Whole, type Work } from './tasks.ts'

/** Told before and after a call. */
export interface AddingSeen {
  asked(ids: readonly string[]): void
  added(ids: readonly string[]): void
}

const PRIORITIES = ['critical', 'high', 'normal', 'low'] as const

/** Adds what the number `n` stands for: each kind of task in turn, and often enough for any process one that is there already. Rejects as the call does. */
export async function addNext(millrace: Millrace, n: number, seen: AddingSeen): Promise<void> {
  await addKind(millrace, n, seen)
  if (n % 3 === 0) await addTwice(millrace, n, seen)
}

async function addKind(millrace: Millrace, n: number, { asked, added }: AddingSeen): Promise<void> {
  const id = `task-${n}`
  const input: Work = { n, key: `k${(n * 31) % KEYS}` }
  const kind = n % 10
  if (kind < 3 || kind === 4) {
    asked([id])
    await millrace.enqueue(kind === 4 ? Call : Step, input, { id })
    added([id])
  } else if (kind === 3) {
    asked([id])
    await millrace.enqueue(Call, input, { id, priority: PRIORITIES[n % 4] ?? 'normal' })
    added([id])
  } else if (kind === 5) {
    asked([id])
    const key = `d${Math.floor(n / 10) % DEDUPE_KEYS}`
    const isDebounced = n % 40 === 15
    const dedupe = isDebounced ? { key: `late ${key}`, mode: 'debounce' as const } : key
    const handle = await millrace.enqueue(Job, input, { id, dedupe, ...(isDebounced ? { delay: 100 } : {}) })
    added(handle.deduplicated ? [] : [id])
  } else if (kind === 6) {
    asked([id])
    const expires = n % 40 === 26 ? { expiresAfter: 300 } : {}
    await millrace.enqueue(Job, input, { id, delay: 50 + ((n * 13) % 1_500), ...expires })
    added([id])
  } else if (kind === 7) await addFlow(millrace, n, { asked, added })
  else if (kind === 8) {
    asked([])
    const inputs = Array.from({ length: 4 }, (_, at) => ({ n: n + at, key: `k${at}` }))
    const handles = await millrace.enqueueMany(Job, inputs, { priority: PRIORITIES[n % 4] ?? 'normal' })
    added(handles.map((handle) => handle.id))
  } else {
    asked([id])
    await millrace.enqueue(Job, input, { id, delay: n % 20 === 9 ? 200 : 0 })
    added([id])
    // It is there whatever becomes of this call, of which the history of the ports tells.
    await millrace.tasks.cancel([id]).catch(() => undefined)
  }
}

/** Two at once under one key. */
async function addTwice(millrace: Millrace, n: number, { asked, added }: AddingSeen): Promise<void> {
  const ids = [`task-${n}-first`, `task-${n}-again`]
  asked(ids)
  const handles = await Promise.all(
    ids.map((id) => millrace.enqueue(Job, { n, key: 'k0' }, { id, dedupe: `again ${n}`, delay: 300 })),
  )
  added(handles.flatMap(({ id, deduplicated }) => (deduplicated ? [] : [id])))
}

async function addFlow(millrace: Millrace, n: number, { asked, added }: AddingSeen): Promise<void> {
  const ids = [`task-${n}`, `task-${n}-a`, `task-${n}-b`, `task-${n}-c`]
  const [id = '', ...parts] = ids
  asked(ids)
  await millrace.enqueueFlow({
    task: Whole,
    input: { n, key: '' },
    options: { id },
    onChildFailure: n % 20 === 7 ? 'fail' : 'continue',
    children: parts.map((part, at) => ({ task: Part, input: { n: n + at, key: '' }, options: { id: part } })),
  })
  added(ids)
}
