import type { Command } from 'commander'
import type { Host } from '../host.ts'
import { duration } from '../output/amount.ts'
import { printTable } from '../output/table.ts'
import { withMillrace } from '../session.ts'

/** `millrace groups`: who listens, and how they are. */
export function addGroups(program: Command, host: Host): void {
  program
    .command('groups')
    .description('List the groups with their members, lag, side lane and dead letters.')
    .addHelpText('after', '\nExamples:\n  millrace groups\n  millrace groups --json')
    .action((_options, command: Command) =>
      withMillrace(host, command, {}, async ({ millrace, output }) => {
        const groups = await millrace.groups()
        if (output.isJson) return await output.json(groups)
        if (groups.length === 0) return output.note('There is no group yet: a subscription makes one.')
        await printTable(output, groups, [
          { title: 'group', value: (group) => group.group },
          { title: 'listens to', value: (group) => group.filter.join(', ') || '-' },
          { title: 'members', value: (group) => group.members.length, align: 'right' },
          { title: 'lag', value: (group) => `${group.lagExact ? '' : '~'}${group.lag}`, align: 'right' },
          {
            title: 'oldest',
            value: (group) => (group.oldestMs === undefined ? '-' : duration(group.oldestMs)),
            align: 'right',
          },
          { title: 'side lane', value: (group) => group.lane.waiting, align: 'right' },
          { title: 'parked', value: (group) => group.lane.parked, align: 'right' },
          {
            title: 'dead letters',
            value: (group) => group.deadLetters,
            align: 'right',
            style: (group) => (group.deadLetters > 0 ? 'red' : undefined),
          },
        ])
        if (groups.some((group) => group.deadLetters > 0)) output.note('Look at the dead letters with: millrace dlq ls')
      }),
    )
}
