import { userInfo } from 'node:os'
import type { Command } from 'commander'
import type { Host } from '../host.ts'
import { jsonArgument } from '../input/json-text.ts'
import { printable } from '../output/escape.ts'
import { withMillrace } from '../session.ts'

/** `millrace dlq edit`: back to its group with other data. */
export function addDlqEdit(dlq: Command, host: Host): void {
  dlq
    .command('edit')
    .argument('<id>', 'the dead letter')
    .argument('<data>', 'the new data: JSON, @file, or - for standard input')
    .description('Requeue a dead letter with other data, under a new id that is linked to the original.')
    .option('--by <name>', 'who did it (default: your user name)')
    .addHelpText(
      'after',
      '\nExamples:\n  millrace dlq edit ID \'{"total": 12}\'\n  millrace dlq show ID --json | jq .event.data > data.json; millrace dlq edit ID @data.json',
    )
    .action(async (id: string, argument: string, { by }: { readonly by?: string }, command: Command) => {
      const data = await jsonArgument(host, argument)
      await withMillrace(host, command, {}, async ({ millrace, output }) => {
        const edited = await millrace.deadLetters.edit(id, data, { by: by ?? userName() })
        if (output.isJson) return await output.json(edited)
        await output.line(`requeued with new data as event ${printable(edited.eventId)}`)
      })
    })
}

/** A process in a container may have a user id without a name. */
function userName(): string {
  try {
    return userInfo().username
  } catch {
    return 'unknown'
  }
}
