import type { Setting } from '../../driver/setting-store.ts'
import { MillraceError } from '../../runtime/error.ts'

const MOST_LISTED = 1_000
const MOST_BYTES = 65_536
const encoder = new TextEncoder()

/** The settings whose names begin with a prefix, by name. */
export function listSettings(settings: ReadonlyMap<string, Setting>, prefix: string): Setting[] {
  const found = [...settings.values()].filter(({ name }) => name.startsWith(prefix))
  return found.toSorted((one, other) => (one.name < other.name ? -1 : 1)).slice(0, MOST_LISTED)
}

/** Stores or removes a setting if `expectedVersion` is the stored one. Throws `limit_exceeded`. */
export function putSetting(
  settings: Map<string, Setting>,
  {
    name,
    value,
    expectedVersion,
  }: { readonly name: string; readonly value: string | undefined; expectedVersion: number },
): { readonly version: number } | undefined {
  if ((settings.get(name)?.version ?? 0) !== expectedVersion) return undefined
  if (value === undefined) {
    settings.delete(name)
    return { version: 0 }
  }
  const bytes = encoder.encode(value).length
  if (bytes > MOST_BYTES) {
    throw new MillraceError(
      'limit_exceeded',
      `The setting "${name}" has ${bytes} bytes; at most ${MOST_BYTES} are stored.`,
    )
  }
  settings.set(name, { name, value, version: expectedVersion + 1 })
  return { version: expectedVersion + 1 }
}
