import type { Capabilities } from '@millrace/core/driver'
import { createContext, type ConformanceOptions } from './context.ts'
import type { Property } from './property.ts'

/** Runs one property on a fresh engine. Throws what it throws, with the seed in the message. */
export async function runProperty(property: Property, options: ConformanceOptions, seed: number): Promise<void> {
  // The timers of a runtime never keep a process alive: without this a script would end in the middle of a property.
  const awake = setInterval(() => {}, 60_000)
  const context = await createContext(options, seed)
  try {
    await property.run(context)
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error)
    const warnings = context.warnings.map((warning) => `\nThe driver warned: ${warning}`).join('')
    throw new Error(`${property.id}: ${text}${warnings}\nRun it again with MILLRACE_SEED=${seed}.`, { cause: error })
  } finally {
    await context.end()
    clearInterval(awake)
  }
}

/** Why a property cannot run on this engine; undefined when it can. `capabilities` are asked only if it needs some. */
export async function reasonToSkip(
  property: Property,
  options: ConformanceOptions,
  capabilities: () => Promise<Capabilities>,
): Promise<string | undefined> {
  const written = options.skip?.[property.id]
  if (written !== undefined) return written
  for (const need of property.needs ?? []) {
    if (need === 'restart') {
      if (options.restart === undefined) return 'its data does not outlive a restart'
    } else if (need === 'secondProcess') {
      if (options.secondProcess === undefined) return 'it has one process only'
    } else if (need === 'callers') {
      if (options.callers === undefined) return 'it has no transactions that callers could share'
    } else if (need === 'tasks') {
      if (options.tasks === false) return 'it keeps no tasks'
    } else if ((await capabilities())[need].level === 'none') {
      return `its capability "${need}" is none`
    }
  }
  return undefined
}

/** What an engine declares when it is connected. */
export async function probeCapabilities(options: ConformanceOptions): Promise<Capabilities> {
  const context = await createContext(options, 1)
  try {
    return (await context.open()).transport.capabilities
  } finally {
    await context.end()
  }
}

/** The seed of this run: `MILLRACE_SEED`, or a new one. */
export function seedOfRun(): number {
  const given = Number(process.env['MILLRACE_SEED'])
  return Number.isInteger(given) && given > 0 ? given : Math.floor(Math.random() * 2 ** 31) + 1
}
