import type { ModuleTable } from '../test/architecture/module-table.ts'

const begin = '<!-- begin: drawn by npm run draw -->'
const end = '<!-- end -->'

/** The import table as a Mermaid diagram; an arrow that others imply is left out, a dotted one is a dynamic import. */
export function drawDiagram(table: ModuleTable): string {
  const names = Object.keys(table)
  const box = (name: string): string => name.replace('/', '_')
  const inside = names.filter((name) => name.startsWith('core/'))
  const lines = ['```mermaid', 'flowchart TD', '  subgraph core']
  for (const name of inside) lines.push(`    ${box(name)}["${name.slice('core/'.length)}"]`)
  lines.push('  end')
  for (const name of names) if (!inside.includes(name)) lines.push(`  ${box(name)}["${name}"]`)
  for (const name of names) {
    for (const below of directImports(name, table)) lines.push(`  ${box(name)} --> ${box(below)}`)
    for (const below of table[name]?.loads ?? []) lines.push(`  ${box(name)} -.-> ${box(below)}`)
  }
  return [...lines, '```'].join('\n')
}

/** The document with its diagram replaced by the one of the table. Throws where the document has no place for it. */
export function withDiagram(document: string, table: ModuleTable): string {
  const from = document.indexOf(begin)
  const to = document.indexOf(end, from)
  if (from < 0 || to < 0) throw new Error(`ARCHITECTURE.md has no lines "${begin}" and "${end}".`)
  return `${document.slice(0, from)}${begin}\n\n${drawDiagram(table)}\n\n${document.slice(to)}`
}

function directImports(name: string, table: ModuleTable): string[] {
  const below = table[name]?.imports ?? []
  return below.filter((each) => !below.some((other) => other !== each && reaches(other, each, table)))
}

function reaches(from: string, to: string, table: ModuleTable): boolean {
  const below = table[from]?.imports ?? []
  return below.includes(to) || below.some((each) => reaches(each, to, table))
}
