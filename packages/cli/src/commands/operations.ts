import type { OperationChange, OperationSettings, OperationView } from '@millrace/core'
import { InvalidArgumentError, Option, type Command } from 'commander'
import { wrongUse } from '../failure.ts'
import type { Host } from '../host.ts'
import { span } from '../input/span.ts'
import { wholeNumber } from '../input/whole-number.ts'
import { duration } from '../output/amount.ts'
import { printable } from '../output/escape.ts'
import { printFacts } from '../output/facts.ts'
import type { Output } from '../output/output.ts'
import { printTable } from '../output/table.ts'
import { withMillrace } from '../session.ts'

type Setting = keyof OperationSettings

interface ChangeFlags {
  readonly mode?: OperationSettings['mode']
  readonly fallback?: OperationSettings['fallback']
  readonly rollout?: number
  readonly maxWait?: number
  readonly restore?: readonly Setting[]
  readonly by?: string
}

const SETTINGS: readonly Setting[] = ['mode', 'fallback', 'rollout', 'maxWaitMs']

/** The operations: where work is done, in the process of the caller or as a task. */
export function addOperations(program: Command, host: Host): void {
  const operations = program
    .command('operations')
    .description('List, look at and change where operations run: in the caller or as a task.')
    .addHelpText('after', '\nExamples:\n  millrace operations ls\n  millrace operations change audit --mode sync')
  addLs(operations, host)
  addShow(operations, host)
  addChange(operations, host)
}

function addLs(operations: Command, host: Host): void {
  operations
    .command('ls')
    .description('List the operations that the store has settings of.')
    .addHelpText('after', '\nExamples:\n  millrace operations ls\n  millrace operations ls --json')
    .action((_flags, command: Command) =>
      withMillrace(host, command, {}, async ({ millrace, output }) => {
        const found = await millrace.operations.list()
        if (output.isJson) return await output.json(found)
        if (found.length === 0) return output.note('No operation has stored settings: they are as their code says.')
        await printTable(output, found, [
          { title: 'operation', value: ({ name }) => name },
          ...SETTINGS.map((setting) => ({
            title: setting === 'maxWaitMs' ? 'max wait' : setting,
            value: (view: OperationView) => said(view, setting) ?? '-',
          })),
          { title: 'changed', value: ({ changedAt }) => changedAt ?? '-' },
          { title: 'by', value: ({ changedBy }) => changedBy ?? '-' },
        ])
      }),
    )
}

function addShow(operations: Command, host: Host): void {
  operations
    .command('show')
    .argument('<operation>', 'the operation')
    .description('Show the settings of an operation, and who says each.')
    .addHelpText('after', '\nExamples:\n  millrace operations show audit')
    .action((name: string, _flags, command: Command) =>
      withMillrace(host, command, {}, async ({ millrace, output }) => {
        const found = await millrace.operations.get(name)
        if (found === undefined) {
          throw wrongUse(`The store has no settings of an operation ${printable(name)}: it is as its code says.`)
        }
        if (output.isJson) return await output.json(found)
        await print(output, found)
      }),
    )
}

function addChange(operations: Command, host: Host): void {
  operations
    .command('change')
    .argument('<operation>', 'the operation')
    .description('Change an operation in all processes, within about two seconds.')
    .addOption(new Option('--mode <mode>', 'where it runs').choices(['auto', 'sync', 'async']))
    .addOption(new Option('--fallback <way>', 'when the queue is down').choices(['sync', 'fail']))
    .option('--rollout <percent>', 'the share of keys that go to the queue', wholeNumber(0, 100))
    .option('--max-wait <span>', 'the queue is slow when a task waits for longer, such as 500ms', span)
    .option('--restore <setting>', 'take a setting back to what the code says (repeatable)', settings)
    .option('--by <name>', 'who changes it (default: the user of this shell)')
    .addHelpText(
      'after',
      '\nExamples:\n  millrace operations change audit --mode sync\n  millrace operations change audit --mode auto --rollout 25\n  millrace operations change audit --restore mode --restore rollout',
    )
    .action((name: string, flags: ChangeFlags, command: Command) => {
      const change = changeOf(flags)
      return withMillrace(host, command, {}, async ({ millrace, output }) => {
        const by = flags.by ?? host.environment['USER']
        const found = await millrace.operations.change(name, { ...change, ...(by === undefined ? {} : { by }) })
        if (output.isJson) return await output.json(found)
        await print(output, found)
      })
    })
}

function changeOf({ mode, fallback, rollout, maxWait, restore = [] }: ChangeFlags): OperationChange {
  const given = Object.entries({ mode, fallback, rollout, maxWaitMs: maxWait }).filter(
    ([, value]) => value !== undefined,
  )
  const twice = restore.find((setting) => given.some(([name]) => name === setting))
  if (twice !== undefined) throw wrongUse(`${twice} cannot be set and taken back at once.`)
  if (given.length + restore.length === 0) {
    throw wrongUse('What is to change? Give --mode, --fallback, --rollout, --max-wait or --restore.')
  }
  return Object.fromEntries([...given, ...restore.map((setting) => [setting, null])]) as OperationChange
}

function settings(text: string, before: readonly Setting[] | undefined): readonly Setting[] {
  const setting = SETTINGS.find((name) => name === text)
  if (setting === undefined) throw new InvalidArgumentError(`It must be one of ${SETTINGS.join(', ')}.`)
  return [...(before ?? []), setting]
}

async function print(output: Output, view: OperationView): Promise<void> {
  await printFacts(output, [
    ['operation', view.name],
    ...SETTINGS.map((setting) => [setting, sourced(view, setting)] as const),
    ['changed', view.changedAt],
    ['by', view.changedBy],
    ['problem', view.problem],
  ])
}

function sourced(view: OperationView, setting: Setting): string {
  const value = said(view, setting)
  return value === undefined ? 'as the code says' : `${value} (${view.from[setting] ?? 'code'})`
}

function said(
  { settings: { mode, fallback, rollout, maxWaitMs } }: OperationView,
  setting: Setting,
): string | undefined {
  const texts = {
    mode,
    fallback,
    rollout: rollout === undefined ? undefined : `${rollout} %`,
    maxWaitMs: maxWaitMs === undefined ? undefined : duration(maxWaitMs),
  }
  return texts[setting]
}
