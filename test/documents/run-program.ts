import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Program } from './programs.ts'

/** What a program printed until it ended, or until it had printed what its document says. */
export interface Run {
  /** The exit code; undefined where it went on and was ended. */
  readonly code: number | undefined
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program of a document in an empty folder, as its reader would. */
export async function runProgram(root: string, { source, output }: Program): Promise<Run> {
  // Below the root, so that the workspace's packages are found, and outside node_modules, where Node.js strips no types.
  await mkdir(join(root, '.millrace'), { recursive: true })
  const folder = await mkdtemp(join(root, '.millrace', 'document-'))
  try {
    await writeFile(join(folder, 'program.ts'), source)
    return await run(folder, output)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function run(folder: string, output: string | undefined): Promise<Run> {
  const flags = ['--conditions=millrace-source', '--disable-warning=ExperimentalWarning']
  const child = spawn(process.execPath, [...flags, 'program.ts'], {
    cwd: folder,
    timeout: 270_000,
    killSignal: 'SIGKILL',
  })
  let stdout = ''
  let stderr = ''
  let ended = false
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    stdout += chunk
    if (output === undefined || !stdout.includes(output) || ended) return
    ended = true
    child.kill('SIGTERM')
  })
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk))
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  return { code: ended ? undefined : (code ?? 1), stdout, stderr }
}
