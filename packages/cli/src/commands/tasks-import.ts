import { MillraceError } from '@millrace/core'
import type { Engine } from '@millrace/core/driver'
import type { Command } from 'commander'
import { importPackage } from '../config/import-package.ts'
import { maskUrl, secretsOf } from '../config/secrets.ts'
import type { Host } from '../host.ts'
import { count } from '../output/amount.ts'
import { withMillrace, type Session } from '../session.ts'

interface ImportFlags {
  readonly dryRun?: boolean
  readonly giveBack?: boolean
  readonly prefix: string
  readonly toQueue?: string
  readonly timeZone?: string
  readonly keepIds?: boolean
  readonly follow?: boolean
  readonly evenIfPaused?: boolean
}

/** What this command uses of `@millrace/bullmq`, which only those need who come from there. */
interface Bridge {
  importBullmq(options: object): Promise<object>
  giveBackBullmq(
    options: object,
  ): Promise<{ readonly jobs: number; readonly moved: number; readonly schedulers: number }>
  reportText(report: object): readonly string[]
}

/** `millrace tasks import-bullmq`: the jobs and schedulers of a queue of BullMQ become ours. */
export function addTasksImport(tasks: Command, host: Host): void {
  tasks
    .command('import-bullmq')
    .argument('<redis>', 'the URL of the Redis')
    .argument('<queue>', 'the queue of BullMQ')
    .description('Move the jobs and schedulers of a BullMQ queue into the engine. Killed anywhere, run it again.')
    .option('--dry-run', 'only say what would happen')
    .option('--give-back', 'give back to BullMQ what an interrupted run holds')
    .option('--prefix <prefix>', 'the prefix of the keys of BullMQ', 'bull')
    .option('--to-queue <name>', 'our queue, for tasks without a definition (default: the same name)')
    .option('--time-zone <zone>', 'of schedulers that have none (default: that of this machine)')
    .option('--keep-ids', 'give each task the id of its job')
    .option('--follow', 'go on with new jobs until Ctrl-C, while old producers are still running')
    .option('--even-if-paused', 'move jobs of a paused queue, though ours may run at once')
    .addHelpText(
      'after',
      '\nExamples:\n  millrace tasks import-bullmq redis://localhost emails --dry-run\n  millrace tasks import-bullmq redis://localhost emails --follow',
    )
    .action(async (redis: string, queue: string, flags: ImportFlags, command: Command) => {
      for (const secret of secretsOf(redis)) host.secrets.add(secret)
      await withMillrace(host, command, { creates: true, endsOnSignal: true }, (session) =>
        importQueue(session, { redis, queue }, flags),
      )
    })
}

async function importQueue(
  { settings, output, host }: Session,
  from: { readonly redis: string; readonly queue: string },
  { giveBack = false, ...flags }: ImportFlags,
): Promise<void> {
  if (!/^rediss?:/.test(from.redis)) {
    throw new MillraceError('engine_url_invalid', `${maskUrl(from.redis)} is no URL of a Redis.`, { path: 'redis' })
  }
  const bridge = (await importPackage('@millrace/bullmq', host.cwd, 'Moving from BullMQ')) as unknown as Bridge
  const engine: Engine = settings.engine
  if (giveBack) {
    const given = await bridge.giveBackBullmq({ ...from, prefix: flags.prefix, engine })
    if (output.isJson) return await output.json(given)
    return await output.line(
      `given back: ${count(given.jobs, 'job')}, ${count(given.schedulers, 'scheduler')}; tasks already: ${given.moved}`,
    )
  }
  const tasks = settings.config.tasks ?? []
  const onProgress = (moved: number): void => output.note(`moved ${count(moved, 'job')}`)
  const report = await bridge.importBullmq({ ...from, ...flags, engine, tasks, signal: host.signal, onProgress })
  if (output.isJson) return await output.json(report)
  for (const line of bridge.reportText(report)) await output.line(line)
}
