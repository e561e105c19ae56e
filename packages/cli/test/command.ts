import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished, vi } from 'vitest'

// Each test starts many processes, and a busy machine is slow to start them.
vi.setConfig({ testTimeout: 600_000 })

const MAIN = join(import.meta.dirname, '../src/main.ts')
const MODULES = join(import.meta.dirname, '../../../node_modules')

export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly cwd: string
  readonly input?: string
  readonly environment?: Readonly<Record<string, string>>
  /** Called once, when the process has been started. */
  readonly onStart?: (child: ChildProcess) => Promise<void>
  /** Called with what has been printed so far, at each output. */
  readonly onOutput?: (child: ChildProcess, stdout: string, stderr: string) => void
}

/** A folder of its own, in which the packages of the workspace resolve; removed after the test. */
export function project(files: Readonly<Record<string, string>> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-cli-'))
  symlinkSync(MODULES, join(folder, 'node_modules'))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Runs the real command in a process of its own, without a terminal. */
export function millrace(
  args: readonly string[],
  { cwd, input, environment, onStart, onOutput }: RunOptions,
): Promise<Ran> {
  const child = spawn(process.execPath, ['--conditions=millrace-source', MAIN, ...args], {
    cwd,
    env: { PATH: process.env['PATH'], HOME: cwd, ...environment },
  })
  // A test that has given up leaves no process behind.
  onTestFinished(() => void child.kill('SIGKILL'))
  return new Promise((resolve, reject) => {
    let stdout = ''
    let stderr = ''
    const hear = (): void => onOutput?.(child, stdout, stderr)
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
      hear()
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
      hear()
    })
    child.on('error', reject)
    onStart?.(child).catch(reject)
    child.on('close', (code) => resolve({ code, stdout, stderr }))
    // A command that refuses its arguments does not read its input.
    child.stdin.on('error', () => {})
    child.stdin.end(input ?? '')
  })
}

/** The parsed stdout of a command that must succeed. */
export async function json<Answer = unknown>(args: readonly string[], options: RunOptions): Promise<Answer> {
  const { code, stdout, stderr } = await millrace([...args, '--json'], options)
  if (code !== 0) throw new Error(`millrace ${args.join(' ')} ended with ${code}: ${stderr}`)
  return JSON.parse(stdout)
}

/** An application with orders: totals above 100 are refused until `MEND` is set. */
export const SHOP: Readonly<Record<string, string>> = {
  'millrace.config.ts': `
import { defineConfig } from '@millrace/cli'
import { defineEvent, reject } from '@millrace/core'
import { sqlite } from '@millrace/sqlite'
import { z } from 'zod'

const OrderPlaced = defineEvent('order.placed', {
  schema: z.object({ orderId: z.string(), total: z.number() }),
  key: (data) => data.orderId,
})
const MailSent = defineEvent('mail.sent', { schema: z.object({ orderId: z.string() }) })

export default defineConfig({
  engine: sqlite('./shop.db'),
  name: 'shop',
  events: [OrderPlaced, MailSent],
  subscriptions: async (millrace) => {
    await millrace.subscribe(OrderPlaced, async ({ data }) => {
      if (data.total > 100 && process.env.MEND === undefined) return reject('too \\u001b[31mmuch\\u202e')
      await millrace.publish(MailSent, { orderId: data.orderId })
    }, { group: 'receipts', from: 'earliest' })
  },
})
`,
}
