import { MillraceError } from '@millrace/core'
import { timeOf } from './time.ts'

/** As long as a whole URL may be by default: the cursor of a reading of many topics is long. */
const LONGEST_VALUE = 8_192

/** The parameters of a request, read by name and kind. Each throws `request_invalid` with the name as the path. */
export interface Query {
  one(name: string): string | undefined
  /** Repeated, or separated by commas; undefined when absent. */
  many(name: string): readonly string[] | undefined
  integer(name: string, bounds: { readonly min: number; readonly max: number }): number | undefined
  time(name: string): Date | undefined
  /** `true` or `1`, `false` or `0`; an empty one is true. */
  flag(name: string): boolean
}

/** Reads the query of a URL. Throws `request_invalid` for a parameter that is not in `allowed`: a misspelt filter must not show everything. */
export function readQuery(url: string, allowed: readonly string[]): Query {
  const at = url.indexOf('?')
  const parameters = new URLSearchParams(at === -1 ? '' : url.slice(at + 1))
  for (const [name, value] of parameters) {
    if (!allowed.includes(name)) {
      throw new MillraceError(
        'request_invalid',
        allowed.length === 0
          ? 'There are no query parameters here.'
          : `A query parameter is not known here; there are ${allowed.join(', ')}.`,
        { path: name.slice(0, 100) },
      )
    }
    if (value.length > LONGEST_VALUE) throw invalid(name, `longer than ${LONGEST_VALUE} characters`)
  }

  const one = (name: string): string | undefined => {
    const values = parameters.getAll(name)
    if (values.length > 1) throw invalid(name, 'given more than once')
    return values[0] === '' ? undefined : values[0]
  }
  return {
    one,
    many(name) {
      const values = parameters
        .getAll(name)
        .flatMap((value) => value.split(','))
        .filter((value) => value !== '')
      if (values.length > 100) throw invalid(name, 'a list of more than 100')
      return values.length === 0 ? undefined : values
    },
    integer(name, { min, max }) {
      const text = one(name)
      if (text === undefined) return undefined
      const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
      if (!(value >= min && value <= max)) throw invalid(name, `not a whole number from ${min} to ${max}`)
      return value
    },
    time(name) {
      const text = one(name)
      return text === undefined ? undefined : timeOf(text, name)
    },
    flag(name) {
      const values = parameters.getAll(name)
      if (values.length > 1) throw invalid(name, 'given more than once')
      const value = values[0]
      if (value === undefined || value === 'false' || value === '0') return false
      if (value === '' || value === 'true' || value === '1') return true
      throw invalid(name, 'neither true nor false')
    },
  }
}

function invalid(name: string, what: string): MillraceError {
  return new MillraceError('request_invalid', `The query parameter ${name} is ${what}.`, { path: name })
}
