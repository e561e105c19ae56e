import { expect, test } from 'vitest'
import { bucketOf } from '../src/id-bucket.ts'

const UUID7 = '019a5b3c-7d8e-7abc-8def-0123456789ab'

test('UUIDv7 of one millisecond share a bucket', () => {
  expect(bucketOf(UUID7)).toEqual({ bucket: '019a5b3c-7d8e', rest: '7abc-8def-0123456789ab' })
})

test.each([
  ['a UUID of another version', '019a5b3c-7d8e-4abc-8def-0123456789ab'],
  ['capitals', UUID7.toUpperCase()],
  ['a digit in place of a dash', '019a5b3c-7d8e-7abc-8def00123456789ab'],
  ['a dash in place of a digit', '019a5b3c-7d8e-7abc-8def-0123-56789ab'],
  ['a dash in another place', '019a5b3c7-d8e-7abc-8def-0123456789ab'],
  ['a space', '019a5b3c-7d8e-7abc-8def-0123456789a '],
  ['a character beyond ASCII', '019a5b3c-7d8e-7abc-8def-0123456789aé'],
  ['one more', `${UUID7}0`],
  ['one less', UUID7.slice(1)],
  ['any other id', 'order-1'],
])('%s has a bucket of its own', (_, id) => {
  expect(bucketOf(id)).toEqual({ bucket: id, rest: '.' })
})
