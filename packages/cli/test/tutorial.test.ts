import { spawn, type ChildProcess } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { waitFor } from '@millrace/core/testing'
import { available, startPostgres, startRedis, type EngineServer } from 'engines'
import { afterAll, expect, test } from 'vitest'
import { project } from './command.ts'

const PAGE = join(import.meta.dirname, '../../../docs/tutorial.md')
const MAIN = join(import.meta.dirname, '../src/main.ts')

interface Block {
  readonly line: number
  readonly language: string
  readonly marks: ReadonlyMap<string, string>
  readonly text: string
}

/** The second terminal of the reader. */
interface Terminal {
  readonly printed: () => string
  /** Resolves when it has printed `ready` so many times. */
  ready(times: number): Promise<void>
  /** Ctrl-C; gives the exit code. */
  interrupt(): Promise<number | null>
}

const running = new Set<ChildProcess>()
afterAll(() => {
  for (const child of running) child.kill('SIGKILL')
})

const SQLITE = "sqlite('./.millrace/millrace.db')"

test('the tutorial does what it says', { timeout: 900_000 }, () => follow((program) => program))

/** What the page's programs need beside one changed line, and the import that goes with it. */
const SERVERS: readonly (readonly [engine: string, has: boolean, start: () => Promise<EngineServer>])[] = [
  ['redis', await available('redis-server'), startRedis],
  ['postgres', await available('postgres'), startPostgres],
]

for (const [engine, has, start] of SERVERS) {
  test.skipIf(!has)(`the tutorial does the same on ${engine}`, { timeout: 900_000 }, async () => {
    await using server = await start()
    await follow((program) =>
      program
        .replaceAll(SQLITE, `${engine}('${server.url}')`)
        .replaceAll("import { sqlite } from '@millrace/sqlite'", `import { ${engine} } from '@millrace/${engine}'`),
    )
  })
}

/** Does what the page says, with its programs changed. */
async function follow(change: (program: string) => string): Promise<void> {
  const cwd = project()
  const environment = environmentOf(cwd)
  const blocks = blocksOf(readFileSync(PAGE, 'utf8')).filter(({ marks }) => marks.has('run'))
  expect(blocks.length).toBeGreaterThan(15)
  let terminal: Terminal | undefined
  let starts = 0
  for (const block of blocks) {
    const { line, language, marks, text } = block
    const file = marks.get('file')
    if (language === 'ts' && file !== undefined) {
      writeFileSync(join(cwd, file), change(text))
      // A reader goes on when the second terminal has started again.
      if (terminal !== undefined) await terminal.ready((starts += 1))
    } else if (marks.has('terminal')) {
      terminal = openTerminal(text, cwd, environment)
      await terminal.ready((starts += 1))
    } else {
      const wanted = Number(marks.get('exit') ?? 0)
      const until = marks.get('until') ?? ''
      let ran = await shell(text, cwd, environment)
      if (until !== '') {
        // The page says "after a few seconds"; the reader would look again, too.
        const hasCome = async (): Promise<boolean> => {
          ran = await shell(text, cwd, environment)
          return ran.code === wanted && ran.stdout.includes(until)
        }
        await waitFor(hasCome, {
          timeoutMs: 240_000,
          everyMs: 100,
          what: `line ${line} of the tutorial to print ${until}`,
        })
      }
      expect({ line, ...ran }).toEqual({
        line,
        code: wanted,
        stdout: expect.stringContaining(until),
        stderr: expect.any(String),
      })
    }
  }
  expect(terminal?.printed()).toContain('It has ended. Waiting for a change')
  expect(await terminal?.interrupt()).toBe(0)
  const receipts = readFileSync(join(cwd, 'receipts.txt'), 'utf8').trimEnd().split('\n')
  expect(new Set(receipts)).toEqual(new Set(['o-1: 12', 'o-2: 30', 'o-3: 7', 'o-4: 8', 'o-5: 5000', 'o-6: 6']))
}

/** A shell in which `millrace` and `node` run this workspace from source. */
function environmentOf(cwd: string): NodeJS.ProcessEnv {
  const bin = join(cwd, 'bin')
  mkdirSync(bin)
  writeFileSync(join(bin, 'millrace'), `#!/bin/sh\nexec ${process.execPath} ${MAIN} "$@"\n`)
  chmodSync(join(bin, 'millrace'), 0o755)
  return {
    PATH: [bin, dirname(process.execPath), process.env['PATH']].join(delimiter),
    HOME: cwd,
    NODE_OPTIONS: '--conditions=millrace-source',
    MILLRACE_PORT: '0',
  }
}

function shell(
  text: string,
  cwd: string,
  env: NodeJS.ProcessEnv,
): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  const child = spawn('sh', ['-ec', text], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
  return new Promise((resolve) => {
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (part: string) => (stdout += part))
    child.stderr.setEncoding('utf8').on('data', (part: string) => (stderr += part))
    child.on('close', (code) => resolve({ code, stdout, stderr }))
  })
}

function openTerminal(text: string, cwd: string, env: NodeJS.ProcessEnv): Terminal {
  const child = spawn('sh', ['-ec', `exec ${text}`], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(child)
  let printed = ''
  const listeners = new Set<() => void>()
  const hear = (part: string): void => {
    printed += part
    for (const listen of listeners) listen()
  }
  child.stdout.setEncoding('utf8').on('data', hear)
  child.stderr.setEncoding('utf8').on('data', hear)
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  void ended.then(() => running.delete(child))
  return {
    printed: () => printed,
    ready: (times) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (printed.split(/^ready /m).length > times) resolve()
        }
        listeners.add(look)
        look()
        void ended.then(() => reject(new Error(`The second terminal ended: ${printed}`)))
      }),
    interrupt() {
      child.kill('SIGINT')
      return ended
    },
  }
}

function blocksOf(page: string): readonly Block[] {
  return [...page.matchAll(/^```(\w+)(.*)\n([\s\S]*?)^```$/gm)].map((match) => {
    const [, language = '', info = '', text = ''] = match
    const marks = new Map<string, string>()
    for (const [, name = '', quoted, bare] of info.matchAll(/(\w+)(?:=(?:"([^"]*)"|(\S+)))?/g))
      marks.set(name, quoted ?? bare ?? '')
    return { line: page.slice(0, match.index).split('\n').length, language, marks, text }
  })
}
