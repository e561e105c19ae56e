import { formatted, type Line } from './report.ts'
import { missing, targets, type Target } from './targets.ts'

/** The tables for docs/benchmarks.md, one for each engine, from the lines of `--json`. */
export function markdown(lines: readonly Line[]): string {
  return [...groupBy(lines, ({ engine }) => engine)].map(([engine, its]) => engineTable(engine, its)).join('\n')
}

function engineTable(engine: string, lines: readonly Line[]): string {
  const [first] = lines
  const peers = [...new Set(lines.flatMap(({ peer }) => (peer === null ? [] : [peer])))]
  const head = ['Scenario', 'Ours', ...peers.map((peer) => titleOf(peer)), 'Bare', 'Target', 'Verdict']
  const rows = [...groupBy(lines, ({ scenario }) => scenario)].map(([scenario, its]) => {
    const [line] = its
    if (line === undefined) return []
    const target = targets[`${engine}/${scenario}`]
    return [
      `\`${scenario}\`, ${line.unit}`,
      line.p99 === undefined ? comma(line.ours) : `${comma(line.ours)}, p99 ${comma(line.p99)}`,
      ...peers.map((peer) => peerCell(its.find((each) => each.peer === peer))),
      line.limit === null ? '' : `${comma(line.limit)} (${(line.ofLimit ?? 0).toFixed(2)} of it)`,
      target === undefined ? '' : targetText(target),
      target === undefined ? '' : missing(target, its).join('; ') || 'reached',
    ]
  })
  const heading = `### ${engine} ${first?.engineVersion ?? ''}, durability ${first?.durability ?? ''}\n\n`
  return `${heading}${[head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |\n`).join('')}`
}

function peerCell(line: Line | undefined): string {
  return line === undefined ? '' : `${comma(line.peerValue ?? Number.NaN)} (${formatted(line.ratio ?? Number.NaN)} x)`
}

function titleOf(peer: string): string {
  const [name = '', rest = ''] = peer.split('@')
  const variant = rest.split('+')[1]
  return variant === undefined ? name : `${name}, ${variant}`
}

function targetText({ atLeast, atMost, p99AtMost, ratios = {}, ofLimit }: Target): string {
  return [
    ...(atLeast === undefined ? [] : [`>= ${comma(atLeast)}`]),
    ...(atMost === undefined ? [] : [`<= ${atMost}`]),
    ...(p99AtMost === undefined ? [] : [`p99 <= ${p99AtMost}`]),
    ...Object.entries(ratios).map(([name, least]) => `${formatted(least)} x ${name.slice(0, -1)}`),
    ...(ofLimit === undefined ? [] : [`${ofLimit} of bare`]),
  ].join('; ')
}

function comma(value: number): string {
  return formatted(value, ',')
}

function groupBy<Item>(items: readonly Item[], keyOf: (item: Item) => string): ReadonlyMap<string, readonly Item[]> {
  return Map.groupBy(items, keyOf)
}
