import { globSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { parseSync } from 'oxc-parser'
import { chanceAndTime } from './chance-and-time.ts'

/** What the rules judge of one source file. */
export interface SourceFacts {
  /** From the repository's root. */
  readonly path: string
  readonly imports: readonly ImportFact[]
  /** Whether it says `export * from`. */
  readonly exportsAll: boolean
  /** Whether it consists of re-exports only. */
  readonly barrel: boolean
  /** The globals of time and chance that it reaches for. */
  readonly globals: readonly string[]
}

/** One import, re-export or `import()`. */
export interface ImportFact {
  readonly specifier: string
  /** The file it leads to, for our own code. */
  readonly target: string | undefined
  readonly dynamic: boolean
}

/** A package of the workspace: where it is and which file each of its entry points runs from source. */
export interface WorkspacePackage {
  readonly name: string
  /** Its folder, from the repository's root. */
  readonly folder: string
  /** Entry point (`.`, `./driver`) to file, from the repository's root. */
  readonly entries: Readonly<Record<string, string>>
}

/** The facts of every source file that ships or runs; tests are not layered. */
export function readSources(root: string): SourceFacts[] {
  const packages = readPackages(root)
  const files = globSync('{packages,apps}/*/src/**/*.{ts,tsx}', { cwd: root })
  files.push(...globSync('{bench,engines}/src/**/*.ts', { cwd: root }))
  return files.toSorted().map((path) => factsOf(path, readFileSync(posix.join(root, path), 'utf8'), packages))
}

/** The packages of the workspace. */
export function readPackages(root: string): WorkspacePackage[] {
  return globSync('{packages/*,apps/*,bench,engines}/package.json', { cwd: root }).map((manifest) => {
    const folder = posix.dirname(manifest)
    const { name, exports = {} } = JSON.parse(readFileSync(posix.join(root, manifest), 'utf8')) as {
      name: string
      exports?: Record<string, string | { 'millrace-source': string }>
    }
    const entries = Object.entries(exports).map(([entry, to]) => {
      const file = typeof to === 'string' ? to : to['millrace-source']
      return [entry, posix.join(folder, file)] as const
    })
    return { name, folder, entries: Object.fromEntries(entries) }
  })
}

/** The facts of one file's text. */
export function factsOf(path: string, text: string, packages: readonly WorkspacePackage[]): SourceFacts {
  const { program, module, errors } = parseSync(path, text)
  if (errors.length > 0) throw new Error(`${path} cannot be parsed: ${errors[0]?.message}`)
  const fixed = module.staticImports.map((each) => each.moduleRequest.value)
  const passedOn = module.staticExports.flatMap((each) =>
    each.entries.flatMap((entry) => entry.moduleRequest?.value ?? []),
  )
  const dynamic = module.dynamicImports.flatMap(({ moduleRequest: { start, end } }) => {
    const literal = /^(['"`])([^'"`$]+)\1$/.exec(text.slice(start, end))
    return literal?.[2] ?? []
  })
  const fact = (specifier: string, isDynamic: boolean): ImportFact => ({
    specifier,
    target: targetOf(specifier, path, packages),
    dynamic: isDynamic,
  })
  const statements = program.body
  return {
    path,
    imports: [
      ...[...new Set([...fixed, ...passedOn])].map((specifier) => fact(specifier, false)),
      ...[...new Set(dynamic)].map((specifier) => fact(specifier, true)),
    ],
    exportsAll: statements.some((statement) => statement.type === 'ExportAllDeclaration'),
    barrel:
      statements.length > 0 &&
      statements.every((each) => 'source' in each && each.type.startsWith('Export') && each.source !== null),
    globals: chanceAndTime(program),
  }
}

function targetOf(specifier: string, from: string, packages: readonly WorkspacePackage[]): string | undefined {
  if (specifier.startsWith('.')) return posix.join(posix.dirname(from), specifier)
  for (const { name, entries } of packages) {
    if (specifier !== name && !specifier.startsWith(`${name}/`)) continue
    return entries[`.${specifier.slice(name.length)}`] ?? `${specifier} is not exported`
  }
  return undefined
}
