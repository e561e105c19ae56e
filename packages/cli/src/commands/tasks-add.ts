import type { Command } from 'commander'
import { addedTaskOptions, withAddedTaskOptions, type AddedTaskFlags } from '../added-task.ts'
import type { Host } from '../host.ts'
import { jsonArgument } from '../input/json-text.ts'
import { span } from '../input/span.ts'
import { printable, safeJson } from '../output/escape.ts'
import { withMillrace } from '../session.ts'
import { warnOfMisspelt } from '../warn-of-misspelt.ts'

interface AddFlags extends AddedTaskFlags {
  readonly wait?: number
}

/** `millrace tasks add`: one task. */
export function addTasksAdd(tasks: Command, host: Host): void {
  withAddedTaskOptions(
    tasks
      .command('add')
      .argument('<name>', 'the name of the definition')
      .argument('[input]', 'the input: JSON, @file, or - for standard input')
      .description('Add a task. A definition of the configuration checks its input; else the worker does.'),
  )
    .option('-w, --wait <span>', 'wait so long for its result (0s: without limit), and print that', span)
    .addHelpText(
      'after',
      '\nExamples:\n  millrace tasks add report.build \'{"month":"2026-01"}\'\n  millrace tasks add report.build @report.json --priority high --wait 1m\n  millrace tasks add mail.send @mail.json --expires 2h --attempts 3 --backoff \'{"type":"fixed","delay":5000}\'',
    )
    .action(async (name: string, inputText: string | undefined, flags: AddFlags, command: Command) => {
      const options = await addedTaskOptions(host, flags)
      const input = inputText === undefined ? undefined : await jsonArgument(host, inputText)
      await withMillrace(host, command, { creates: true }, async ({ millrace, output, settings }) => {
        warnOfMisspelt(
          output,
          name,
          (settings.config.tasks ?? []).map((task) => task.name),
        )
        const handle = await millrace.tasks.add(name, input, options)
        const { id, deduplicated } = handle
        if (flags.wait === undefined) {
          if (output.isJson) return await output.json({ id, deduplicated })
          return await output.line(`${deduplicated ? 'held by' : 'added'} ${printable(id)}`)
        }
        const result = (await handle.result({ timeout: flags.wait })) ?? null
        if (output.isJson) return await output.json({ id, deduplicated, output: result })
        await output.line(safeJson(result))
      })
    })
}
