import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import {
  createMillrace,
  MillraceError,
  systemRuntime,
  type AnyEventDefinition,
  type Log,
  type Millrace,
} from '@millrace/core'
import { misspeltVariables } from './config/environment.ts'
import { DEFAULT_ENGINE, resolveSettings, type Settings } from './config/settings.ts'
import type { Host } from './host.ts'
import { createOutput, type Output } from './output/output.ts'

/** The options that every command takes. */
export interface GlobalOptions {
  readonly engine?: string
  readonly config?: string
  readonly json?: boolean
  readonly color?: boolean
  readonly verbose?: boolean
}

/** A command's surroundings while its engine is open. */
export interface Session {
  readonly host: Host
  readonly millrace: Millrace
  readonly settings: Settings
  readonly output: Output
}

/** What a command asks of its session. */
export interface SessionOptions {
  /** The command may make an SQLite file that is not there. */
  readonly creates?: boolean
  /** The command falls back to the project's own file and makes it. */
  readonly makeDefault?: boolean
  /** The command ends by itself when the host's signal fires. Otherwise it is given up. */
  readonly endsOnSignal?: boolean
  /** Milliseconds that running handlers have to finish when it ends. Default 8,000. */
  readonly closeMs?: number
  /** Definitions beside those of the configuration, which come first. */
  readonly events?: (settings: Settings) => readonly AnyEventDefinition[]
}

/** The output that the flags of a command ask for. */
export function outputOf(host: Host, command: Command): Output {
  const { json = false, color = true } = command.optsWithGlobals<GlobalOptions>()
  return createOutput(host, { json, color })
}

/** Opens the engine that flags, variables and configuration name, runs the work, and closes whatever was opened. */
export async function withMillrace<Result>(
  host: Host,
  command: Command,
  options: SessionOptions,
  work: (session: Session) => Promise<Result>,
): Promise<Result> {
  const output = outputOf(host, command)
  const { engine, config, verbose = false } = command.optsWithGlobals<GlobalOptions>()
  for (const sentence of misspeltVariables(host.environment)) output.warn(sentence)
  const { creates = false, makeDefault = false, endsOnSignal = false, closeMs = 8_000 } = options
  const settings = await resolveSettings({
    cwd: host.cwd,
    environment: host.environment,
    engineFlag: engine,
    configFlag: config,
    mustExist: !creates,
    makeDefault,
    onSecret: (secret) => host.secrets.add(secret),
  })
  if (settings.engineName === DEFAULT_ENGINE) mkdirSync(join(host.cwd, '.millrace'), { recursive: true })
  const millrace = backboneOf(settings, output, { verbose, extra: options.events?.(settings) ?? [] })
  // The runtime's timers let the process end; while a command works it must not.
  const alive = setInterval(() => {}, 60_000)
  try {
    return await endedBySignal(host.signal, endsOnSignal, async () => {
      await millrace.start()
      return await work({ host, millrace, settings, output })
    })
  } finally {
    await closeInTime(host, millrace, { output, closeMs })
    clearInterval(alive)
  }
}

const SPARE_MS = 1_500

/** An engine that does not answer must not keep the command from ending. */
async function closeInTime(
  host: Host,
  millrace: Millrace,
  { output, closeMs }: { readonly output: Output; readonly closeMs: number },
): Promise<void> {
  const giveUpMs = closeMs + SPARE_MS
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), giveUpMs)
  })
  const outcome = await Promise.race([millrace.close({ timeoutMs: closeMs }), late])
  clearTimeout(timer)
  if (outcome !== 'late') return
  output.warn(`The engine did not close within ${giveUpMs} ms; what was not settled is handled again.`)
  host.fail()
}

function backboneOf(
  { engine, name, config }: Settings,
  output: Output,
  { verbose, extra }: { readonly verbose: boolean; readonly extra: readonly AnyEventDefinition[] },
): Millrace {
  return createMillrace({
    engine,
    ...(name === undefined ? {} : { name }),
    events: [...(config.events ?? []), ...extra],
    ...(config.tasks === undefined ? {} : { taskDefinitions: config.tasks }),
    ...(config.topics === undefined ? {} : { topics: config.topics }),
    ...(config.durability === undefined ? {} : { durability: config.durability }),
    runtime: systemRuntime({ log: logTo(output, verbose) }),
    onError: (error) => output.error(error),
  })
}

function logTo(output: Output, verbose: boolean): Log {
  const say =
    (level: string): Log['info'] =>
    (message, fields = {}) =>
      output.note(
        [level, message, ...Object.entries(fields).map(([name, value]) => `${name}=${String(value)}`)].join(' '),
      )
  const silent = (): void => {}
  return {
    debug: verbose ? say('debug') : silent,
    info: verbose ? say('info') : silent,
    warn: say('warn'),
    error: say('error'),
  }
}

async function endedBySignal<Result>(
  signal: AbortSignal,
  endsOnSignal: boolean,
  work: () => Promise<Result>,
): Promise<Result> {
  if (endsOnSignal) return await work()
  return await new Promise<Result>((resolve, reject) => {
    const stop = (): void => reject(new MillraceError('aborted', 'Interrupted.'))
    signal.addEventListener('abort', stop, { once: true })
    if (signal.aborted) stop()
    else
      work()
        .then(resolve, reject)
        .finally(() => signal.removeEventListener('abort', stop))
  })
}
