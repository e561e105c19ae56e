import type { AddOptions, Dedupe, Priority } from '@millrace/core'
import { Option, type Command } from 'commander'
import { wrongUse } from './failure.ts'
import type { Host } from './host.ts'
import { jsonArgument } from './input/json-text.ts'
import { momentAhead } from './input/moment.ts'
import { priority } from './input/priority.ts'
import { parseSpan, span } from './input/span.ts'
import { wholeNumber } from './input/whole-number.ts'

/** The flags that say how a task is added. */
export interface AddedTaskFlags {
  readonly queue?: string
  readonly id?: string
  readonly priority?: Priority
  readonly delay?: number
  readonly at?: string
  readonly expires?: string
  readonly attempts?: number
  readonly timeout?: number
  readonly backoff?: string
  readonly key?: string
  readonly tenant?: string
  readonly dedupe?: string
  readonly dedupeMode?: NonNullable<Dedupe['mode']>
  readonly dedupeUntil?: NonNullable<Dedupe['until']>
  readonly dedupeWindow?: number
  readonly correlation?: string
}

const MOST_ATTEMPTS = 1_000_000

/** Gives a command the flags that say how a task is added. */
export function withAddedTaskOptions(command: Command): Command {
  return command
    .option('-q, --queue <name>', 'the queue, where the configuration does not know the definition')
    .option('--id <id>', 'its id; the same again adds nothing')
    .option('-p, --priority <priority>', 'critical, high, normal, low, or a number', priority)
    .option('--delay <span>', 'due after this time, such as 10m', span)
    .option('--at <time>', 'due at this time; --delay takes a span')
    .option('--expires <when>', 'not started any more after this span, or from this time on')
    .option('--attempts <count>', 'in all, the first included', wholeNumber(1, MOST_ATTEMPTS))
    .option('--timeout <span>', 'of one attempt; 0s is without limit', span)
    .option('--backoff <rule>', 'the wait between attempts as JSON: type, delay, max, jitter')
    .option('--key <key>', 'its key')
    .option('--tenant <tenant>', 'its tenant')
    .option('--dedupe <key>', 'adds nothing while another task holds this key')
    .addOption(
      new Option('--dedupe-mode <mode>', 'what happens to a holder that has not started (default: keep)').choices([
        'keep',
        'replace',
        'debounce',
      ]),
    )
    .addOption(
      new Option('--dedupe-until <moment>', 'the key is held until this of the task (default: end)').choices([
        'start',
        'end',
      ]),
    )
    .option('--dedupe-window <span>', 'the key is held for so long, whatever the task does', span)
    .option('--correlation <id>', 'the flow that the task belongs to')
}

/** The options that the flags describe. Throws `request_invalid`. */
export async function addedTaskOptions(host: Host, flags: AddedTaskFlags): Promise<AddOptions> {
  const { queue, id, priority: wanted, delay, at, attempts, timeout, key, tenant, correlation } = flags
  if (delay !== undefined && at !== undefined) throw wrongUse('When is it due? Give one of --delay and --at.')
  const dedupe = dedupeOf(flags)
  return {
    ...(queue === undefined ? {} : { queue }),
    ...(id === undefined ? {} : { id }),
    ...(wanted === undefined ? {} : { priority: wanted }),
    ...(delay === undefined ? {} : { delay }),
    ...(at === undefined ? {} : { runAt: momentAhead(at, '--at') }),
    ...(flags.expires === undefined ? {} : expiryOf(flags.expires)),
    ...(attempts === undefined ? {} : { attempts }),
    ...(timeout === undefined ? {} : { timeout }),
    ...(flags.backoff === undefined ? {} : { backoff: (await jsonArgument(host, flags.backoff)) as never }),
    ...(key === undefined ? {} : { key }),
    ...(tenant === undefined ? {} : { tenant }),
    ...(dedupe === undefined ? {} : { dedupe }),
    ...(correlation === undefined ? {} : { metadata: { correlationId: correlation } }),
  }
}

function expiryOf(text: string): Pick<AddOptions, 'expiresAfter' | 'expiresAt'> {
  const expiresAfter = parseSpan(text)
  if (expiresAfter !== undefined) return { expiresAfter }
  const expiresAt = momentAhead(text, '--expires')
  if (expiresAt.getTime() <= Date.now()) throw wrongUse(`--expires ${text} has passed; the task would never start.`)
  return { expiresAt }
}

function dedupeOf({ dedupe: key, dedupeMode, dedupeUntil, dedupeWindow }: AddedTaskFlags): Dedupe | undefined {
  const rules: Omit<Dedupe, 'key'> = {
    ...(dedupeMode === undefined ? {} : { mode: dedupeMode }),
    ...(dedupeUntil === undefined ? {} : { until: dedupeUntil }),
    ...(dedupeWindow === undefined ? {} : { window: dedupeWindow }),
  }
  if (key === undefined && Object.keys(rules).length > 0)
    throw wrongUse('--dedupe-mode, --dedupe-until and --dedupe-window belong to --dedupe KEY.')
  if (dedupeUntil !== undefined && dedupeWindow !== undefined)
    throw wrongUse('How long is the key held? Give one of --dedupe-until and --dedupe-window.')
  return key === undefined ? undefined : { key, ...rules }
}
