import { execFileSync } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
const tracked = execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' })
  .split('\0')
  .filter((path) => path !== '' && statSync(join(root, path), { throwIfNoEntry: false })?.isFile())

const picture = /\.(png|jpg|ico|webp|woff2)$/
// Put together here, so that this file does not find itself.
const lone = new RegExp(String.raw`\b(describe|test|it)\.` + String.raw`only\(`)

test('the files of the repository are seen', () => {
  expect(tracked).toContain('package.json')
  expect(tracked.length).toBeGreaterThan(100)
})

test('package-lock.json names no registry, so that any may serve it', () => {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { resolved?: string }>
  }
  const addresses = Object.values(packages).flatMap(({ resolved }) => (resolved?.includes(':') ? [resolved] : []))
  expect(addresses).toEqual([])
})

test('no file is larger than 1 MiB', () => {
  expect(tracked.filter((path) => statSync(join(root, path)).size > 1024 * 1024)).toEqual([])
})

test('no binary is kept but pictures and fonts', () => {
  const binary = tracked.filter((path) => !picture.test(path) && readFileSync(join(root, path)).includes(0))
  expect(binary).toEqual([])
})

test('no test is run alone, nothing is left for later, nothing built is kept', () => {
  const sources = tracked.filter((path) => /\.(ts|tsx|js|mjs)$/.test(path))
  const matching = (pattern: RegExp): string[] =>
    sources.filter((path) => pattern.test(readFileSync(join(root, path), 'utf8')))
  expect(matching(lone)).toEqual([])
  expect(matching(/\/\/\s*(TO\u0044O|FIX\u004DE|X\u0058X)\b/)).toEqual([])
  expect(tracked.filter((path) => /(^|\/)(dist|node_modules)\/|\.(tsbuildinfo|db|db-wal|log)$/.test(path))).toEqual([])
})
