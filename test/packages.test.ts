import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
const folders = globSync('packages/*/package.json', { cwd: root })
  .map((manifest) => dirname(manifest))
  .toSorted()

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
}

test('the packages are seen', () => {
  expect(folders).toContain('packages/core')
})

describe.each(folders)('%s, as it is published,', (folder) => {
  const manifest = JSON.parse(text(folder, 'package.json')) as Manifest
  const { dependencies = {}, devDependencies = {}, peerDependencies = {} } = manifest
  const foreign = Object.keys({ ...dependencies, ...peerDependencies }).filter((name) => !name.startsWith('@millrace/'))

  test('has the licence', () => {
    expect(text(folder, 'LICENSE')).toBe(readFileSync(join(root, 'LICENSE'), 'utf8'))
  })

  test('has a page that names each library it brings along', () => {
    const page = text(folder, 'README.md')
    expect(foreign.filter((name) => !page.includes(name))).toEqual([])
  })

  test('brings the types of libraries that have none of their own: they would be any, or an error', () => {
    const missing = foreign.map((name) => `@types/${name}`).filter((name) => name in devDependencies)
    expect(missing).toEqual([])
  })
})

function text(folder: string, file: string): string {
  const path = join(root, folder, file)
  return existsSync(path) ? readFileSync(path, 'utf8') : ''
}
