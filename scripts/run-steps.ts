import { spawnSync } from 'node:child_process'

/** One command of `check` or `build`. */
export interface Step {
  readonly name: string
  /** The program, found in `node_modules/.bin`, and its arguments. */
  readonly command: readonly [string, ...string[]]
}

/** Runs the steps one after the other with a line each; what a failing one printed follows its line. Resolves with the exit code for the process. */
export function runSteps(steps: readonly Step[]): number {
  const failed = steps.filter((step) => !runStep(step))
  if (failed.length > 0) console.log(`\nFailed: ${failed.map((step) => step.name).join(', ')}`)
  return failed.length === 0 ? 0 : 1
}

function runStep({ name, command: [program, ...args] }: Step): boolean {
  const began = performance.now()
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 64 << 20 })
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  const fine = status === 0
  console.log(`${fine ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)`)
  if (!fine)
    console.log(`       ${[program, ...args].join(' ')}\n${error?.message ?? ''}${stdout ?? ''}${stderr ?? ''}`)
  return fine
}
