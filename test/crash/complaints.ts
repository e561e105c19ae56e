import { isMillraceError } from '@millrace/core'

/** Writes each failure that no caller can hear of once; what a hurt engine may well say, without its stack; what a stopped process says of its tasks, not. */
export function complaintsOf(name: string): (error: unknown) => void {
  const complaints = new Set<string>()
  return (error) => {
    if (isMillraceError(error, 'task_lease_lost')) return
    const expected = isMillraceError(error) && error.code.startsWith('engine_')
    const text = error instanceof Error && !expected ? (error.stack ?? error.message) : String(error)
    if (complaints.has(text)) return
    complaints.add(text)
    process.stderr.write(`${name}: ${text}\n`)
  }
}
