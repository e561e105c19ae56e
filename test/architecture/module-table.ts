import { readFileSync } from 'node:fs'

/** One row of `architecture.json`. */
export interface Module {
  /** Folders (ending in `/`) and files that make it up, from the repository's root. */
  readonly at: readonly string[]
  /** The modules it may import, besides itself. */
  readonly imports: readonly string[]
  /** The modules that it may load with a dynamic `import()` only. */
  readonly loads?: readonly string[]
  /** False where no `node:*` module may be imported. */
  readonly node?: boolean
}

/** The import table, by module name. */
export type ModuleTable = Readonly<Record<string, Module>>

/** The table as the repository's root has it. */
export function readModuleTable(): ModuleTable {
  const text = readFileSync(new URL('../../architecture.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { modules: ModuleTable }).modules
}

/** The module that a file belongs to. */
export function moduleOf(path: string, table: ModuleTable): string | undefined {
  return Object.keys(table).find((name) =>
    table[name]?.at.some((place) => (place.endsWith('/') ? path.startsWith(place) : path === place)),
  )
}
