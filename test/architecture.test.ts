import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { checkImports, checkShape } from './architecture/rules.ts'
import { readModuleTable } from './architecture/module-table.ts'
import { factsOf, readPackages, readSources } from './architecture/source-facts.ts'
import type { WorkspacePackage } from './architecture/source-facts.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

describe('the repository', () => {
  const files = readSources(root)

  test('is found', () => {
    expect(files.length).toBeGreaterThan(50)
    expect(files.some((file) => file.path === 'packages/core/src/bus/handler.ts')).toBe(true)
  })

  test('imports only what architecture.json allows, without cycles', () => {
    expect(checkImports(files, readModuleTable())).toEqual([])
  })

  test('has names that say what is inside, complete entry files, and time from the runtime', () => {
    expect(checkShape(files, readPackages(root))).toEqual([])
  })
})

describe('a planted breach is found', () => {
  const packages: WorkspacePackage[] = [
    { name: 'low', folder: 'packages/low', entries: { '.': 'packages/low/src/index.ts' } },
    { name: 'high', folder: 'packages/high', entries: { '.': 'packages/high/src/index.ts' } },
  ]
  const table = {
    low: { at: ['packages/low/src/'], imports: [], node: false },
    middle: { at: ['packages/middle/src/'], imports: [], loads: ['low'] },
    high: { at: ['packages/high/src/'], imports: ['low'] },
    core: { at: ['packages/core/src/'], imports: [] },
  }
  const sound = {
    'packages/low/src/index.ts': `export { one } from './one.ts'`,
    'packages/low/src/one.ts': `export const one: number = 1`,
    'packages/high/src/index.ts': `import { one } from 'low'\nexport const two: number = one + 1`,
  }

  test('and sound files pass', () => {
    expect(breaches({})).toEqual([])
  })

  test.each([
    ['an upward import', { 'packages/low/src/two.ts': `import 'high'` }, 'low may not import high (high)'],
    [
      'an upward type import',
      { 'packages/low/src/two.ts': `import type { two } from 'high'` },
      'low may not import high',
    ],
    ['an upward re-export', { 'packages/low/src/two.ts': `export { two } from 'high'` }, 'low may not import high'],
    ['a sibling', { 'packages/middle/src/a.ts': `import 'low'` }, 'middle may not import low'],
    ['a path inside a package', { 'packages/high/src/a.ts': `import 'low/src/one.ts'` }, 'leads to no source file'],
    [
      'a path across packages',
      { 'packages/high/src/a.ts': `import '../../low/src/one.ts'` },
      'reaches into another package',
    ],
    ['node in a browser', { 'packages/low/src/a.ts': `import 'node:fs'` }, 'runs in browsers'],
    ['a stranger', { 'packages/new/src/a.ts': `export const a = 1` }, 'belongs to no module'],
    [
      'a cycle of types',
      {
        'packages/low/src/a.ts': `import type { B } from './b.ts'\nexport type A = B`,
        'packages/low/src/b.ts': `import type { A } from './a.ts'\nexport type B = A`,
      },
      'packages/low/src/a.ts -> packages/low/src/b.ts -> packages/low/src/a.ts: a cycle',
    ],
    ['an empty name', { 'packages/low/src/utils.ts': `export const a = 1` }, 'says nothing'],
    ['an empty folder name', { 'packages/low/src/helpers/a.ts': `export const a = 1` }, 'says nothing'],
    ['another case', { 'packages/low/src/someFile.ts': `export const a = 1` }, 'not kebab-case'],
    ['export *', { 'packages/low/src/index.ts': `export * from './one.ts'` }, 'export * hides'],
    ['a barrel', { 'packages/low/src/inner.ts': `export { one } from './one.ts'` }, 'only re-exports'],
    ['a timer', { 'packages/core/src/bus/a.ts': `setTimeout(() => {}, 1)` }, 'takes setTimeout'],
    ['a date', { 'packages/core/src/bus/a.ts': `export const a = new Date()` }, 'takes new Date()'],
    ['chance', { 'packages/core/src/bus/a.ts': `export const a = Math.random` }, 'takes Math.random'],
    ['an id', { 'packages/core/src/bus/a.ts': `import { randomUUID } from 'node:crypto'` }, 'takes randomUUID'],
  ])('%s', (_, planted: Record<string, string>, expected) => {
    expect(breaches(planted).join('\n')).toContain(expected)
  })

  test('but not what only looks like one', () => {
    const planted = {
      'packages/middle/src/a.ts': `export const load = () => import('low')`,
      'packages/core/src/bus/a.ts': `export const a = (runtime: { setTimeout(): void }) => [runtime.setTimeout(), new Date(5)]`,
      'packages/core/src/runtime/a.ts': `export const a = () => Date.now()`,
    }
    expect(breaches(planted)).toEqual([])
  })

  test('an entry without a file', () => {
    const files = [factsOf('packages/low/src/index.ts', sound['packages/low/src/index.ts'], packages)]
    expect(checkShape(files, packages)).toEqual([
      'packages/high/src/index.ts: a package exports it, but there is no such file',
    ])
  })

  function breaches(planted: Record<string, string>): string[] {
    const files = Object.entries({ ...sound, ...planted }).map(([path, text]) => factsOf(path, text, packages))
    return [...checkImports(files, table), ...checkShape(files, packages)]
  }
})
