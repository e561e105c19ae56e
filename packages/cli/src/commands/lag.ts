import type { Command } from 'commander'
import { MillraceError, type GroupStatus } from '@millrace/core'
import { didYouMean } from '../config/nearest.ts'
import type { Host } from '../host.ts'
import { printTable } from '../output/table.ts'
import { withMillrace } from '../session.ts'

/** `millrace lag`: how far groups are behind, by partition. */
export function addLag(program: Command, host: Host): void {
  program
    .command('lag')
    .argument('[group]', 'only this group')
    .description('Show how far each group is behind, by partition.')
    .option('--all', 'also the partitions without lag')
    .addHelpText('after', '\nExamples:\n  millrace lag\n  millrace lag receipts --all')
    .action((group: string | undefined, { all = false }: { readonly all?: boolean }, command: Command) =>
      withMillrace(host, command, {}, async ({ millrace, output }) => {
        const groups = await millrace.groups()
        const chosen = groups.filter((candidate) => group === undefined || candidate.group === group)
        if (group !== undefined && chosen.length === 0) {
          const names = groups.map((candidate) => candidate.group)
          throw new MillraceError(
            'group_unknown',
            `There is no group ${JSON.stringify(group)}. ${didYouMean(group, names)}`,
          )
        }
        const rows = chosen.flatMap((status) =>
          status.partitions.map((partition) => ({ group: status.group, ...partition })),
        )
        const shown = all ? rows : rows.filter((row) => row.lag > 0)
        if (output.isJson) return await output.json(shown)
        if (shown.length === 0) return output.note(upToDate(chosen))
        await printTable(output, shown, [
          { title: 'group', value: (row) => row.group },
          { title: 'partition', value: (row) => `${row.topic}/${row.partition}` },
          { title: 'lag', value: (row) => row.lag, align: 'right' },
          { title: 'settled', value: (row) => row.settled ?? '-' },
          { title: 'head', value: (row) => row.head ?? '-' },
          { title: 'owner', value: (row) => row.owner ?? '-' },
        ])
      }),
    )
}

/** A lane holds what is retried, requeued and replayed: behind the position, and not handled yet. */
function upToDate(groups: readonly GroupStatus[]): string {
  const waiting = groups.filter(({ lane }) => lane.waiting > 0).map(({ group, lane }) => `${group} ${lane.waiting}`)
  if (waiting.length === 0) return 'Every group is up to date.'
  return `No group is behind in the log; in the side lanes wait: ${waiting.join(', ')}. Look at them with: millrace groups`
}
