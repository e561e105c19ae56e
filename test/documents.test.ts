import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { documents, programsOf } from './documents/programs.ts'
import { runProgram } from './documents/run-program.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const read = (document: string): string => readFileSync(join(root, document), 'utf8')
const pages = [...documents(root), 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'GLOSSARY.md', 'SECURITY.md', 'CHANGELOG.md']

describe.each(documents(root).filter((document) => programsOf(read(document)).length > 0))('%s', (document) => {
  test.each(programsOf(read(document)))('the program on line $line runs', { timeout: 270_000 }, async (program) => {
    const { code, stdout, stderr } = await runProgram(root, program)
    expect({ code: code ?? 0, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toContain(program.output ?? '')
  })
})

test('README.md opens with one program of at most 15 lines, and shows it on another engine', () => {
  const [first, changed] = programsOf(read('README.md'))
  const lines = first?.source.split('\n').filter((line) => line.trim() !== '') ?? []
  expect(lines.length).toBeGreaterThan(5)
  expect(lines.length).toBeLessThanOrEqual(15)
  expect(changed?.source).toContain('memory()')
  expect(changed?.source).not.toContain('sqlite')
})

test.each(pages)('the links of %s lead somewhere', (page) => {
  const targets = [...read(page).matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)].map((match) => match[1] ?? '')
  const local = targets.filter((target) => !/^[a-z]+:/.test(target))
  expect(local.filter((target) => !existsSync(join(root, dirname(page), target)))).toEqual([])
})

test('a program is found with what it prints, and again as a diff changes it', () => {
  const text = ['```ts run', 'one', 'two', '```', '```text', 'out', '```', '```diff', '-one', '+three', '```'].join(
    '\n',
  )
  expect(programsOf(text)).toEqual([
    { line: 1, source: 'one\ntwo', output: 'out' },
    { line: 8, source: 'three\ntwo', output: 'out' },
  ])
})

test('a program that fails is told from one that runs', async () => {
  const failing = await runProgram(root, { line: 1, source: `throw new Error('broken')`, output: 'never' })
  expect(failing).toMatchObject({ code: 1, stdout: '' })
  expect(failing.stderr).toContain('broken')
  const silent = await runProgram(root, { line: 1, source: `console.log('other')`, output: 'never' })
  expect(silent).toMatchObject({ code: 0, stdout: 'other\n' })
})
