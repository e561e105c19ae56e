import { TASK_STATES, type TaskFilter, type TaskState } from '@millrace/core'
import type { Command } from 'commander'
import { wrongUse } from './failure.ts'
import { moment } from './input/moment.ts'
import { collected } from './input/whole-number.ts'

/** The flags that choose tasks. */
export interface TaskFilterFlags {
  readonly queue?: string
  readonly name?: string
  readonly state?: readonly string[]
  readonly key?: string
  readonly tenant?: string
  readonly parent?: string
  readonly fingerprint?: string
  readonly since?: string
  readonly until?: string
}

/** Gives a command the flags that choose tasks. */
export function withTaskFilterOptions(command: Command): Command {
  return command
    .option('-q, --queue <name>', 'of this queue')
    .option('--name <name>', 'of this definition')
    .option('-s, --state <state>', `in this state, may be repeated: ${TASK_STATES.join(', ')}`, collected)
    .option('--key <key>', 'with this key')
    .option('--tenant <tenant>', 'of this tenant')
    .option('--parent <id>', 'children of this task')
    .option('--fingerprint <print>', 'with this kind of failure')
    .option('--since <time>', 'ended (added, if it has not) at or after this time')
    .option('--until <time>', 'ended (added, if it has not) before this time')
}

/** The filter that the flags describe; empty when none is given. Throws `request_invalid`. */
export function taskFilterOf(flags: TaskFilterFlags): TaskFilter {
  const { queue, name, state, key, tenant, parent, fingerprint, since, until } = flags
  return {
    ...(queue === undefined ? {} : { queue }),
    ...(name === undefined ? {} : { name }),
    ...(state === undefined ? {} : { states: state.map(stateOf) }),
    ...(key === undefined ? {} : { key }),
    ...(tenant === undefined ? {} : { tenant }),
    ...(parent === undefined ? {} : { parent }),
    ...(fingerprint === undefined ? {} : { fingerprint }),
    ...(since === undefined ? {} : { since: moment(since, '--since') }),
    ...(until === undefined ? {} : { until: moment(until, '--until') }),
  }
}

function stateOf(text: string): TaskState {
  const state = TASK_STATES.find((candidate) => candidate === text)
  if (state === undefined)
    throw wrongUse(`--state ${JSON.stringify(text)} does not exist; there are ${TASK_STATES.join(', ')}.`)
  return state
}
