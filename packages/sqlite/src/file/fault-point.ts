import { spawn } from 'node:child_process'

/**
 * Named places in the writer at which a crash is most telling. A crash harness sets
 * `MILLRACE_FAULT_POINT=before-commit:3` and the process kills itself the third time it comes by, as if the machine had
 * pulled its plug, so that each place is hit for certain instead of by luck. Without the variable a place costs one
 * call of a function that compares a name. It is here, in the product, because only the product knows these places.
 */
export type FaultPointName =
  | 'before-commit'
  | 'after-commit-before-reply'
  | 'mid-batch'
  | 'after-dead-letter'
  | 'mid-checkpoint'
  | 'mid-migration'
  | 'mid-retention'

export type FaultPoint = (name: FaultPointName) => void

/** Never does anything. */
export const noFault: FaultPoint = () => {}

/** Reads the fault point of this process from its environment, `name:count` with a count from 1. */
export function faultPointOf(setting: string | undefined): FaultPoint {
  if (setting === undefined || setting === '') return noFault
  const [wanted, count = '1'] = setting.split(':')
  let left = Number(count)
  return (name) => {
    if (name !== wanted) return
    left -= 1
    if (left === 0) die(name)
  }
}

/** A checkpoint is one call into SQLite, so there another process has to do it, a moment later. */
function die(name: FaultPointName): void {
  if (name !== 'mid-checkpoint') process.kill(process.pid, 'SIGKILL')
  spawn('kill', ['-9', String(process.pid)], { detached: true, stdio: 'ignore' }).unref()
}
