import type { Measurement } from './measure.ts'

/** One line of `--json`: the fixed format of the benchmark's output. */
export interface Line {
  readonly scenario: string
  readonly engine: string
  readonly engineVersion: string
  readonly durability: string
  readonly unit: string
  readonly ours: number
  readonly p99?: number
  readonly peer: string | null
  readonly peerValue: number | null
  /** The median of the pairwise ratios; above 1 ours is better. */
  readonly ratio: number | null
  /** The same work by the bare client. */
  readonly limit: number | null
  readonly ofLimit: number | null
  readonly runs: number
  readonly note: string
}

/** A line with nobody beside it. */
export function standalone(
  scenario: string,
  { engine = '', engineVersion = '', durability = '' }: Partial<Measurement>,
  { ours, unit, runs, note }: Pick<Line, 'ours' | 'unit' | 'runs' | 'note'>,
): Line {
  const alone = { peer: null, peerValue: null, ratio: null, limit: null, ofLimit: null }
  return { scenario, engine, engineVersion, durability, unit, ours, ...alone, runs, note }
}

const WIDTHS = [14, 8, 20, 7, 34, 9, 9, 9, 6] as const
const HEAD = ['scenario', 'engine', 'ours', 'p99', 'beside it', 'reaches', 'ours is', 'bare', 'of it'] as const

/** The head of the table. */
export function tableHead(): string {
  return row(HEAD)
}

/** The rows of one scenario: what is the same in each row stands in the first alone. */
export function tableRows(lines: readonly Line[]): string {
  return lines
    .map((line, at) => {
      const first = line.scenario !== lines[at - 1]?.scenario
      return row([
        first ? line.scenario : '',
        first ? line.engine : '',
        first ? `${formatted(line.ours)} ${line.unit}` : '',
        first && line.p99 !== undefined ? formatted(line.p99) : '',
        line.peer ?? '',
        line.peerValue === null ? '' : formatted(line.peerValue),
        line.ratio === null ? '' : `${formatted(line.ratio)} x`,
        first && line.limit !== null ? formatted(line.limit) : '',
        first && line.ofLimit !== null ? formatted(line.ofLimit) : '',
      ])
    })
    .join('')
}

/** The middle value; of an even number the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

/** Three digits, or all of a large number in groups of three. */
export function formatted(value: number, group = ' '): string {
  if (Math.abs(value) >= 1_000) return Math.round(value).toLocaleString('en').replaceAll(',', group)
  return value.toPrecision(3)
}

/** Thousands as `k`, millions as `M`. */
export function eventCount(events: number): string {
  return events >= 1_000_000 ? `${events / 1_000_000} M` : `${events / 1_000} k`
}

function row(cells: readonly string[]): string {
  const padded = cells.map((cell, at) => {
    const width = WIDTHS[at] ?? 0
    return at < 2 || at === 4 ? cell.padEnd(width) : cell.padStart(width)
  })
  return `${padded.join('  ').trimEnd()}\n`
}
