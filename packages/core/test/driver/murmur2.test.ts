import fc from 'fast-check'
import { expect, it } from 'vitest'
import { murmur2, partitionOf } from '../../src/driver/murmur2.ts'

const encoder = new TextEncoder()

it('gives what the Java client of Kafka gives', () => {
  const hashes = { '21': -973932308, foobar: -790332482, 'a-little-bit-long-string': -985981536, abc: 479470107 }
  for (const [text, hash] of Object.entries(hashes)) {
    expect(murmur2(encoder.encode(text))).toBe(hash)
    expect(partitionOf(text, 1_000_000_007)).toBe((hash & 0x7fffffff) % 1_000_000_007)
  }
})

it('places a key by its bytes in UTF-8, whatever its length and characters', () => {
  const inAscii = fc.string({ maxLength: 300 })
  const inUnicode = fc.string({ unit: 'binary', maxLength: 300 })
  fc.assert(
    fc.property(fc.oneof(inAscii, inUnicode), (key) => {
      expect(partitionOf(key, 65_536)).toBe((murmur2(encoder.encode(key)) & 0x7fffffff) % 65_536)
    }),
    { numRuns: 500, examples: [[''], ['a'.repeat(256)], ['a'.repeat(257)], ['ünïcödé'], ['a\x7f'], ['a\x80']] },
  )
})
