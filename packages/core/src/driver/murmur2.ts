const SEED = 0x9747b28c
const M = 0x5bd1e995
const encoder = new TextEncoder()
const scratch = new Uint8Array(256)

/** 32-bit MurmurHash2 with the seed of Kafka's Java client, so that any language can compute a key's partition. */
export function murmur2(bytes: Uint8Array): number {
  return hashOf(bytes, bytes.length)
}

/** The partition of a key among `partitions`: `(murmur2(key) & 0x7fffffff) mod n` over its UTF-8 bytes. */
export function partitionOf(key: string, partitions: number): number {
  const hash = copyAscii(key) ? hashOf(scratch, key.length) : murmur2(encoder.encode(key))
  return (hash & 0x7fffffff) % partitions
}

/** Every publish comes here, and most keys are short and in ASCII: an encoder takes ten times as long for one. */
function copyAscii(text: string): boolean {
  if (text.length > scratch.length) return false
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (code > 0x7f) return false
    scratch[at] = code
  }
  return true
}

function hashOf(bytes: Uint8Array, length: number): number {
  let hash = SEED ^ length
  let at = 0
  for (; at + 4 <= length; at += 4) {
    let k = byte(bytes, at) | (byte(bytes, at + 1) << 8) | (byte(bytes, at + 2) << 16) | (byte(bytes, at + 3) << 24)
    k = Math.imul(k, M)
    k ^= k >>> 24
    hash = Math.imul(hash, M) ^ Math.imul(k, M)
  }
  const rest = length - at
  if (rest === 3) hash ^= byte(bytes, at + 2) << 16
  if (rest >= 2) hash ^= byte(bytes, at + 1) << 8
  if (rest >= 1) hash = Math.imul(hash ^ byte(bytes, at), M)
  hash ^= hash >>> 13
  hash = Math.imul(hash, M)
  return hash ^ (hash >>> 15)
}

function byte(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0
}
