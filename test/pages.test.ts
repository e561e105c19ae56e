import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { channels } from '@millrace/core'
import { describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
/** The cells of a page's table rows. */
const rows = (page: string): string[][] =>
  read(page)
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) => line.split('|').slice(1, -1).map((cell) => cell.trim())) // prettier-ignore

describe('docs/bad-input.md', () => {
  const files = new Map(
    rows('docs/bad-input.md').flatMap(([name = '', file = '']) => {
      const path = /^`(.+?)`/.exec(file)?.[1]
      return /^[A-Z]\d$/.test(name) && path !== undefined ? [[name, path] as const] : []
    }),
  )
  const all = rows('docs/bad-input.md').filter(([line = '']) => line.startsWith('Line') || /^\d/.test(line))
  const firstOfTasks = all.findIndex(([line]) => line === 'Line of tasks') + 1
  const afterTasks = all.findIndex(([line], at) => at > firstOfTasks && line === 'Line')
  const ofTasks = all.slice(firstOfTasks, afterTasks)
  const lines = all.toSpliced(firstOfTasks, ofTasks.length).filter(([line = '']) => /^\d+$/.test(line))

  test.each([...files])('%s, %s, exists', (_name, file) => expect(existsSync(join(root, file))).toBe(true))

  test('every line names tests that are listed, or says that its subject is not here yet', () => {
    for (const [line, , behaviour = '', tests = ''] of lines) {
      const named = tests.split(', ').filter((name) => name !== '')
      expect({ line, unlisted: named.filter((name) => !files.has(name)) }).toEqual({ line, unlisted: [] })
      expect({ line, isAnswered: named.length > 0 || behaviour.includes('not here yet') }).toEqual({
        line,
        isAnswered: true,
      })
    }
  })

  test('every line of tasks names tests that are listed', () => {
    const named = ofTasks.map(([line, , , tests = '']) => [line, tests.split(', ').filter((name) => !files.has(name))])
    expect(named).toEqual(ofTasks.map(([line]) => [line, []]))
    expect(ofTasks.flatMap(([line = '']) => line.split(', ').flatMap(linesOf)).filter((line) => line > 0)).toEqual(
      expect.arrayContaining([
        ...range(1, 7),
        ...range(11, 18),
        23,
        24,
        ...range(26, 28),
        30,
        31,
        ...range(61, 64),
        67,
        68,
      ]),
    )
  })

  test('the lines on events, publishing, handlers, HTTP, streams, the command and dead letters are all there', () => {
    const wanted = [...range(1, 42), ...range(51, 58), 60, 61, ...range(62, 66), 76]
    expect(lines.map(([line]) => Number(line))).toEqual(wanted)
  })
})

describe('docs/comparison.md', () => {
  const page = 'docs/comparison.md'
  const claims = rows(page).filter(([what = '', ours = '']) => what !== 'What' && /^\*\*(yes|partly|no)\*\*/.test(ours))
  const proofs = claims.flatMap(([what = '', ours = '']) =>
    [...ours.matchAll(/\]\(\.\.\/([^)]+\.ts)\) "([^"]+)"/g)].map(([, path = '', name = '']) => ({ what, path, name })),
  )

  test('has a row for each thing and each complaint', () => {
    expect(claims.length).toBeGreaterThan(75)
    expect(claims.filter(([what = '']) => /^\d+\. /.test(what)).map(([what = '']) => Number.parseInt(what))).toEqual(
      range(1, 15),
    )
  })

  test.each(proofs)('$what: $path has the test "$name"', ({ path, name }) => {
    expect(existsSync(join(root, path))).toBe(true)
    expect(read(path)).toContain(name)
  })

  test('shows by a test whatever it claims, and links no test without its name', () => {
    const proven = new Set(proofs.map(({ what }) => what))
    const unproven = claims.filter(([what = '', ours = '']) => !ours.startsWith('**no**') && !proven.has(what))
    expect(unproven.map(([what]) => what)).toEqual([])
    expect(read(page).match(/\]\(\.\.\/[^)]+\.ts\)/g)?.length).toBe(proofs.length)
  })
})

test('docs/README.md lists every page once', () => {
  const pages = globSync(['*.md', 'engines/*.md', 'decisions/README.md'], { cwd: join(root, 'docs') }).filter(
    (page) => page !== 'README.md',
  )
  const listed = [...read('docs/README.md').matchAll(/\]\(([^)]+)\)/g)].map((match) => match[1] ?? '')
  expect(listed.toSorted()).toEqual(pages.toSorted())
})

describe('docs/observability.md', () => {
  const page = read('docs/observability.md')

  test('names every diagnostics channel', () => {
    const names = Object.values(channels).map(({ name }) => `\`${String(name)}\``)
    expect(rows('docs/observability.md').map(([first]) => first)).toEqual(expect.arrayContaining(names))
  })

  test('names every metric of the server and no other', () => {
    const metricsIn = (text: string): string[] => [...new Set(text.match(/millrace_[a-z_]+/g))].toSorted()
    expect(metricsIn(page)).toEqual(metricsIn(read('packages/server/src/metrics/metrics.ts')))
  })
})

/** `5` is one line, `1-7` are seven. */
function linesOf(text: string): number[] {
  const [from = 0, to = from] = text.split('-').map(Number)
  return range(from, to)
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, at) => from + at)
}
