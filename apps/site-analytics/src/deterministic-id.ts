import { createHash } from 'node:crypto'

/**
 * An id that is the same for the same facts, in the shape of a UUIDv7 (RFC 9562 § 5.7) whose time is the event's own, so
 * that an engine's index over ids stays as cheap as with ids of the moment.
 */
export function deterministicId(timeMs: number, ...facts: readonly string[]): string {
  const hash = createHash('sha256').update(JSON.stringify(facts)).digest('hex')
  const time = Math.min(Math.max(0, Math.trunc(timeMs)), 2 ** 48 - 1)
    .toString(16)
    .padStart(12, '0')
  const variant = ((Number.parseInt(hash.slice(3, 4), 16) & 0x3) | 0x8).toString(16)
  return `${time.slice(0, 8)}-${time.slice(8)}-7${hash.slice(0, 3)}-${variant}${hash.slice(4, 7)}-${hash.slice(7, 19)}`
}

/** The time in an id of this shape, in milliseconds since the epoch. */
export function timeOfId(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)
}
