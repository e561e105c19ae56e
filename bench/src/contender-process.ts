import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Measured, Work } from './work.ts'

const CONTEND = fileURLToPath(new URL('./contend.ts', import.meta.url))
const LONGEST_MS = 10 * 60_000

/** Runs a contender in a process of its own, so that no run warms up or litters the next. */
export function runContender(name: string, work: Work): Promise<{ readonly value: number } & Partial<Measured>> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...process.execArgv, CONTEND, name, JSON.stringify(work)], {
      stdio: ['ignore', 'pipe', 'inherit'],
      timeout: LONGEST_MS,
      env: { ...process.env, NODE_ENV: 'production' },
    })
    const end = (): void => void child.kill()
    process.once('exit', end)
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
    child.on('error', reject)
    child.on('close', (code) => {
      process.off('exit', end)
      const last = output.trim().split('\n').at(-1) ?? ''
      if (code !== 0) reject(new Error(`The contender "${name}" ended with code ${String(code)}.`))
      else resolve(JSON.parse(last) as { readonly value: number })
    })
  })
}
