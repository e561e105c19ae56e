import type { Command } from 'commander'
import { filterOf, withFilterOptions, type FilterFlags } from '../dead-letter-filter.ts'
import type { Host } from '../host.ts'
import { wholeNumber } from '../input/whole-number.ts'
import { printTable } from '../output/table.ts'
import { withMillrace, type Session } from '../session.ts'

interface LsFlags extends FilterFlags {
  readonly limit: number
  readonly after?: string
  readonly grouped?: boolean
}

/** `millrace dlq ls`: dead letters, one a row or counted by kind. */
export function addDlqLs(dlq: Command, host: Host): void {
  withFilterOptions(dlq.command('ls').description('List dead letters, newest first.'))
    .option('-n, --limit <count>', 'how many', wholeNumber(1, 1_000), 100)
    .option('--after <id>', 'go on after this dead letter')
    .option('--grouped', 'count them by group and kind of failure')
    .addHelpText(
      'after',
      '\nExamples:\n  millrace dlq ls\n  millrace dlq ls --grouped\n  millrace dlq ls --group receipts --since 1h --json',
    )
    .action((flags: LsFlags, command: Command) =>
      withMillrace(host, command, {}, (session) =>
        flags.grouped ? listGrouped(session, flags) : list(session, flags),
      ),
    )
}

async function list({ millrace, output }: Session, flags: LsFlags): Promise<void> {
  const { limit, after } = flags
  const letters = await millrace.deadLetters.list({
    ...filterOf(flags),
    limit,
    ...(after === undefined ? {} : { after }),
  })
  if (output.isJson) return await output.json(letters)
  if (letters.length === 0) return output.note('There is no such dead letter.')
  await printTable(output, letters, [
    { title: 'id', value: (letter) => letter.id },
    { title: 'group', value: (letter) => letter.group },
    { title: 'type', value: (letter) => letter.eventType },
    { title: 'key', value: (letter) => letter.event?.key ?? '-' },
    { title: 'attempts', value: (letter) => letter.attempts, align: 'right' },
    { title: 'last failed', value: (letter) => letter.lastFailedAt },
    { title: 'fingerprint', value: (letter) => letter.fingerprint },
    { title: 'error', value: (letter) => `${letter.error.code}: ${letter.error.message}`.slice(0, LONGEST_ERROR) },
  ])
  const last = letters.at(-1)
  if (last !== undefined && letters.length === limit) output.note(`next page: --after ${last.id}`)
  output.note(`look at one with: millrace dlq show ${letters[0]?.id ?? ''}`)
}

const LONGEST_ERROR = 200

async function listGrouped({ millrace, output }: Session, { group }: LsFlags): Promise<void> {
  const counts = await millrace.deadLetters.counts(group === undefined ? {} : { group })
  if (output.isJson) return await output.json(counts)
  if (counts.length === 0) return output.note('There is no dead letter.')
  await printTable(output, counts, [
    { title: 'group', value: (row) => row.group },
    { title: 'count', value: (row) => row.count, align: 'right' },
    { title: 'fingerprint', value: (row) => row.fingerprint },
    { title: 'last failed', value: (row) => row.lastFailedAt },
    { title: 'error', value: (row) => `${row.code}: ${row.message}`.slice(0, LONGEST_ERROR) },
  ])
  output.note('requeue one kind with: millrace dlq requeue --fingerprint PRINT --dry-run')
}
