import { createContext, type ConformanceOptions, type Context } from './context.ts'
import type { Need, Property } from './property.ts'

/** Runs one property on a fresh engine. Throws what it throws, with the seed in the message. */
export async function runProperty(property: Property, options: ConformanceOptions, seed: number): Promise<void> {
  const context = await createContext(options, seed)
  try {
    await property.run(context)
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error)
    throw new Error(`${property.id}: ${text}\nRun it again with MILLRACE_SEED=${seed}.`, { cause: error })
  } finally {
    await context.end()
  }
}

/** Why a property cannot run on this engine; undefined when it can. */
export async function reasonToSkip(property: Property, options: ConformanceOptions): Promise<string | undefined> {
  const written = options.skip?.[property.id]
  if (written !== undefined) return written
  const { needs = [] } = property
  if (needs.includes('restart') && options.restart === undefined) return 'its data does not outlive a restart'
  if (needs.includes('secondProcess') && options.secondProcess === undefined) return 'it has one process only'
  const abilities = needs.filter((need) => need !== 'restart' && need !== 'secondProcess')
  if (abilities.length === 0) return undefined
  const context = await createContext(options, 1)
  try {
    const missing = await missingAbility(context, abilities)
    return missing === undefined ? undefined : `its capability "${missing}" is none`
  } finally {
    await context.end()
  }
}

/** The seed of this run: `MILLRACE_SEED`, or a new one. */
export function seedOfRun(): number {
  const given = Number(process.env['MILLRACE_SEED'])
  return Number.isInteger(given) && given > 0 ? given : Math.floor(Math.random() * 2 ** 31) + 1
}

type Ability = Exclude<Need, 'restart' | 'secondProcess'>

async function missingAbility(context: Context, abilities: readonly Ability[]): Promise<Ability | undefined> {
  const { capabilities } = (await context.open()).transport
  return abilities.find((ability) => capabilities[ability].level === 'none')
}
