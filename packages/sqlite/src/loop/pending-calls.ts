import { MillraceError } from '@millrace/core/driver'
import type { Reply } from './host.ts'
import { markOutcomeUnknown } from './link.ts'

/** Calls that wait for their reply. */
export interface PendingCalls {
  readonly size: number
  /** A new call: its id, and the promise of its value. */
  add(): { readonly id: number; readonly promise: Promise<unknown> }
  settle(reply: Reply): void
  /** The other side is gone: nobody knows what became of these. */
  failAll(error: MillraceError): void
}

export function createPendingCalls(): PendingCalls {
  const pending = new Map<number, { resolve(value: unknown): void; reject(error: unknown): void }>()
  let lastId = 0
  return {
    get size() {
      return pending.size
    },
    add() {
      const id = ++lastId
      const promise = new Promise((resolve, reject) => void pending.set(id, { resolve, reject }))
      return { id, promise }
    },
    settle({ id, value, error, unknown }) {
      const call = pending.get(id)
      pending.delete(id)
      if (error === undefined) call?.resolve(value)
      else call?.reject(unknown === true && error instanceof MillraceError ? markOutcomeUnknown(error) : error)
    },
    failAll(error) {
      for (const call of pending.values()) call.reject(markOutcomeUnknown(error))
      pending.clear()
    },
  }
}
