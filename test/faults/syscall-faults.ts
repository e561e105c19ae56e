import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { EngineServer } from 'engines'
import { familyOf } from '../crash/paused-server.ts'

/** System calls of a running process that fail. */
export interface SyscallFaults {
  /** The calls work again. */
  heal(): Promise<void>
}

const SYNCS = 'fsync,fdatasync,sync_file_range'

/** The arguments of strace under which a new process gets EIO from every sync, from the given one on. */
export function failingSyncs(from: number): readonly string[] {
  return ['strace', '-D', '-f', '-qqq', '-o', '/dev/null', ...injection(`${SYNCS}:error=EIO:when=${from}+`)]
}

/** Lets every sync of the server fail with EIO until it is healed, those of processes that it starts meanwhile too. */
export async function failSyncsOf(server: EngineServer): Promise<SyscallFaults> {
  const { pid } = server
  if (pid === undefined) throw new Error('The server is down.')
  const processes = familyOf(pid).flatMap((one) => ['-p', String(one)])
  const tracer = spawn('strace', ['-f', '-o', '/dev/null', ...injection(`${SYNCS}:error=EIO`), ...processes], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  await attached(tracer, processes.length / 2)
  const gone = once(tracer, 'exit')
  return {
    async heal() {
      // It lets the processes go first.
      tracer.kill('SIGINT')
      await gone
    },
  }
}

function injection(fault: string): readonly string[] {
  return ['-e', `trace=${SYNCS}`, '-e', `inject=${fault}`]
}

async function attached(tracer: ChildProcess, count: number): Promise<void> {
  const said: string[] = []
  const { stderr } = tracer
  if (stderr === null) throw new Error('strace has no output.')
  let left = count
  for await (const line of createInterface({ input: stderr })) {
    said.push(line)
    if (/attached/.test(line)) left -= 1
    if (left === 0) {
      stderr.resume()
      return
    }
  }
  throw new Error(`strace could not attach:\n${said.join('\n')}`)
}
