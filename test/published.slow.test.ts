import { spawnSync } from 'node:child_process'
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
const scratch = mkdtempSync(join(tmpdir(), 'millrace-published-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

/** What an application might be; with every entry, so that the types of all of them are read. */
const APPLICATION = `
import { createMillrace, createEventClient, defineEvent, defineTask } from '@millrace/core'
import '@millrace/core/contract'
import '@millrace/core/driver'
import '@millrace/core/memory'
import '@millrace/core/testing'
import { postgres } from '@millrace/postgres'
import { redis } from '@millrace/redis'
import { createServer } from '@millrace/server'
import { sqlite } from '@millrace/sqlite'
import { processPool, threadPool } from '@millrace/worker'
import { z } from 'zod'

const OrderPlaced = defineEvent('order.placed', { schema: z.object({ orderId: z.string() }) })
const Double = defineTask('double', { input: z.number(), output: z.number() })
const Halve = defineTask('halve', { input: z.number(), output: z.number() })
await using shop = createMillrace({ name: 'shop', engine: sqlite('./shop.db') })
const seen = Promise.withResolvers<string>()
await shop.subscribe(OrderPlaced, ({ data }) => seen.resolve(data.orderId), { group: 'receipts' })
const file = new URL('./pooled.js', import.meta.url)
await shop.work(Double, threadPool({ file, handler: 'double', threads: 1 }))
await shop.work(Halve, processPool({ file, handler: 'halve', processes: 1 }))
await using client = createEventClient({ OrderPlaced }, { engine: sqlite('./shop.db') })
await client.publishOrderPlaced({ orderId: 'o-1' })
await using server = createServer({ millrace: shop, port: 0 })
const { url } = await server.listen()
const page = await fetch(url)
const results = [await (await shop.enqueue(Double, 4)).result(), await (await shop.enqueue(Halve, 4)).result()]
console.log(await seen.promise, page.status, results.join(), typeof postgres, typeof redis)
`
const POOLED = `
export const double = (n: number): number => 2 * n
export const halve = (n: number): number => n / 2
`

test(
  'an application type-checks against what npm would publish, with all that is strict, and runs',
  { timeout: 900_000 },
  () => {
    const packages = ['core', 'sqlite', 'postgres', 'redis', 'server', 'worker', 'cli']
    run('tsc', ['-b', ...packages.map((name) => `packages/${name}`)], root)
    for (const name of packages) install(name)
    for (const name of ['zod', '@types/node']) link(name)
    write('package.json', JSON.stringify({ type: 'module' }))
    write('src/app.ts', APPLICATION)
    write('src/pooled.ts', POOLED)
    const strict = {
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      skipLibCheck: false,
    }
    const compilerOptions = { ...strict, target: 'es2024', lib: ['esnext'], module: 'nodenext', types: ['node'] }
    write('tsconfig.json', JSON.stringify({ compilerOptions: { ...compilerOptions, rootDir: 'src', outDir: 'out' } }))
    run('tsc', ['-p', scratch], scratch)
    expect(run(process.execPath, ['out/app.js'], scratch)).toBe('o-1 200 8,2 function function\n')
    const bin = 'node_modules/@millrace/cli/dist/main.js'
    expect(run(process.execPath, [bin, 'groups', '--engine', 'sqlite:./shop.db'], scratch)).toMatch(
      /^GROUP.*\nreceipts/,
    )
  },
)

/** Unpacks a package as npm packs it; of other packages only those that it declares are there. */
function install(name: string): void {
  const folder = join(scratch, 'node_modules/@millrace', name)
  mkdirSync(folder, { recursive: true })
  run('npm', ['pack', '--silent', '--pack-destination', folder], join(root, 'packages', name))
  const [tarball = ''] = globSync('*.tgz', { cwd: folder })
  run('tar', ['xzf', tarball, '--strip-components=1'], folder)
  const { dependencies = {}, peerDependencies = {} } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const declared = Object.keys({ ...dependencies, ...peerDependencies })
  for (const foreign of declared.filter((each) => !each.startsWith('@millrace/'))) link(foreign)
}

function link(name: string): void {
  const path = join(scratch, 'node_modules', name)
  mkdirSync(dirname(path), { recursive: true })
  rmSync(path, { force: true })
  symlinkSync(join(root, 'node_modules', name), path)
}

function write(name: string, text: string): void {
  mkdirSync(dirname(join(scratch, name)), { recursive: true })
  writeFileSync(join(scratch, name), text)
}

function run(command: string, args: readonly string[], cwd: string): string {
  const { NODE_OPTIONS: _ours, ...environment } = process.env
  const env = { ...environment, PATH: `${join(root, 'node_modules/.bin')}:${process.env['PATH'] ?? ''}` }
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8', env })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}:\n${stdout}${stderr}`)
  return stdout
}
