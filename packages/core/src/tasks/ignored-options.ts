import { MillraceError } from '../runtime/error.ts'

export const OF_DEFINITION = 'is that of the definition; say it in defineTask'

/** What a task of a flow cannot have, and why. */
export const NOT_IN_FLOWS: Readonly<Record<string, string>> = {
  tx: 'cannot be kept: a flow is added in a step of its own',
  dedupe: 'cannot be kept: what belongs to a flow has no dedupe key',
  signal: 'cannot be kept: a flow is sent as a whole',
  queue: OF_DEFINITION,
}

/** Refuses options that would be left out, each with the reason why: who gives one relies on it. Throws `task_options_invalid` with the path. */
export function refuseIgnored(
  options: object | undefined,
  where: string,
  reasons: Readonly<Record<string, string>>,
): void {
  if (typeof options !== 'object' || options === null) return
  for (const path in reasons) {
    const value = (options as Readonly<Record<string, unknown>>)[path]
    if (value === undefined || (path === 'dedupe' && value === false)) continue
    throw new MillraceError('task_options_invalid', `The option "${path}" of ${where} ${reasons[path] ?? ''}.`, {
      path,
    })
  }
}
