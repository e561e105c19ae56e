import { Command } from 'commander'
import { addBench } from './commands/bench.ts'
import { addDev } from './commands/dev.ts'
import { addDlq } from './commands/dlq.ts'
import { addDoctor } from './commands/doctor.ts'
import { addGroups } from './commands/groups.ts'
import { addLag } from './commands/lag.ts'
import { addOperations } from './commands/operations.ts'
import { addPublish } from './commands/publish.ts'
import { addQueues } from './commands/queues.ts'
import { addRead } from './commands/read.ts'
import { addReplay } from './commands/replay.ts'
import { addSchedules } from './commands/schedules.ts'
import { addServe } from './commands/serve.ts'
import { addTail } from './commands/tail.ts'
import { addTasks } from './commands/tasks.ts'
import { addTopics } from './commands/topics.ts'
import { addTrace } from './commands/trace.ts'
import { addWorker } from './commands/worker.ts'
import type { Host } from './host.ts'

const EXAMPLES = `
Examples:
  millrace dev                                     run the configuration, with the page on http://127.0.0.1:4400
  millrace publish order.placed '{"total": 12}'    store an event
  millrace tail 'order.*'                          watch events as they come
  millrace dlq ls                                  see what could not be handled

Exit codes: 0 fine, 1 failed, 2 wrong use, 3 engine unreachable, 130 interrupted before the end.`

/** The whole command line. Parsing throws commander's errors, and says them unless `quiet`; actions throw `MillraceError`s. */
export function createProgram(
  host: Host,
  version: string,
  { quiet = false }: { readonly quiet?: boolean } = {},
): Command {
  const program = new Command('millrace')
    .description('The event backbone for Node.js on the command line.')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .option('-e, --engine <url>', 'the engine, such as sqlite:./app.db (else MILLRACE_ENGINE, else the configuration)')
    .option('-c, --config <file>', 'the configuration (default: millrace.config.ts, .js or .mjs here)')
    .option('--json', 'print JSON: one document, or an object a line for streams')
    .option('--no-color', 'print without colours (as NO_COLOR does)')
    .option('--verbose', 'print what the backbone logs')
    .configureHelp({ showGlobalOptions: true })
    .addHelpText('after', EXAMPLES)
  program.exitOverride()
  program.configureOutput({
    writeOut: (text) => void host.stdout.write(text),
    writeErr: (text) => void host.stderr.write(text),
    outputError: (text, write) => (quiet ? undefined : write(text)),
    getOutHasColors: () => false,
    getErrHasColors: () => false,
  })
  for (const add of [
    addDev,
    addServe,
    addWorker,
    addPublish,
    addTail,
    addRead,
    addTrace,
    addTopics,
    addGroups,
    addLag,
    addDlq,
    addReplay,
    addTasks,
    addQueues,
    addSchedules,
    addOperations,
    addDoctor,
    addBench,
  ]) {
    add(program, host)
  }
  return program
}
