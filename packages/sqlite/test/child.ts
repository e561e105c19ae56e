import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { atEnd } from './scratch.ts'

/** A process of its own that runs a script of `test/processes` and speaks in lines. */
export interface Child {
  readonly process: ChildProcess
  /** The next line that it writes. Rejects when it ends before. */
  line(): Promise<string>
  send(line: string): void
  /** Resolves with the code or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals | null>
}

export function startChild(
  script: string,
  args: readonly string[] = [],
  { env = {}, before = [] }: { readonly env?: Record<string, string>; readonly before?: readonly string[] } = {},
): Child {
  const path = fileURLToPath(new URL(`./processes/${script}`, import.meta.url))
  const command = [...before, process.execPath, '--conditions=millrace-source', path, ...args]
  const child = spawn(command[0] ?? '', command.slice(1), {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  })
  atEnd(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  let lines: AsyncIterator<string> | undefined
  return {
    process: child,
    async line() {
      lines ??= createInterface({ input: child.stdout })[Symbol.asyncIterator]()
      const next = await lines.next()
      if (next.done === true) throw new Error(`${script} ended before it wrote the expected line.`)
      return next.value
    },
    send: (line) => void child.stdin.write(`${line}\n`),
    ended: once(child, 'exit').then(([code, signal]) => (code ?? signal) as number | NodeJS.Signals | null),
  }
}
