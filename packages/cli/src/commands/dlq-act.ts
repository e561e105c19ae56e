import type { Command } from 'commander'
import { filterOf, withFilterOptions, type FilterFlags } from '../dead-letter-filter.ts'
import { wrongUse } from '../failure.ts'
import type { Host } from '../host.ts'
import { count } from '../output/amount.ts'
import { printable } from '../output/escape.ts'
import { withMillrace } from '../session.ts'

interface ActFlags extends FilterFlags {
  readonly all?: boolean
  readonly dryRun?: boolean
}

const WORDS = {
  requeue: { description: 'Hand dead letters back to their group, attempts reset.', done: 'requeued' },
  discard: { description: 'Remove dead letters for good. The events stay in the log.', done: 'discarded' },
} as const

/** `dlq requeue` and `dlq discard`: by ids, by a filter, or all of them when that is said. */
export function addDlqAct(dlq: Command, host: Host, verb: keyof typeof WORDS): void {
  const { description, done } = WORDS[verb]
  withFilterOptions(dlq.command(verb).argument('[ids...]', 'the dead letters').description(description))
    .option('--all', 'every dead letter there is')
    .option('--dry-run', 'only say which')
    .addHelpText(
      'after',
      `\nExamples:\n  millrace dlq ${verb} ID\n  millrace dlq ${verb} --group receipts --since 1h --dry-run\n  millrace dlq ${verb} --fingerprint PRINT`,
    )
    .action(async (ids: readonly string[], flags: ActFlags, command: Command) => {
      const { all = false, dryRun = false } = flags
      const filter = filterOf(flags)
      const isFiltered = Object.keys(filter).length > 0
      if (ids.length > 0 && (isFiltered || all)) throw wrongUse('Give ids or a filter, not both.')
      if (isFiltered && all) throw wrongUse('Give a filter or --all, not both.')
      if (ids.length === 0 && !isFiltered && !all) {
        throw wrongUse(`Which dead letters? Give ids, a filter such as --group or --fingerprint, or --all.`)
      }
      await withMillrace(host, command, {}, async ({ millrace, output }) => {
        const result = await millrace.deadLetters[verb](ids.length > 0 ? ids : all ? 'all' : filter, { dryRun })
        const missing = ids.filter((id) => !result.ids.includes(id))
        if (missing.length > 0) host.fail()
        if (output.isJson) return await output.json({ ...result, missing })
        for (const id of missing) output.warn(`${printable(id)} is no dead letter (any more)`)
        if (dryRun) for (const id of result.ids) await output.line(printable(id))
        const summary = `${dryRun ? `would be ${done}` : done}: ${count(result.ids.length, 'dead letter')}`
        if (dryRun) output.note(summary)
        else await output.line(summary)
      })
    })
}
