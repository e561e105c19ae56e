/** What a label value becomes when there are too many: the metrics of a server stay bounded whatever its clients send. */
export const OTHER = 'other'

/** Lets through the first `capacity` distinct values and gives `other` for the rest. */
export function boundedLabel(capacity: number): (value: string) => string {
  const seen = new Set<string>()
  return (value) => {
    if (seen.has(value)) return value
    if (seen.size >= capacity) return OTHER
    seen.add(value)
    return value
  }
}
