import type { WriterState } from '../writer-state.ts'
import { claim } from './claim.ts'
import { createTexts, type ExchangeCall, type ExchangeReply, NUMBERS } from './exchange-wire.ts'
import { noteTasks } from './notes.ts'
import { settleTasks } from './settle.ts'

/** Settles, notes, then claims. */
export function exchange(state: WriterState, call: ExchangeCall): ExchangeReply {
  const now = Math.floor(state.now())
  const texts = createTexts()
  const { sql } = state
  let workerId = sql.get<{ id: number }>('SELECT id FROM task_workers WHERE name = ?', call.worker)?.id
  noteTasks(state, call.notes, workerId ?? 0)
  const { fenced, ended } = settleTasks(state, call, { workerId: workerId ?? 0, now })
  const worker = (): number => (workerId ??= addWorker(state, call.worker))
  const claimed = call.claims.map((each) => claim(state, each, { worker, texts, now }))
  const taken = claimed.reduce((sum, { numbers }) => sum + numbers.length, 0) / NUMBERS
  if (taken !== ended) sql.run('UPDATE task_workers SET held = held + ? WHERE id = ?', taken - ended, workerId ?? 0)
  const cancel = sql.arrays<[id: string]>(
    `SELECT t.id FROM task_running r JOIN tasks t ON t.n = r.n WHERE r.worker = ? AND r.cancelling = 1`,
    workerId ?? 0,
  )
  return { fenced, cancel: cancel.map(([id]) => id), claimed, texts: texts.end(), touched: state.tasks.finish() }
}

function addWorker({ sql }: WriterState, name: string): number {
  sql.run('INSERT INTO task_workers (name) VALUES (?)', name)
  return sql.get<{ id: number }>('SELECT id FROM task_workers WHERE name = ?', name)?.id ?? 0
}
