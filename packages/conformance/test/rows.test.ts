import { expect, test } from 'vitest'
import { PROPERTIES, rowOf } from '../src/index.ts'
import { ROWS, ROWS_ELSEWHERE } from '../src/rows.ts'

test('every row has a property or a reason, and none has both', () => {
  const tested = new Set(PROPERTIES.map(rowOf))
  const rows = Array.from({ length: ROWS }, (_, at) => at + 1)
  expect(rows.filter((row) => !tested.has(row) && ROWS_ELSEWHERE[row] === undefined)).toEqual([])
  expect(rows.filter((row) => tested.has(row) && ROWS_ELSEWHERE[row] !== undefined)).toEqual([])
})

test('ids are unique and begin with their row', () => {
  const ids = PROPERTIES.map(({ id }) => id)
  expect(new Set(ids).size).toBe(ids.length)
  for (const id of ids) expect(id).toMatch(/^\d\d .+/)
})
