const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))
const POOL_BYTES = 8 * 512

/** Where a generator takes its time and its random bytes from. */
export interface Uuid7Source {
  now(): number
  fill(bytes: Uint8Array<ArrayBuffer>): void
}

/**
 * A generator of UUIDv7 (RFC 9562 § 5.7, method 1 of § 6.2): 48 bits of milliseconds, a 12-bit counter that keeps ids of
 * one millisecond in order, and 62 random bits. When the clock goes back or the counter is full it runs ahead of the
 * clock by whole milliseconds, so that ids never go back.
 */
export function createUuid7(source: Uuid7Source): () => string {
  const pool = new Uint8Array(POOL_BYTES)
  let used = POOL_BYTES
  let lastMs = 0
  let counter = 0
  let prefix = ''
  return () => {
    if (used === POOL_BYTES) {
      source.fill(pool)
      used = 0
    }
    const ms = source.now()
    if (ms > lastMs) {
      lastMs = ms
      counter = ((hexByte(pool, used) << 8) | hexByte(pool, used + 1)) & 0x7ff
      prefix = stamp(ms)
    } else if (++counter > 0xfff) {
      lastMs += 1
      counter = 0
      prefix = stamp(lastMs)
    }
    const at = used
    used += 8
    return (
      prefix +
      (0x7000 | counter).toString(16) +
      '-' +
      HEX[(hexByte(pool, at) & 0x3f) | 0x80] +
      HEX[hexByte(pool, at + 1)] +
      '-' +
      HEX[hexByte(pool, at + 2)] +
      HEX[hexByte(pool, at + 3)] +
      HEX[hexByte(pool, at + 4)] +
      HEX[hexByte(pool, at + 5)] +
      HEX[hexByte(pool, at + 6)] +
      HEX[hexByte(pool, at + 7)]
    )
  }
}

function hexByte(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0
}

function stamp(ms: number): string {
  const hex = ms.toString(16).padStart(12, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8)}-`
}
