import type { Statements } from '../../file/statements.ts'
import { BLOCKED, DELAYED, READY, RUNNING, SUSPECT, WAITING } from '../../task-state.ts'

const BY_STATE: Readonly<Record<number, string>> = {
  [BLOCKED]: 'SELECT n FROM tasks WHERE state = 0 AND queue = ?',
  [DELAYED]: 'SELECT n FROM tasks WHERE state = 1 AND queue = ?',
  [WAITING]: 'SELECT n FROM tasks WHERE state = 2 AND queue = ?',
  [READY]: 'SELECT n FROM task_ready WHERE queue = ? AND suspect = 0',
  [SUSPECT]: 'SELECT n FROM task_ready WHERE queue = ? AND suspect = 1',
}

/** The numbers of the tasks of some queues that are in one of these states, in their order. */
export function numbersInStates(
  sql: Statements,
  queues: readonly { readonly id: number; readonly counts: readonly number[] }[],
  states: readonly number[],
): number[] {
  const numbers: number[] = []
  const add = (rows: readonly (readonly [n: number])[]): void => {
    for (const [n] of rows) numbers.push(n)
  }
  for (const state of states) {
    if (state === RUNNING) add(sql.arrays<[number]>('SELECT n FROM task_running'))
    const text = BY_STATE[state]
    if (text === undefined) continue
    for (const { id, counts } of queues) if ((counts[state] ?? 0) > 0) add(sql.arrays<[number]>(text, id))
  }
  return numbers.toSorted((one, other) => one - other)
}
