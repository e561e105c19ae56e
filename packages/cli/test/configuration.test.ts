import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { millrace, project } from './command.ts'

const wrong: readonly (readonly [title: string, text: string, reason: RegExp])[] = [
  [
    'has a misspelt key',
    'export default { engin: "memory:" }',
    /the key "engin", which is not known\. Did you mean engine\?$/,
  ],
  [
    'has a misspelt key of the server',
    'export default { server: { prot: 1 } }',
    /"server\.prot".*Did you mean port\?$/,
  ],
  [
    'has a value of the wrong kind',
    'export default { engine: "memory:", events: ["order.placed"] }',
    /events .* must be a list of event definitions\.$/,
  ],
  ['throws', 'throw new Error("no licence\\nsecond line")', /failed while it was loaded: no licence$/],
  ['rejects', 'export default Promise.reject(new Error("later"))', /promise that failed: later$/],
  ['never settles', 'await new Promise(() => {})\nexport default {}', /a promise in it does not settle/],
  ['is no program', 'export default {\n  engine: }', /cannot be read as a program \(.*line 2\)/],
  [
    'imports what is not there',
    'import "./gone.ts"\nexport default {}',
    /imports something that is not there: .*gone\.ts/,
  ],
  ['has no default export', 'export const engine = "memory:"', /has no default export/],
  ['exports no object', 'export default 7', /is not an object/],
]

test.each(wrong)('a configuration that %s is one sentence', async (_title, text, reason) => {
  const cwd = project({ 'millrace.config.ts': text })
  const { code, stdout, stderr } = await millrace(['topics'], { cwd })
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr.trimEnd()).toMatch(/^error: [^\n]+$/)
  expect(stderr.trimEnd()).toMatch(reason)
})

test('a named configuration must be a file that can be read', async () => {
  const cwd = project({ 'big.ts': ' '.repeat(1024 * 1024 + 1), 'config.yaml': '' })
  mkdirSync(join(cwd, 'folder'))
  symlinkSync('loop.ts', join(cwd, 'loop.ts'))
  const refusals: readonly (readonly [string, RegExp])[] = [
    ['gone.ts', /gone\.ts does not exist/],
    ['folder', /is a folder/],
    ['loop.ts', /leads back to itself/],
    ['big.ts', /surely a mistake/],
    ['config.yaml', /must end in/],
  ]
  for (const [name, reason] of refusals) {
    const { code, stderr } = await millrace(['topics', '--config', name], { cwd })
    expect([code, stderr]).toEqual([2, expect.stringMatching(reason)])
  }
})

test('flags come before variables, variables before the configuration, and that before the file of the project', async () => {
  const cwd = project()
  const doctor = async (
    args: readonly string[],
    environment: Readonly<Record<string, string>> = {},
  ): Promise<string> => {
    const { code, stdout, stderr } = await millrace(['doctor', '--json', ...args], { cwd, environment })
    return code === 0 ? JSON.parse(stdout).url : `${code}: ${JSON.parse(stderr).error.code}`
  }
  expect(await doctor([])).toBe('2: config_invalid')
  await millrace(['publish', 'a.b', '{}', '--engine', 'sqlite:./first.db'], { cwd })
  mkdirSync(join(cwd, '.millrace'))
  await millrace(['publish', 'a.b', '{}', '--engine', 'sqlite:./.millrace/millrace.db'], { cwd })
  expect(await doctor([])).toBe('sqlite:./.millrace/millrace.db')
  writeFileSync(join(cwd, 'millrace.config.mjs'), 'export default { engine: "memory:" }')
  expect(await doctor([])).toBe('memory:')
  expect(await doctor([], { MILLRACE_ENGINE: 'sqlite:./first.db' })).toBe('sqlite:./first.db')
  expect(await doctor(['--engine', 'memory:'], { MILLRACE_ENGINE: 'sqlite:./first.db' })).toBe('memory:')
  expect(await doctor(['--engine', 'sqlite:./mistyped.db'])).toBe('3: engine_unreachable')
})

test('an engine that cannot be used is named without its secrets', async () => {
  const cwd = project()
  const refusals: readonly (readonly [string, number, RegExp])[] = [
    ['nats://me:s3cr:et@/#%@host/db', 2, /No engine has the scheme nats:\. There is sqlite, memory, postgres/],
    ['postgres://me:s3cr:et@/#%@host/db', 2, /not the URL of a PostgreSQL/],
    ['redis://me:s3cr:et@/#%@host/db', 2, /redis:\/\//],
    ['sqlit:./app.db', 2, /Did you mean sqlite\?/],
    ['./app.db', 2, /no scheme/],
    ['sqlite:./app.db?synchronus=full', 2, /synchronous/],
    ['memory:here', 2, /memory: and nothing more/],
    ['', 2, /no scheme/],
  ]
  for (const [url, expected, reason] of refusals) {
    for (const environment of [undefined, url === '' ? undefined : { MILLRACE_ENGINE: url }]) {
      const args =
        environment === undefined ? ['publish', 'a.b', '{}', '--engine', url, '--verbose'] : ['publish', 'a.b', '{}']
      const { code, stderr } = await millrace(args, environment === undefined ? { cwd } : { cwd, environment })
      expect([url, code, stderr]).toEqual([url, expected, expect.stringMatching(reason)])
      expect(stderr).not.toContain('s3cr')
    }
  }
})

test('variables that are empty, quoted, broken or misspelt are told', async () => {
  const cwd = project()
  const refusals: readonly (readonly [Readonly<Record<string, string>>, RegExp])[] = [
    [{ MILLRACE_ENGINE: '' }, /MILLRACE_ENGINE is set but empty/],
    [{ MILLRACE_ENGINE: '"memory:"' }, /has quotes/],
    [{ MILLRACE_ENGINE: 'memory:\n' }, /line break/],
    [{ MILLRACE_ENGIN: 'memory:' }, /Did you mean MILLRACE_ENGINE\?/],
  ]
  for (const [environment, reason] of refusals) {
    const { code, stderr } = await millrace(['topics'], { cwd, environment })
    expect([code, stderr]).toEqual([2, expect.stringMatching(reason)])
  }
  const port = await millrace(['serve', '--engine', 'memory:'], { cwd, environment: { MILLRACE_PORT: '99999' } })
  expect([port.code, port.stderr]).toEqual([2, expect.stringMatching(/MILLRACE_PORT/)])
})

test('wrong use ends with 2 and proposes what was meant', async () => {
  const cwd = project()
  const refusals: readonly (readonly [readonly string[], RegExp])[] = [
    [['pblish'], /Did you mean publish\?/],
    [['topics', '--jsn'], /Did you mean --json\?/],
    [['dlq', 'requeu'], /Did you mean requeue\?/],
    [['bench', '--size', '10mb'], /whole number/],
    [['read', '--limit', '-1'], /whole number/],
    [['serve', '--port', '99999'], /whole number/],
    [['publish', 'Order Placed', '{}', '--engine', 'memory:'], /not allowed/],
    [['publish', 'a.b', '{nonsense', '--engine', 'memory:'], /not valid JSON/],
    [['publish', 'a.b', '@gone.json', '--engine', 'memory:'], /gone\.json does not exist/],
    [['publish', '-', '--key', 'k', '--engine', 'memory:'], /--key needs an event type/],
  ]
  for (const [args, reason] of refusals) {
    const { code, stdout, stderr } = await millrace(args, { cwd })
    expect([args, code, stdout, stderr]).toEqual([args, 2, '', expect.stringMatching(reason)])
  }
  expect(await millrace([], { cwd })).toMatchObject({ code: 0, stdout: expect.stringContaining('Examples:') })
})
