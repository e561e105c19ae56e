import { matchesPattern } from '../contract/event-name.ts'

/** Whether a type is one of the exact ones or fits one of the patterns; answers are remembered by type. */
export function createEventFilter(types: readonly string[]): (type: string) => boolean {
  const exact = new Set(types.filter((type) => !type.includes('*')))
  const patterns = types.filter((type) => type.includes('*'))
  if (patterns.length === 0) return (type) => exact.has(type)
  const answers = new Map<string, boolean>()
  return (type) => {
    let answer = answers.get(type)
    if (answer === undefined) {
      answer = exact.has(type) || patterns.some((pattern) => matchesPattern(pattern, type))
      if (answers.size < MOST_REMEMBERED) answers.set(type, answer)
    }
    return answer
  }
}

const MOST_REMEMBERED = 10_000
