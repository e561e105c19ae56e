import { PRIORITIES, type Priority } from '@millrace/core'
import { InvalidArgumentError } from 'commander'

/** A priority by its name or number. */
export function priority(text: string): Priority {
  if (/^-?\d{1,4}$/.test(text)) return Number(text)
  const name = (Object.keys(PRIORITIES) as (keyof typeof PRIORITIES)[]).find((candidate) => candidate === text)
  if (name === undefined) {
    throw new InvalidArgumentError(`It must be ${Object.keys(PRIORITIES).join(', ')}, or a number from -1000 to 1000.`)
  }
  return name
}
