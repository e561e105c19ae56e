import type { OutboxRow, OutboxStore, RelayLease } from '../../src/driver.ts'

/** An outbox in memory whose rows are "committed" by `commit`: the contract of the port in its simplest form. */
export interface OutboxInMemory extends OutboxStore {
  commit(row: Omit<OutboxRow, 'rowId' | 'attempts'>): void
  readonly waiting: number
}

interface Row extends OutboxRow {
  attempts: number
  due: number
  code: string
  message: string
}

/** `now` is the time by which rows come due. */
export function outboxInMemory(now: () => number): OutboxInMemory {
  let rows: Row[] = []
  let added = 0
  let lease: RelayLease = { owner: undefined, token: 0, count: 0 }
  const holds = (token: number): boolean => lease.owner !== undefined && lease.token === token
  const isHeldUp = (row: Row): boolean =>
    rows
      .filter(({ topic, key, attempts }) => topic === row.topic && key === row.key && key !== undefined && attempts > 0)
      .some(({ rowId, due }) => due > now() || Number(rowId) < Number(row.rowId))

  return {
    commit(row) {
      added += 1
      rows.push({ ...row, rowId: `${added}`, attempts: 0, due: 0, code: '', message: '' })
    },
    get waiting() {
      return rows.length
    },
    add: async () => {},
    observe: async () => lease,
    async claim(owner, { token, count }) {
      if (lease.token !== token || lease.count !== count) return undefined
      lease = { owner, token: token + 1, count: 0 }
      return lease.token
    },
    async renew(token) {
      if (!holds(token)) return false
      lease = { ...lease, count: lease.count + 1 }
      return true
    },
    async release(token) {
      if (lease.token === token) lease = { ...lease, owner: undefined }
    },
    take: async (limit) => rows.filter((row) => row.due <= now() && !isHeldUp(row)).slice(0, limit),
    async settle({ token, done, failed }) {
      if (!holds(token)) return 'fenced'
      rows = rows.filter(({ rowId }) => !done.includes(rowId))
      for (const { rowId, delayMs, code, message } of failed) {
        const row = rows.find((each) => each.rowId === rowId)
        if (row !== undefined) Object.assign(row, { attempts: row.attempts + 1, due: now() + delayMs, code, message })
      }
      return 'done'
    },
    status: async () => ({
      waiting: rows.length,
      exact: true,
      oldestMs: undefined,
      failing: rows.filter(({ attempts }) => attempts > 0).length,
      owner: lease.owner,
    }),
    failing: async () => [],
    resolve: async () => [],
  }
}
