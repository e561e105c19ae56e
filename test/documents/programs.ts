import { globSync } from 'node:fs'

/** A program in a document: a block that opens with "```ts run". */
export interface Program {
  /** The line of its document on which it opens. */
  readonly line: number
  readonly source: string
  /** What it prints at least, where the block after it is "```text". */
  readonly output: string | undefined
}

interface Block {
  readonly kind: string
  readonly line: number
  readonly text: string
}

/** The documents that readers learn from, from the repository's root. */
export function documents(root: string): string[] {
  return globSync(['README.md', 'docs/**/*.md', 'packages/*/README.md'], { cwd: root }).toSorted()
}

/** The programs of a document; after one, each "```diff" block gives the program once more with its lines replaced. */
export function programsOf(text: string): Program[] {
  const programs: Program[] = []
  let latest: Program | undefined
  for (const [index, block] of blocksOf(text).entries()) {
    if (block.kind === 'ts run') {
      const next = blocksOf(text)[index + 1]
      latest = { line: block.line, source: block.text, output: next?.kind === 'text' ? next.text : undefined }
      programs.push(latest)
    } else if (block.kind === 'diff' && latest !== undefined) {
      programs.push({ ...latest, line: block.line, source: applyDiff(latest.source, block) })
    }
  }
  return programs
}

function blocksOf(text: string): Block[] {
  const blocks: Block[] = []
  const lines = text.split('\n')
  for (let at = 0; at < lines.length; at += 1) {
    const kind = /^```(.+)$/.exec(lines[at] ?? '')?.[1]
    if (kind === undefined) continue
    const end = lines.indexOf('```', at)
    blocks.push({ kind: kind.trim(), line: at + 1, text: lines.slice(at + 1, end).join('\n') })
    at = end
  }
  return blocks
}

function applyDiff(source: string, { line, text }: Block): string {
  const changes = text.split('\n')
  return changes.reduce((changed, removed, index) => {
    const added = changes[index + 1]
    if (!removed.startsWith('-')) return changed
    if (!changed.split('\n').includes(removed.slice(1))) throw new Error(`Line ${line}: no such line: ${removed}`)
    return changed.replace(removed.slice(1), () => (added?.startsWith('+') ? added.slice(1) : ''))
  }, source)
}
