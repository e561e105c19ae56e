import fc from 'fast-check'
import { expect, it } from 'vitest'
import {
  createCursorWriter,
  createMovingPlaces,
  decodeCursor,
  encodeCursor,
  encodeMoving,
} from '../../src/driver/cursor.ts'
import { isMillraceError } from '../../src/runtime/error.ts'

const position = fc.oneof(
  fc.nat().map((n) => String(n).padStart(16, '0')),
  fc.stringMatching(/^[0-9]{16}$/),
  fc.stringMatching(/^[0-9A-Za-z-]{1,64}$/),
)
const place = fc.record({ partition: fc.nat(1_000), position })
const cursor = fc.record({ topics: fc.dictionary(fc.string({ minLength: 1, unit: 'grapheme' }).filter((topic) => topic !== '__proto__'), fc.array(place, { maxLength: 20 }), { noNullPrototype: true }), time: fc.nat(), timeline: fc.record({ name: fc.string(), seenAt: fc.nat() }, { noNullPrototype: true }) }, { requiredKeys: ['topics'], noNullPrototype: true }) // prettier-ignore

it('gives back what was encoded, in characters that are safe in a URL and in an SSE id', () => {
  fc.assert(
    fc.property(cursor, (value) => {
      const text = encodeCursor(value)
      expect(text).toMatch(/^[A-Za-z0-9_-]+$/)
      expect(decodeCursor(text)).toEqual(value)
    }),
  )
})

it('gives places that move the cursor that they would have when encoded at once', () => {
  const moves = fc.array(fc.tuple(fc.nat(1), place), { maxLength: 40 })
  fc.assert(
    fc.property(cursor, moves, fc.option(fc.nat(), { nil: undefined }), ({ topics, timeline }, steps, time) => {
      const moving = Object.entries(topics).map(([topic, places]) => createMovingPlaces(topic, places))
      for (const [at, { partition, position }] of steps) moving[at]?.move(partition, position)
      const text = encodeMoving(moving, { time, timeline })
      expect(text).toMatch(/^[A-Za-z0-9_-]+$/)
      const places = moving.map((one) => [
        one.topic,
        [...one.places].map(([partition, position]) => ({ partition, position })),
      ])
      expect(decodeCursor(text)).toEqual({
        topics: Object.fromEntries(places),
        ...(time === undefined ? {} : { time }),
        ...(timeline === undefined ? {} : { timeline }),
      })
    }),
  )
})

it('writes at each step of one of the topics the cursor that all of them have then', () => {
  fc.assert(
    fc.property(cursor, fc.nat(2), fc.array(place, { maxLength: 20 }), ({ topics, timeline }, nth, steps) => {
      const all = Object.entries(topics).map(([topic, places]) => createMovingPlaces(topic, places))
      const moving = all[nth]
      if (moving === undefined) return
      const cursorNow = createCursorWriter(moving, all, { timeline })
      for (const { partition, position } of steps) {
        moving.move(partition, position)
        expect(decodeCursor(cursorNow())).toEqual(decodeCursor(encodeMoving(all, { timeline })))
      }
    }),
  )
})

it('is short where positions are numbers, and also reads cursors with all their zeros', () => {
  const places = Array.from({ length: 16 }, (_, partition) => ({ partition, position: '0000000000001234' }))
  const text = encodeCursor({ topics: { order: places } })
  expect(text.length).toBeLessThan(16 * 16)
  const long = JSON.stringify([[['order', ...places.flatMap((one) => [one.partition, one.position])]]])
  expect(decodeCursor(Buffer.from(long).toString('base64url'))).toEqual(decodeCursor(text))
})

it('refuses everything else with one typed error', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json().map((json) => btoa(encodeURIComponent(json))),
        fc.json().map((json) => Buffer.from(json).toString('base64url')),
      ),
      (text) => {
        try {
          decodeCursor(text)
        } catch (error) {
          expect(isMillraceError(error, 'position_invalid')).toBe(true)
        }
      },
    ),
  )
})
