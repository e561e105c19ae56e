import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { drawDiagram, withDiagram } from '../scripts/architecture-diagram.ts'
import { readModuleTable } from './architecture/module-table.ts'

test('ARCHITECTURE.md shows what architecture.json says (npm run draw)', () => {
  const document = readFileSync(new URL('../ARCHITECTURE.md', import.meta.url), 'utf8')
  expect(withDiagram(document, readModuleTable())).toBe(document)
})

test('an arrow that another path implies is left out', () => {
  const table = {
    low: { at: [], imports: [] },
    'core/middle': { at: [], imports: ['low'] },
    high: { at: [], imports: ['core/middle', 'low'], loads: ['low'] },
  }
  const arrows = drawDiagram(table).match(/^ {2}\w+ -.*$/gm)
  expect(arrows).toEqual(['  core_middle --> low', '  high --> core_middle', '  high -.-> low'])
})

test('a document without a place for it is refused', () => {
  expect(() => withDiagram('# Nothing', {})).toThrow(/no lines/)
})
