import { ERROR_CODES } from '@millrace/core/contract'
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'

const page = readFileSync(new URL('../../../../docs/errors.md', import.meta.url), 'utf8')
const rows = page.split('\n').flatMap((line) => {
  const [, code, meaning, advice] = /^\| `([a-z_]+)` *\| (.+?) *\| (.+?) *\|$/.exec(line) ?? []
  return code === undefined ? [] : [{ code, meaning: meaning ?? '', advice: advice ?? '' }]
})

it('docs/errors.md has one row for every code, in the order of the catalogue, and no other', () => {
  expect(rows.map(({ code }) => code)).toEqual(Object.keys(ERROR_CODES))
})

it('every row begins with the title of its code and says what to do', () => {
  for (const { code, meaning, advice } of rows) {
    expect(meaning).toContain(ERROR_CODES[code as keyof typeof ERROR_CODES])
    expect(advice.length).toBeGreaterThan(10)
  }
})

it('titles hold no value', () => {
  for (const title of Object.values(ERROR_CODES)) expect(title).toMatch(/^[A-Z][A-Za-z, ]+$/)
})
