import type { PublishRecord } from '@millrace/core/driver'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { recordsOf } from '../src/entry.ts'
import { bucketOf, entriesIn } from '../src/id-bucket.ts'
import { argumentsOf, packsOf } from '../src/log/packing.ts'

const text = fc.string({
  unit: fc.constantFrom('a', 'b', ' ', '.', '\n', '\\', 'n', '\0', 'é', '😀'),
  minLength: 1,
  maxLength: 6,
})
const id = fc.oneof(
  text,
  fc.uuid({ version: 7 }),
  fc.nat({ max: 20 }).map((n) => `0193504a-1b2c-7000-8000-${String(n).padStart(12, '0')}`),
)
const record: fc.Arbitrary<PublishRecord> = fc.record({
  topic: fc.constant('order'),
  partition: fc.constant(3),
  id,
  source: fc.oneof({ arbitrary: fc.constant('/shop'), weight: 9 }, { arbitrary: text, weight: 1 }),
  type: text,
  key: fc.option(text, { nil: undefined }),
  correlationId: fc.option(text, { nil: undefined }),
  body: fc.string({ unit: 'grapheme', maxLength: 30 }),
})

describe('entries of a stream', () => {
  test('give back what was packed into them, in order, each of one source and no id twice', () => {
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 200, size: 'large' }), fc.boolean(), (batch, alone) => {
        let n = 0
        const read = packsOf(batch, [...batch.keys()], alone).flatMap((pack) => {
          const [count, header, bodies] = argumentsOf(pack).map(String)
          const ids = pack.records.map((each) => each.id)
          expect(new Set(ids).size).toBe(Number(count))
          expect(new Set(pack.records.map(({ source }) => source)).size).toBe(1)
          if (alone) expect(count).toBe('1')
          n += Number(count)
          return recordsOf('order', 3, [`1764000000000-${n}`, ['ce', header ?? '', 'event', bodies ?? '']])
        })
        expect(read.map((each) => [each.id, each.type, each.key, each.body])).toEqual(
          batch.map((each) => [each.id, each.type, each.key, each.body]),
        )
        expect(read.map(({ position }) => Number(position.slice(14)))).toEqual(batch.map((_, at) => at + 1))
      }),
    )
  })

  test('are found by each of their ids, and by no other', () => {
    fc.assert(
      fc.property(fc.uniqueArray(id, { minLength: 2, maxLength: 20 }), ([absent = '', ...ids]) => {
        const held = new Map<string, string>()
        for (const [at, each] of ids.entries()) {
          const { bucket, rest } = bucketOf(each)
          held.set(bucket, `${held.get(bucket) ?? ''}${at}-1\n/shop\n${rest}\n`)
        }
        const found = (each: string): string[] => entriesIn(held.get(bucketOf(each).bucket) ?? '', bucketOf(each))
        for (const [at, each] of ids.entries()) expect(found(each)).toEqual([`${at}-1`])
        expect(found(absent)).toEqual([])
      }),
    )
  })
})
