import { MillraceError } from '@millrace/core'
import { nearest } from './nearest.ts'

/** The variables that the command reads; each overrides the configuration, and a flag overrides each. */
export const VARIABLES = [
  'MILLRACE_CONFIG',
  'MILLRACE_ENGINE',
  'MILLRACE_HOST',
  'MILLRACE_NAME',
  'MILLRACE_PORT',
] as const

/** The name of a variable that the command reads. */
export type Variable = (typeof VARIABLES)[number]

/** The variables of a process. */
export type Environment = Readonly<Record<string, string | undefined>>

/**
 * A variable's value, or undefined when it is not set. One that is set but empty, quoted or broken over lines is refused
 * (`config_invalid`): falling back to another engine in silence would put events where nobody looks.
 */
export function variable(environment: Environment, name: Variable): string | undefined {
  const value = environment[name]
  if (value === undefined) return undefined
  if (value.trim() === '') {
    throw new MillraceError('config_invalid', `${name} is set but empty. Give it a value, or unset it.`)
  }
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  if (/[\u0000-\u001f]/.test(value)) {
    throw new MillraceError('config_invalid', `${name} holds a line break or another control character. Remove it.`)
  }
  if (/^(["']).*\1$/.test(value)) {
    throw new MillraceError('config_invalid', `${name} has quotes around its value. Remove them.`)
  }
  return value.trim()
}

/** Sentences about variables that look misspelt. */
export function misspeltVariables(environment: Environment): readonly string[] {
  const known: readonly string[] = VARIABLES
  return Object.keys(environment)
    .filter((name) => name.startsWith('MILLRACE_') && !known.includes(name))
    .flatMap((name) => {
      const near = nearest(
        name.slice('MILLRACE_'.length),
        known.map((each) => each.slice('MILLRACE_'.length)),
      )
      return near === undefined ? [] : [`${name} is not a variable of Millrace. Did you mean MILLRACE_${near}?`]
    })
}
