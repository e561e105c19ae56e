import type { Command } from 'commander'
import type { DeadLetterFilter } from '@millrace/core'
import { moment } from './input/moment.ts'

/** The flags that choose dead letters. */
export interface FilterFlags {
  readonly group?: string
  readonly fingerprint?: string
  readonly topic?: string
  readonly type?: string
  readonly event?: string
  readonly since?: string
  readonly until?: string
}

/** Gives a command the flags that choose dead letters. */
export function withFilterOptions(command: Command): Command {
  return command
    .option('--group <name>', 'of this group')
    .option('--fingerprint <print>', 'with this kind of failure')
    .option('--topic <name>', 'of this topic')
    .option('--type <type>', 'of this event type')
    .option('--event <id>', 'of this event')
    .option('--since <time>', 'last failed at or after this time')
    .option('--until <time>', 'last failed before this time')
}

/** The filter that the flags describe; empty when none is given. */
export function filterOf({ group, fingerprint, topic, type, event, since, until }: FilterFlags): DeadLetterFilter {
  return {
    ...(group === undefined ? {} : { group }),
    ...(fingerprint === undefined ? {} : { fingerprint }),
    ...(topic === undefined ? {} : { topic }),
    ...(type === undefined ? {} : { type }),
    ...(event === undefined ? {} : { eventId: event }),
    ...(since === undefined ? {} : { since: moment(since, '--since') }),
    ...(until === undefined ? {} : { until: moment(until, '--until') }),
  }
}
