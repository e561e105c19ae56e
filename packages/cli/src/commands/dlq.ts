import type { Command } from 'commander'
import type { Host } from '../host.ts'
import { addDlqAct } from './dlq-act.ts'
import { addDlqEdit } from './dlq-edit.ts'
import { addDlqLs } from './dlq-ls.ts'
import { addDlqShow } from './dlq-show.ts'

/** The dead letters: events that a group could not handle, kept with a way back. */
export function addDlq(program: Command, host: Host): void {
  const dlq = program
    .command('dlq')
    .description('List, look at, mend, requeue and discard dead letters.')
    .addHelpText(
      'after',
      '\nExamples:\n  millrace dlq ls --group receipts\n  millrace dlq show ID\n  millrace dlq requeue --fingerprint 4f1c9a --dry-run',
    )
  addDlqLs(dlq, host)
  addDlqShow(dlq, host)
  addDlqEdit(dlq, host)
  addDlqAct(dlq, host, 'requeue')
  addDlqAct(dlq, host, 'discard')
}
