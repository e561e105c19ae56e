import { isMillraceError } from '../runtime/error.ts'

/** Whether an error says that the queue, and not the call, is at fault. */
export function isQueueFailure(error: unknown): boolean {
  if (!isMillraceError(error)) return false
  return (
    error.code.startsWith('engine_') ||
    error.code === 'publish_backpressure' ||
    error.code === 'publish_rejected' ||
    error.code === 'queue_full' ||
    isUnknown(error)
  )
}

/** Whether the queue may hold the task nevertheless. */
export function isUnknown(error: unknown): boolean {
  return isMillraceError(error, 'publish_unknown')
}
