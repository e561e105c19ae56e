/** Tells of an error that a task threw after its end as a warning of the process (`process.on('warning', ...)`). */
export function strayWarning(kind: 'thread' | 'process', file: string): (error: Error) => void {
  return (error) =>
    process.emitWarning(
      `A task of ${file} threw after its end, out of a timer or promise that it left behind: ${error.name}: ${error.message}. Its ${kind} was replaced; let handlers await what they start.`,
      { code: 'millrace_stray_error', type: 'MillraceWarning' },
    )
}
