import { moduleOf } from './module-table.ts'
import type { ModuleTable } from './module-table.ts'
import type { ImportFact, SourceFacts, WorkspacePackage } from './source-facts.ts'

const emptyNames = /^_?(utils?|helpers?|common|shared|lib|types?|misc|manager)$/

/** Every breach of the import table, one sentence each. */
export function checkImports(files: readonly SourceFacts[], table: ModuleTable): string[] {
  return [...files.flatMap((file) => checkLayer(file, files, table)), ...findCycles(files)]
}

/** Every breach of the rules on names, entry files and globals, one sentence each. */
export function checkShape(files: readonly SourceFacts[], packages: readonly WorkspacePackage[]): string[] {
  const known = new Set(files.map((file) => file.path))
  const entries = new Set(packages.flatMap((each) => Object.values(each.entries)))
  const gone = [...entries].filter((entry) => !known.has(entry))
  return [
    ...gone.map((entry) => `${entry}: a package exports it, but there is no such file`),
    ...files.flatMap((file) => checkFile(file, entries)),
  ]
}

function checkLayer(file: SourceFacts, files: readonly SourceFacts[], table: ModuleTable): string[] {
  const own = moduleOf(file.path, table)
  if (own === undefined) return [`${file.path}: belongs to no module of architecture.json`]
  return file.imports.flatMap((each) => {
    const breach = breachOf(each, file.path, { own, files, table })
    return breach === undefined ? [] : [`${file.path}: ${breach}`]
  })
}

interface Layering {
  readonly own: string
  readonly files: readonly SourceFacts[]
  readonly table: ModuleTable
}

function breachOf(each: ImportFact, from: string, { own, files, table }: Layering): string | undefined {
  const { specifier, target, dynamic } = each
  const row = table[own]
  if (row?.node === false && specifier.startsWith('node:'))
    return `${own} runs in browsers, so it may not import ${specifier}`
  if (target === undefined || /\.(css|sql|lua|html|json)$/.test(target)) return undefined
  if (!files.some((file) => file.path === target)) return `${specifier} leads to no source file`
  if (specifier.startsWith('.') && packageFolder(from) !== packageFolder(target))
    return `${specifier} reaches into another package`
  const there = moduleOf(target, table)
  if (there === own || there === undefined || row?.imports.includes(there)) return undefined
  return dynamic && row?.loads?.includes(there) ? undefined : `${own} may not import ${there} (${specifier})`
}

function packageFolder(path: string): string {
  const [first = '', second = ''] = path.split('/')
  return first === 'packages' || first === 'apps' ? `${first}/${second}` : first
}

function findCycles(files: readonly SourceFacts[]): string[] {
  const targets = new Map(files.map((file) => [file.path, file.imports.flatMap((each) => each.target ?? [])]))
  const done = new Set<string>()
  const found: string[] = []
  const visit = (path: string, trail: readonly string[]): void => {
    const seenAt = trail.indexOf(path)
    if (seenAt >= 0) found.push(`${[...trail.slice(seenAt), path].join(' -> ')}: a cycle`)
    if (seenAt >= 0 || done.has(path)) return
    for (const next of targets.get(path) ?? []) visit(next, [...trail, path])
    done.add(path)
  }
  for (const path of targets.keys()) visit(path, [])
  return found
}

function checkFile(file: SourceFacts, entries: ReadonlySet<string>): string[] {
  const breaches: string[] = []
  const names = file.path.split('/').slice(2)
  const empty = names.map((name) => name.replace(/\.tsx?$/, '')).find((name) => emptyNames.test(name))
  if (empty !== undefined) breaches.push(`the name "${empty}" says nothing of what is inside`)
  if (!/^[a-z0-9]+(-[a-z0-9]+)*(\.d)?\.tsx?$/.test(names.at(-1) ?? '')) breaches.push('the name is not kebab-case')
  if (file.exportsAll) breaches.push('export * hides what is public; name each export')
  if (file.barrel && !entries.has(file.path)) breaches.push('only re-exports, yet no package exports it')
  if (file.globals.length > 0 && drawsFromRuntime(file.path)) {
    breaches.push(`takes ${[...new Set(file.globals)].join(', ')} from the globals instead of the runtime`)
  }
  return breaches.map((breach) => `${file.path}: ${breach}`)
}

function drawsFromRuntime(path: string): boolean {
  return path.startsWith('packages/core/src/') && !/^packages\/core\/src\/(runtime|testing)\//.test(path)
}
