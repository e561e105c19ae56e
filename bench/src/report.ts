/** One line of `--json`: the fixed format of the benchmark's output. */
export interface Line {
  readonly scenario: string
  readonly engine: string
  readonly engineVersion: string
  readonly durability: string
  readonly unit: string
  readonly ours: number
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

/** Prints a line as JSON on stdout, or as a row of a table. */
export function printLine(line: Line, json: boolean): void {
  if (json) return void process.stdout.write(`${JSON.stringify(line)}\n`)
  const cells = [
    line.scenario.padEnd(16),
    line.engine.padEnd(7),
    `${format(line.ours)} ${line.unit}`.padStart(18),
    line.peer === null
      ? ''.padEnd(38)
      : `${line.peer} ${format(line.peerValue)}`.padStart(26) + `${format(line.ratio)} x`.padStart(12),
    line.limit === null
      ? ''.padEnd(28)
      : `bare ${format(line.limit)}`.padStart(16) + `${format(line.ofLimit)} of it`.padStart(12),
    line.note,
  ]
  process.stdout.write(`${cells.join('  ').trimEnd()}\n`)
}

/** The middle value; of an even number the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

function format(value: number | null): string {
  if (value === null) return '-'
  if (Math.abs(value) >= 1_000) return Math.round(value).toLocaleString('en').replaceAll(',', ' ')
  return value.toPrecision(3)
}
