import type { TaskError } from '@millrace/core/driver'
import { decodeName, encodeName } from '../name-codec.ts'

/** An error as a column keeps it. */
export function encodeError({ code, message, stack, fingerprint }: TaskError): string {
  return encodeName(JSON.stringify({ code, message, stack, fingerprint }))
}

/** The error that was encoded. */
export function decodeError(stored: string | null): TaskError | undefined {
  if (stored === null) return undefined
  const { code, message, stack, fingerprint } = JSON.parse(decodeName(stored)) as TaskError
  return { code, message, stack, fingerprint }
}
